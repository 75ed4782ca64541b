import COpenSSL
import Glibc
import TideCore

/// Whose signature on a server's certificate is believed.
public enum TLSAuthority: Sendable, Equatable {
  /// The system's roots.
  case system
  /// A PEM file, and nothing else.
  case file(String)
}

/// How an endpoint is spoken to over TLS. Make one per cluster and worker, as with `TLSServerContext`.
///
/// Unchecked Sendable: built on one thread, then used by one worker only.
public final class TLSClientContext: @unchecked Sendable {
  private let context: OpaquePointer
  private let verifies: Bool

  /// - Parameters:
  ///   - verify: whether the server's certificate must be valid for the name it is called by.
  ///   - protocols: offered by ALPN, the preferred one first; empty offers no ALPN.
  /// - Throws: what is wrong, naming the file.
  public init(
    verify: Bool = true, ca: TLSAuthority = .system, protocols: [ApplicationProtocol] = [.h2, .http11]
  ) throws(Diagnostic) {
    ERR_clear_error()
    guard let context = SSL_CTX_new(TLS_client_method()) else {
      throw Diagnostic(file: "", message: "no TLS context: \(TLSFault.takeText())")
    }
    self.context = context
    verifies = verify
    guard copenssl_configure(context) == 1 else {
      throw Diagnostic(file: "", message: "OpenSSL refuses the TLS settings: \(TLSFault.takeText())")
    }
    if verify {
      switch ca {
      case .system:
        guard SSL_CTX_set_default_verify_paths(context) == 1 else {
          throw Diagnostic(file: "", message: "cannot find the system's root certificates: \(TLSFault.takeText())")
        }
      case .file(let path):
        guard SSL_CTX_load_verify_locations(context, path, nil) == 1 else {
          throw Diagnostic(file: path, message: "cannot load the CA: \(TLSFault.takeText())", hint: "a PEM file")
        }
      }
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    }
    let list = ApplicationProtocol.wireList(protocols)
    if !list.isEmpty, SSL_CTX_set_alpn_protos(context, list, UInt32(clamping: list.count)) != 0 {
      throw Diagnostic(file: "", message: "OpenSSL refuses the ALPN list: \(TLSFault.takeText())")
    }
  }

  deinit { SSL_CTX_free(context) }

  /// A session that asks for `serverName`, a host name or an IP literal, and verifies the certificate against it.
  func makeSession(wire: TLSWire, serverName: String) -> TLSSession? {
    guard let made = TLSSession(SSL_new(context), wire: wire) else { return nil }
    SSL_set_connect_state(made.session)
    guard name(made.session, serverName) else {
      made.free()
      return nil
    }
    return made
  }

  private func name(_ session: OpaquePointer, _ serverName: String) -> Bool {
    if SocketAddress(host: serverName, port: 0) != nil {
      // RFC 6066 section 3: an address is no server name.
      return !verifies || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), serverName) == 1
    }
    guard copenssl_set_server_name(session, serverName) == 1 else { return false }
    guard verifies else { return true }
    SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    return SSL_set1_host(session, serverName) == 1
  }
}
