import COpenSSL
import Glibc
import TideCore

/// What a TLS listener shows and accepts. Make one per listener and worker: OpenSSL counts references to it for each
/// connection, and workers that shared one would fight over that line of memory.
///
/// Unchecked Sendable: built on one thread, then used by one worker only.
public final class TLSServerContext: @unchecked Sendable {
  private struct Identity {
    let certificate: TLSCertificate
    let context: OpaquePointer
  }

  /// The first is shown to clients that name no server or an unknown one.
  private var identities: [Identity] = []
  private let protocols: [UInt8]

  /// - Parameters:
  ///   - protocols: for ALPN, the preferred one first. A client that offers none of them is refused with an alert; one that
  ///     offers no ALPN at all gets a connection without a chosen protocol.
  ///   - clientCA: PEM file; when given, clients must show a certificate that it signed.
  ///   - ticketKeys: the same for all workers of a listener.
  /// - Throws: what is wrong, naming the file.
  public init(
    certificates: [TLSCertificate], protocols: [ApplicationProtocol] = [.h2, .http11], clientCA: String? = nil,
    ticketKeys: TLSTicketKeys = TLSTicketKeys()
  ) throws(Diagnostic) {
    self.protocols = ApplicationProtocol.wireList(protocols)
    guard !certificates.isEmpty else { throw Diagnostic(file: "", message: "a TLS listener needs a certificate") }
    for certificate in certificates {
      guard let context = SSL_CTX_new(TLS_server_method()) else {
        throw Diagnostic(file: "", message: "no TLS context: \(TLSFault.takeText())")
      }
      identities.append(Identity(certificate: certificate, context: context))
      try Self.load(certificate, into: context)
      try configure(context, clientCA: clientCA, ticketKeys: ticketKeys)
    }
    let me = Unmanaged.passUnretained(self).toOpaque()
    copenssl_set_server_name_callback(
      identities[0].context,
      { session, _, argument in
        guard let session, let argument else { return SSL_TLSEXT_ERR_NOACK }
        return Unmanaged<TLSServerContext>.fromOpaque(argument).takeUnretainedValue().chooseIdentity(for: session)
      }, me)
  }

  deinit {
    for identity in identities { SSL_CTX_free(identity.context) }
  }

  private static func load(_ certificate: TLSCertificate, into context: OpaquePointer) throws(Diagnostic) {
    ERR_clear_error()
    guard copenssl_configure(context) == 1 else {
      throw Diagnostic(file: "", message: "OpenSSL refuses the TLS settings: \(TLSFault.takeText())")
    }
    guard SSL_CTX_use_certificate_chain_file(context, certificate.certificatePath) == 1 else {
      throw Diagnostic(
        file: certificate.certificatePath, message: "cannot load the certificate: \(TLSFault.takeText())",
        hint: "a PEM file, the server's certificate first")
    }
    guard SSL_CTX_use_PrivateKey_file(context, certificate.keyPath, SSL_FILETYPE_PEM) == 1 else {
      throw Diagnostic(
        file: certificate.keyPath, message: "cannot load the private key: \(TLSFault.takeText())",
        hint: "an unencrypted PEM file with the key of \(certificate.certificatePath)")
    }
    guard SSL_CTX_check_private_key(context) == 1 else {
      throw Diagnostic(
        file: certificate.keyPath, message: "the key does not belong to \(certificate.certificatePath)")
    }
  }

  private func configure(_ context: OpaquePointer, clientCA: String?, ticketKeys: TLSTicketKeys) throws(Diagnostic) {
    var keys = ticketKeys.bytes
    guard copenssl_set_ticket_keys(context, &keys, keys.count) == 1 else {
      throw Diagnostic(file: "", message: "OpenSSL refuses the ticket keys: \(TLSFault.takeText())")
    }
    SSL_CTX_set_num_tickets(context, 1)
    SSL_CTX_set_max_early_data(context, 0)
    // A ticket of a listener without client certificates must not open one with them, though they share keys.
    let scope = Digest.sha256(Array("tidegate client-ca=\(clientCA ?? "")".utf8))
    SSL_CTX_set_session_id_context(context, scope, UInt32(min(scope.count, 32)))
    if let clientCA {
      guard SSL_CTX_load_verify_locations(context, clientCA, nil) == 1, let names = SSL_load_client_CA_file(clientCA)
      else {
        throw Diagnostic(
          file: clientCA, message: "cannot load the client CA: \(TLSFault.takeText())", hint: "a PEM file")
      }
      SSL_CTX_set_client_CA_list(context, names)
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    }
    guard !protocols.isEmpty else { return }
    SSL_CTX_set_alpn_select_cb(
      context,
      { _, chosen, chosenLength, offered, offeredLength, argument in
        guard let chosen, let chosenLength, let offered, let argument else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let me = Unmanaged<TLSServerContext>.fromOpaque(argument).takeUnretainedValue()
        let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
        guard let name = me.chooseProtocol(among: list) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        chosen.pointee = name.baseAddress
        chosenLength.pointee = UInt8(clamping: name.count)
        return SSL_TLSEXT_ERR_OK
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  /// The first of ours that the client offers. Points into the client's list.
  private func chooseProtocol(among offered: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
    var ours = protocols[...]
    while let length = ours.first {
      let name = ours.dropFirst().prefix(Int(length))
      var theirs = offered[...]
      while let theirLength = theirs.first {
        let candidate = theirs.dropFirst().prefix(Int(theirLength))
        if candidate.elementsEqual(name) { return UnsafeBufferPointer(rebasing: candidate) }
        theirs = theirs.dropFirst(1 + Int(theirLength))
      }
      ours = ours.dropFirst(1 + Int(length))
    }
    return nil
  }

  private func chooseIdentity(for session: OpaquePointer) -> Int32 {
    guard let text = copenssl_server_name(session) else { return SSL_TLSEXT_ERR_NOACK }
    let name = String(cString: text).lowercased()
    let exact = identities.first { $0.certificate.names.contains(name) }
    let found =
      exact
      ?? identities.first { identity in
        if !identity.certificate.names.isEmpty { return identity.certificate.covers(name) }
        guard let certificate = SSL_CTX_get0_certificate(identity.context) else { return false }
        return X509_check_host(certificate, name, name.utf8.count, 0, nil) == 1
      }
    if let found, found.context != identities[0].context { SSL_set_SSL_CTX(session, found.context) }
    return SSL_TLSEXT_ERR_OK
  }

  /// A session for a connection that keeps this context alive.
  func makeSession(wire: TLSWire) -> TLSSession? {
    guard let made = TLSSession(SSL_new(identities[0].context), wire: wire) else { return nil }
    SSL_set_accept_state(made.session)
    return made
  }
}
