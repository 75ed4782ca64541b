import CLinux
import Glibc
import TideCore

// From a socket to an open connection, and from an open one to a closed one.
extension SocketConnection {
  /// Edges are kept in `flags` until the socket answers EAGAIN.
  final func noteReadiness(_ events: UInt32) {
    guard phase != .closed else { return }
    if events & (PollEvents.readable | PollEvents.hangUp) != 0 { flags.insert(.readable) }
    if events & PollEvents.hangUp != 0 { flags.insert(.hungUp) }
    if flags.contains(.readEnded), phase == .open {
      // The end of input has been told. What may still come is that the peer is gone altogether.
      flags.remove(.readable)
      if events & PollEvents.broken != 0 { return fail(SocketFailure(.read, code: takeSocketError() ?? ECONNRESET)) }
    }
    if events & (PollEvents.writable | PollEvents.broken) != 0 { flags.insert(.writable) }
    continueWork()
  }

  /// Does what the phase and the readiness allow.
  final func continueWork() {
    if earlyFailure != 0 {
      if phase != .closed { fail(SocketFailure(.connect, code: earlyFailure)) }
      return
    }
    if flags.contains(.wantsFlush), flags.contains(.writable) { setNeedsFlush() }
    if flags.contains(.readable), waitsUnread { return sealAgain() }
    switch phase {
    case .connecting: finishConnect()
    case .handshaking: shakeHands()
    case .open: if flags.contains(.readable) { readReady() }
    case .closing, .lingering: if flags.contains(.readable) { discardReady() }
    case .closed: break
    }
  }

  private final func finishConnect() {
    guard flags.contains(.writable) else { return }
    if !flags.contains(.server) {
      if let error = takeSocketError() { return fail(SocketFailure(.connect, code: error)) }
    }
    if transport != nil {
      phase = .handshaking
      shakeHands()
    } else {
      open(nil)
    }
  }

  private final func takeSocketError() -> Int32? {
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0, error != 0 else { return nil }
    return error
  }

  private final func shakeHands() {
    guard let transport else { return }
    // What is left of the flight before.
    if pending != nil { guard flags.contains(.writable), writePending() else { return } }
    switch callTLS({ transport.handshake() }) {
    case .bytes:
      // The peer's first bytes may have come with its last handshake flight and lie in OpenSSL's buffer already.
      flags.insert(.readable)
      open(transport.applicationProtocol)
    case .wantRead, .wantRoom:
      break
    case .endOfStream, .truncated:
      fail(SocketFailure(.handshake, reason: "the peer closed during the TLS handshake"))
    case .failed(let code):
      fail(code == 0 ? SocketFailure(.handshake, reason: transport.failureText) : SocketFailure(.handshake, code: code))
    }
  }

  private final func open(_ applicationProtocol: ApplicationProtocol?) {
    phase = .open
    flags.insert(.writable)
    connectionDidOpen(applicationProtocol: applicationProtocol)
    continueWork()
  }

  /// Ends the connection for a fault. The owner of one that it is closing has heard enough.
  final func fail(_ failure: SocketFailure) {
    let mustTell = phase != .closing && phase != .lingering && phase != .closed
    finish(reset: false)
    if mustTell {
      worker.counters.failures &+= 1
      connectionDidFail(failure)
    }
  }

  /// Everything is sent: end our side and wait for the peer's.
  final func beginLinger() {
    if transport != nil, !flags.contains(.hasSaidClose) {
      flags.insert(.hasSaidClose)
      sendCloseNotify()
      // The socket has not taken it: once more when it has.
      if pending != nil { return }
    }
    guard !flags.contains(.readEnded), !flags.contains(.writeBroken), shutdown(descriptor, Int32(SHUT_WR)) == 0 else {
      return finish(reset: false)
    }
    phase = .lingering
    closeTimer?.arm(afterMs: Self.lingerMs)
    if flags.contains(.readable) { discardReady() }
  }

  final func closeDeadlinePassed(hadProgress: Bool) {
    switch phase {
    case .closing:
      if hadProgress { closeTimer?.arm(afterMs: Self.closingStallMs) } else { finish(reset: true) }
    case .lingering: finish(reset: false)
    default: break
    }
  }

  /// Frees the descriptor now; the object goes at the end of the turn.
  final func finish(reset: Bool) {
    guard phase != .closed else { return }
    if flags.contains(.queued) { worker.gathering?.sendLast(of: self) }
    phase = .closed
    flags.remove(.dirty)
    closeTimer?.cancel()
    closeTimer = nil
    pending = nil
    worker.retire(self)
    transport?.free()
    transport = nil
    if descriptor >= 0 {
      if reset { clinux_reset_on_close(descriptor) }
      // Also takes it out of the poll set: nobody else holds this descriptor.
      Glibc.close(descriptor)
      descriptor = -1
    }
  }
}
