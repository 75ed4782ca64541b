import TideCore

/// What field names mean to the framing. Names are in lower case.
enum FieldName {
  /// Fields of one connection, and fields that this module generates itself: never copied from a head into HTTP/2
  /// (RFC 9113 section 8.2.2).
  static func isGenerated(_ name: UnsafeRawBufferPointer) -> Bool {
    guard name.first != UInt8(ascii: ":") else { return true }
    switch name.count {
    case 4: return name.equals("host")
    case 7: return name.equals("upgrade")
    case 10: return name.equals("connection") || name.equals("keep-alive")
    case 14: return name.equals("content-length") || name.equals("http2-settings")
    case 16: return name.equals("proxy-connection")
    case 17: return name.equals("transfer-encoding")
    default: return false
    }
  }

  /// Fields that stay out of the compression table: secrets, whose presence there could be probed (RFC 7541 section 7.1.3), and
  /// identifiers that differ in each message, which would only push out what comes again.
  static func staysOutOfTable(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 6: name.equals("cookie")
    case 7: name.equals("api-key")
    case 9: name.equals("x-api-key")
    case 10: name.equals("set-cookie") || name.equals("request-id")
    case 11: name.equals("traceparent")
    case 12: name.equals("x-request-id")
    case 13: name.equals("authorization")
    case 14: name.equals("x-goog-api-key")
    case 19: name.equals("proxy-authorization")
    default: false
    }
  }
}
