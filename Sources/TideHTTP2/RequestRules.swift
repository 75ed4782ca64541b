import TideCore

/// What a request head must be beyond what nghttp2 checks. Pure.
enum RequestRules {
  enum Verdict: Equatable {
    case accepted(authority: String)
    /// Answered here with this status and not dispatched.
    case rejected(status: Int)
  }

  static func judge(_ block: borrowing HeaderBlock, isSecure: Bool) -> Verdict {
    if block.isOverLimit { return .rejected(status: 431) }
    if block.method == "CONNECT" || block.method == "TRACE" { return .rejected(status: 405) }
    if block.isContradictory { return .rejected(status: 400) }
    guard block.scheme == (isSecure ? "https" : "http") else { return .rejected(status: 400) }
    guard block.path.utf8.first == UInt8(ascii: "/") || (block.path == "*" && block.method == "OPTIONS") else {
      return .rejected(status: 400)
    }
    if let authority = block.authority, let host = block.host, !isSame(authority, host) {
      return .rejected(status: 400)
    }
    guard let authority = block.authority ?? block.host, isAuthority(authority) else { return .rejected(status: 400) }
    return .accepted(authority: authority)
  }

  private static func isSame(_ a: String, _ b: String) -> Bool {
    a == b || (a.utf8.count == b.utf8.count && a.lowercased() == b.lowercased())
  }

  /// Host and port of RFC 3986, without user information and without anything that could be a list.
  private static func isAuthority(_ text: String) -> Bool {
    guard !text.isEmpty else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "%"):
        true
      default: false
      }
    }
  }
}
