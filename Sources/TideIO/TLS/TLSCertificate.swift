/// A certificate chain with its key, and the names it is shown for.
public struct TLSCertificate: Sendable {
  /// PEM, the server's certificate first.
  public var certificatePath: String
  /// PEM, unencrypted.
  public var keyPath: String
  /// Server names, `*.example.com` included. When empty, those that the certificate itself carries.
  public var names: [String]

  public init(certificatePath: String, keyPath: String, names: [String] = []) {
    self.certificatePath = certificatePath
    self.keyPath = keyPath
    self.names = names.map { $0.lowercased() }
  }

  /// Whether one of `names` covers `serverName`. A wildcard stands for exactly one whole label (RFC 6125, 6.4.3).
  func covers(_ serverName: String) -> Bool {
    names.contains { Self.pattern($0, covers: serverName.lowercased()) }
  }

  private static func pattern(_ pattern: String, covers name: String) -> Bool {
    guard pattern.hasPrefix("*.") else { return pattern == name }
    guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return false }
    return name[dot...] == pattern.dropFirst()
  }
}
