/// The forms of one kind of entity: patterns, what must stand beside them, and what is checked once one has matched.
struct EntityRecogniser: Sendable {
  /// One form.
  struct Form: Sendable {
    var pattern: String
    var left = FilterPattern.Edge.noWord
    var right = FilterPattern.Edge.noWord
    var check = EntityCheck.none
    /// Bytes that still belong to the find, however many follow: they go with it as they come, and nothing is held for them.
    var tail = Tail.none
  }

  /// What may follow a find without an end.
  enum Tail: UInt8, Sendable, BitwiseCopyable {
    case none
    /// Letters, digits, `_` and `-`.
    case token
    /// The same with dots: the further parts of a web token, and a full stop right after it.
    case dottedToken
    /// Base 64 over lines, also with line ends written as `\n`.
    case base64

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        self != .none
      case UInt8(ascii: "_"), UInt8(ascii: "-"): self == .token || self == .dottedToken
      case UInt8(ascii: "."): self == .dottedToken
      case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: "\\"), 0x0A, 0x0D: self == .base64
      default: false
      }
    }
  }

  static func forms(of kind: EntityKind) -> [Form] {
    switch kind {
    case .email: email
    case .iban: iban
    case .card: card
    case .phone: phone
    case .ip: ip
    case .key: key
    case .jwt: jwt
    case .pem: pem
    }
  }

  /// RFC 5321's lengths for the local part and a label; the domain is up to five labels and a top-level one.
  private static let email = [
    Form(
      pattern: "[A-Za-z0-9_][A-Za-z0-9._%+'-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.){1,5}"
        + "(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,20})",
      check: .email)
  ]

  private static let iban = [
    Form(pattern: "[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", check: .iban),
    Form(pattern: "[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?", check: .iban),
  ]

  private static let card = [
    Form(pattern: "[2-6][0-9]{12,18}", check: .luhn),
    Form(pattern: "[2-6][0-9]{3}(?: [0-9]{4}){3}(?: [0-9]{1,3})?", check: .luhn),
    Form(pattern: "[2-6][0-9]{3}(?:-[0-9]{4}){3}(?:-[0-9]{1,3})?", check: .luhn),
    Form(pattern: "3[0-9]{3}(?: [0-9]{6} |-[0-9]{6}-)[0-9]{4,5}", check: .luhn),
  ]

  private static let phone = [
    Form(pattern: "\\+[1-9](?:[ ./-]{0,1}\\(?[0-9]\\)?){6,14}", check: .phone),
    Form(pattern: "(?:\\+?1[ .-])?(?:\\([2-9][0-9]{2}\\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}", check: .phone),
  ]

  private static let ip = [
    Form(
      pattern: "(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})", check: .ipv4),
    Form(pattern: "[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){1,8}(?::[0-9]{1,3}(?:\\.[0-9]{1,3}){3})?", check: .ipv6),
  ]

  private static let key = [
    // Amazon Web Services.
    Form(pattern: "(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}"),
    // OpenAI, Anthropic and those who took their form.
    Form(pattern: "sk-[A-Za-z0-9_-]{32}", right: .anything, tail: .token),
    // GitHub, GitLab, Slack.
    Form(pattern: "gh[pousr]_[A-Za-z0-9]{36}", right: .anything, tail: .token),
    Form(pattern: "github_pat_[A-Za-z0-9_]{22}", right: .anything, tail: .token),
    Form(pattern: "glpat-[A-Za-z0-9_-]{20}", right: .anything, tail: .token),
    Form(pattern: "xox[abeoprs]-[A-Za-z0-9-]{10}", right: .anything, tail: .token),
    // Google, Hugging Face, Stripe, npm.
    Form(pattern: "AIza[A-Za-z0-9_-]{35}", right: .anything, tail: .token),
    Form(pattern: "hf_[A-Za-z0-9]{30}", right: .anything, tail: .token),
    Form(pattern: "[rs]k_(?:live|test)_[A-Za-z0-9]{16}", right: .anything, tail: .token),
    Form(pattern: "npm_[A-Za-z0-9]{36}", right: .anything, tail: .token),
  ]

  /// `eyJ` is `{"` in base 64: a header and a payload that are JSON objects.
  private static let jwt = [
    Form(pattern: "eyJ[A-Za-z0-9_-]{5,220}\\.eyJ[A-Za-z0-9_-]{4}", right: .anything, tail: .dottedToken)
  ]

  private static let pem = [
    Form(
      pattern: "-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----", left: .anything, right: .anything,
      tail: .base64)
  ]
}
