#if canImport(Glibc)
  import Glibc
#endif

extension UnsafeRawBufferPointer {
  /// Compares with a literal, without making a String of either.
  func equals(_ literal: StaticString) -> Bool {
    guard count == literal.utf8CodeUnitCount, let baseAddress else { return false }
    return memcmp(baseAddress, literal.utf8Start, count) == 0
  }
}

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

  /// Fields that must not enter the compression table, where their presence could be probed (RFC 7541 section 7.1.3).
  static func isSecret(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 6: name.equals("cookie")
    case 7: name.equals("api-key")
    case 9: name.equals("x-api-key")
    case 10: name.equals("set-cookie")
    case 13: name.equals("authorization")
    case 14: name.equals("x-goog-api-key")
    case 19: name.equals("proxy-authorization")
    default: false
    }
  }
}
