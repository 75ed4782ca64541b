import COpenSSL
import Glibc

/// One `SSL` of one connection, which owns it and calls `free` exactly once. Before each call the worker's wire is told what it is used for.
struct TLSSession {
  let session: OpaquePointer

  /// Takes over `session`, or frees it and returns nil when there is no memory for its end of the wire.
  init?(_ session: OpaquePointer?, wire: TLSWire) {
    guard let session else { return nil }
    self.session = session
    guard wire.attach(to: session) else {
      SSL_free(session)
      return nil
    }
  }

  func free() {
    SSL_free(session)
    ERR_clear_error()
  }

  func handshake() -> TLSOutcome {
    copenssl_clear_errors()
    let result = SSL_do_handshake(session)
    return result == 1 ? .bytes(0) : outcome(of: result)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> TLSOutcome {
    copenssl_clear_errors()
    let result = SSL_read(session, buffer.baseAddress, Int32(clamping: buffer.count))
    return result > 0 ? .bytes(Int(result)) : outcome(of: result)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> TLSOutcome {
    copenssl_clear_errors()
    let result = SSL_write(session, bytes.baseAddress, Int32(clamping: bytes.count))
    return result > 0 ? .bytes(Int(result)) : outcome(of: result)
  }

  func writeCloseNotify() {
    copenssl_clear_errors()
    _ = SSL_shutdown(session)
  }

  private func outcome(of result: Int32) -> TLSOutcome {
    let code = errno
    switch SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: return .wantRead
    case SSL_ERROR_WANT_WRITE: return .wantRoom
    case SSL_ERROR_ZERO_RETURN: return .endOfStream
    case SSL_ERROR_SYSCALL: return code == 0 ? .truncated : .failed(code)
    default: return copenssl_reason_is_unexpected_eof(ERR_peek_error()) == 1 ? .truncated : .failed(0)
    }
  }

  /// What ALPN chose.
  var applicationProtocol: ApplicationProtocol? {
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(session, &name, &length)
    guard let name, length > 0 else { return nil }
    return ApplicationProtocol(wireName: UnsafeRawBufferPointer(start: name, count: Int(length)))
  }

  /// The reason of the last failure, before any other call of OpenSSL on this thread.
  var failureText: String {
    let isVerification = copenssl_reason_is_verify_failure(ERR_peek_error()) == 1
    let text = TLSFault.takeText()
    guard isVerification, let reason = X509_verify_cert_error_string(SSL_get_verify_result(session)) else {
      return text
    }
    return "\(text): \(String(cString: reason))"
  }
}

/// OpenSSL's error queue of the calling thread.
enum TLSFault {
  /// The first error in words; empties the queue.
  static func takeText() -> String {
    let error = ERR_get_error()
    ERR_clear_error()
    guard error != 0 else { return "unknown TLS error" }
    guard let reason = ERR_reason_error_string(error) else { return "TLS error \(error)" }
    return String(cString: reason)
  }
}
