/// What the words of a model's name, or of the header `x-engine-faults`, ask for.
///
/// Words that mean nothing are passed over, so that any real model name is a plain one here.
struct EngineDirections: Equatable {
  var mode: EngineMode?
  var tokenCount: Int?
  /// Nanoseconds between tokens, when the request brings its own.
  var interval: UInt64?
  var hasReasoning = false
  var callsTool = false
  var faults = EngineFaults()

  /// Reads the words of `name` on top of what is known already.
  mutating func read(_ name: String) {
    let words = name.lowercased().split { $0 == "-" || $0 == "," || $0 == " " || $0 == ";" }
    var rest = words[...]
    while let word = rest.popFirst() { read(word, followedBy: &rest) }
  }

  private mutating func read(_ word: Substring, followedBy rest: inout ArraySlice<Substring>) {
    switch word {
    case "echo": mode = .echo
    case "scripted": mode = .scripted
    case "lorem":
      mode = .lorem
      if let count = Self.number(&rest) { tokenCount = count }
    case "tool": if Self.take("call", &rest) { callsTool = true }
    case "reasoning": hasReasoning = true
    case "burst": interval = 0
    case "interval": if let value = rest.first.flatMap(Self.nanoseconds) { interval = value; rest.removeFirst() }
    case "slow": if Self.take("first", &rest), let count = Self.number(&rest) { faults.slowFirstMs = count }
    case "die":
      if Self.take("before", &rest) {
        faults.diesBeforeHead = true
        _ = Self.take("head", &rest)
      } else {
        readBreak(.die, &rest)
      }
    case "eof": readBreak(.eof, &rest)
    case "stall": readBreak(.stall, &rest)
    case "malformed": readBreak(.malformed, &rest)
    case "error": readBreak(.error, &rest)
    case "no": if Self.take("done", &rest) { faults.omitsDone = true }
    case "rate":
      if Self.take("limited", &rest) {
        faults.status = 429
        if faults.retryAfter < 0 { faults.retryAfter = 1 }
      }
    case "retry": if Self.take("after", &rest), let count = Self.number(&rest) { faults.retryAfter = count }
    case "overloaded": faults.status = 503
    case "status":
      if let code = rest.first.flatMap({ Int($0) }), (400...599).contains(code) {
        faults.status = code
        rest.removeFirst()
      }
    default: break
    }
  }

  private mutating func readBreak(_ kind: EngineFaults.Break, _ rest: inout ArraySlice<Substring>) {
    guard Self.take("after", &rest), let count = Self.number(&rest) else { return }
    faults.breaks = kind
    faults.breaksAfter = count
  }

  private static func take(_ word: Substring, _ rest: inout ArraySlice<Substring>) -> Bool {
    guard rest.first == word else { return false }
    rest.removeFirst()
    return true
  }

  /// A whole number of up to nine digits; nothing is taken when the next word is none.
  private static func number(_ rest: inout ArraySlice<Substring>) -> Int? {
    guard let word = rest.first, word.utf8.count <= 9, word.utf8.allSatisfy({ $0 &- 48 < 10 }), let value = Int(word)
    else { return nil }
    rest.removeFirst()
    return value
  }

  /// `5ms` or `500us`.
  private static func nanoseconds(_ word: Substring) -> UInt64? {
    let unit: UInt64 = word.hasSuffix("us") ? 1_000 : word.hasSuffix("ms") ? 1_000_000 : 0
    guard unit > 0, let value = UInt64(word.dropLast(2)), value <= 1_000_000_000 else { return nil }
    return value * unit
  }
}
