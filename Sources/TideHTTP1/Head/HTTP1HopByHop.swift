/// Which fields belong to one connection and never travel through the gateway (robustness section 3), framing included:
/// a message is rebuilt from its parsed form.
enum HTTP1HopByHop {
  /// Whether a field is dropped on receipt and on sending alike.
  static func isDropped(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 2: HTTP1Grammar.matches(name, "te") && !HTTP1Grammar.matches(value, "trailers")
    case 7: HTTP1Grammar.matches(name, "trailer") || HTTP1Grammar.matches(name, "upgrade")
    case 10: HTTP1Grammar.matches(name, "connection") || HTTP1Grammar.matches(name, "keep-alive")
    case 14: HTTP1Grammar.matches(name, "content-length") || HTTP1Grammar.matches(name, "http2-settings")
    case 16: HTTP1Grammar.matches(name, "proxy-connection")
    case 17: HTTP1Grammar.matches(name, "transfer-encoding")
    case 18: HTTP1Grammar.matches(name, "proxy-authenticate")
    case 19: HTTP1Grammar.matches(name, "proxy-authorization")
    default: false
    }
  }

  /// Fields that a `Connection` option cannot remove: else a client could strip its own credentials after they were judged.
  static func isProtected(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 4: HTTP1Grammar.matches(name, "host")
    case 6: HTTP1Grammar.matches(name, "cookie")
    case 7: HTTP1Grammar.matches(name, "api-key")
    case 9: HTTP1Grammar.matches(name, "x-api-key")
    case 13: HTTP1Grammar.matches(name, "authorization")
    case 14: HTTP1Grammar.matches(name, "content-length") || HTTP1Grammar.matches(name, "x-goog-api-key")
    default: false
    }
  }
}
