/// What is spoken inside TLS, as ALPN (RFC 7301) names it.
public enum ApplicationProtocol: String, Sendable, CaseIterable {
  case h2 = "h2"
  case http11 = "http/1.1"

  /// A list as it stands on the wire: each name behind its length.
  static func wireList(_ protocols: [ApplicationProtocol]) -> [UInt8] {
    protocols.flatMap { [UInt8($0.rawValue.utf8.count)] + Array($0.rawValue.utf8) }
  }

  init?(wireName: UnsafeRawBufferPointer) {
    guard let found = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(wireName) }) else { return nil }
    self = found
  }
}
