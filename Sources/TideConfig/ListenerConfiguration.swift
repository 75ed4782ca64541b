/// One bound address and what may arrive on it.
public struct ListenerConfiguration: Sendable, Equatable {
  public var address: ListenAddress
  /// nil: cleartext.
  public var tls: ListenerTLSConfiguration?
  /// In order of preference. With TLS `h2` and `http/1.1`; on cleartext `h2c` (by prior knowledge) and `http/1.1`.
  public var protocols: [ListenerProtocol]

  /// What `when: { listener: ... }` sees.
  public var name: String { address.description }
}

public enum ListenerProtocol: String, Sendable, CaseIterable {
  case h2
  case h2c
  case http11 = "http/1.1"
}

public struct ListenerTLSConfiguration: Sendable, Equatable {
  /// At least one; chosen by SNI, the first when no name fits.
  public var certificates: [CertificateConfiguration]
  /// A PEM file; clients must then present a certificate that it signed.
  public var clientCA: String?
}

public struct CertificateConfiguration: Sendable, Equatable {
  /// Paths of PEM files, absolute.
  public var certificate: String
  public var key: String
  /// Names it serves; empty takes the certificate's own.
  public var names: [String]
}
