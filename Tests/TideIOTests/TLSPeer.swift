import COpenSSL
import Foundation

@testable import TideIO

/// A TLS peer in the test's own thread, which decides when which of its bytes leave. Its session knows no socket: bytes go by hand.
final class TLSPeer {
  let raw: RawPeer
  private let context: OpaquePointer
  private let session: OpaquePointer
  private let input: OpaquePointer
  private let output: OpaquePointer

  /// A client, which believes any certificate.
  convenience init(to address: SocketAddress, receiveBuffer: Int32? = nil, version: Int32 = TLS1_3_VERSION) {
    self.init(RawPeer(to: address, receiveBuffer: receiveBuffer), SSL_CTX_new(TLS_client_method())!, version: version)
    SSL_set_connect_state(session)
  }

  /// A server, whose messages are cut into records of 512 bytes, and which sends no ticket until it is told to.
  convenience init(serving raw: RawPeer, _ certificate: TLSCertificate) {
    let context = SSL_CTX_new(TLS_server_method())!
    SSL_CTX_use_certificate_chain_file(context, certificate.certificatePath)
    SSL_CTX_use_PrivateKey_file(context, certificate.keyPath, SSL_FILETYPE_PEM)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_SEND_FRAGMENT, 512, nil)
    SSL_CTX_set_num_tickets(context, 0)
    // A ticket that takes several records.
    SSL_CTX_set_session_ticket_cb(
      context,
      { session, _ in
        let data = [UInt8](repeating: 7, count: 1 << 10)
        return SSL_SESSION_set1_ticket_appdata(SSL_get_session(session), data, data.count)
      }, { _, _, _, _, _, _ in SSL_TICKET_RETURN_USE }, nil)
    self.init(raw, context, version: TLS1_3_VERSION)
    SSL_set_accept_state(session)
  }

  private init(_ raw: RawPeer, _ context: OpaquePointer, version: Int32) {
    self.raw = raw
    self.context = context
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    session = SSL_new(context)
    input = BIO_new(BIO_s_mem())
    output = BIO_new(BIO_s_mem())
    SSL_set_bio(session, input, output)
  }

  deinit {
    SSL_free(session)
    SSL_CTX_free(context)
  }

  // MARK: Bytes by hand

  /// What the session has written since the last call.
  func takeOutput() -> [UInt8] {
    var taken: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while case let count = BIO_read(output, &chunk, Int32(chunk.count)), count > 0 { taken += chunk[..<Int(count)] }
    return taken
  }

  /// Records of `bytes`, which have not left.
  func records(of bytes: [UInt8]) -> [UInt8] {
    let count = SSL_write(session, bytes, Int32(bytes.count))
    precondition(count == bytes.count, "a session with memory for its output takes everything")
    return takeOutput()
  }

  /// Gives the session what has come, after the first byte of it; false at the end.
  @discardableResult func receive() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(raw.descriptor, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    return BIO_write(input, chunk, Int32(count)) == count
  }

  // MARK: What peers do

  /// - Parameter send: for each flight of ours.
  /// - Returns: whether it came to an end.
  func shakeHands(_ send: (([UInt8]) -> Void)? = nil) -> Bool {
    while true {
      let result = SSL_do_handshake(session)
      let flight = takeOutput()
      if !flight.isEmpty { if let send { send(flight) } else { raw.send(flight) } }
      if result == 1 { return true }
      guard SSL_get_error(session, result) == SSL_ERROR_WANT_READ, receive() else { return false }
    }
  }

  func send(_ bytes: [UInt8]) { raw.send(records(of: bytes)) }

  /// Up to `count` bytes, fewer at the end.
  func read(_ count: Int = .max) -> [UInt8] {
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while result.count < count {
      let got = SSL_read(session, &chunk, Int32(min(chunk.count, count - result.count)))
      raw.send(takeOutput())
      if got > 0 {
        result += chunk[..<Int(got)]
      } else if SSL_get_error(session, got) != SSL_ERROR_WANT_READ || !receive() {
        break
      }
    }
    return result
  }

  /// Whether the other side has said close_notify.
  var hasCleanEnd: Bool { SSL_get_shutdown(session) & SSL_RECEIVED_SHUTDOWN != 0 }

  /// Why the last call failed.
  var failure: String? { ERR_reason_error_string(ERR_peek_last_error()).map { String(cString: $0) } }

  func closeNotify() -> [UInt8] {
    SSL_shutdown(session)
    return takeOutput()
  }

  /// New keys for what we send, with the demand for the same of the other side.
  func keyUpdate() -> [UInt8] {
    SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED)
    SSL_do_handshake(session)
    return takeOutput()
  }

  func renegotiation() -> [UInt8] {
    SSL_renegotiate(session)
    SSL_do_handshake(session)
    return takeOutput()
  }

  func ticket() -> [UInt8] {
    SSL_new_session_ticket(session)
    SSL_do_handshake(session)
    return takeOutput()
  }
}
