/// A content coding (RFC 9110, section 8.4.1) that the gateway can undo.
public enum ContentCoding: String, Sendable, CaseIterable, BitwiseCopyable {
  /// RFC 1952; several members are one text.
  case gzip
  /// RFC 1950, and the raw RFC 1951 that some servers send under this name.
  case deflate
  /// RFC 7932.
  case brotli = "br"
  /// RFC 8878; several frames are one text.
  case zstd

  /// All of them, as sentences and `Accept-Encoding` list them.
  public static let list = "gzip, deflate, br, zstd"

  /// - Parameter token: in lower case.
  init?(token: String) {
    self.init(rawValue: token == "x-gzip" ? "gzip" : token)
  }
}
