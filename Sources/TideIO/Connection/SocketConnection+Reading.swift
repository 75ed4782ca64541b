import Glibc
import TideCore

extension SocketConnection {
  /// Whether the kernel holds bytes, an end or an error of this connection that have not been read yet. One system call.
  public final var hasInputWaiting: Bool {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, Int32(truncatingIfNeeded: MSG_PEEK | MSG_DONTWAIT))
    return count >= 0 || (errno != EAGAIN && errno != EINTR)
  }

  /// Reads until the socket is dry, the owner pauses or the turn's budget is spent; the rest is for the next turn, since its
  /// edge will not come again.
  final func readReady() {
    var left = Int(readBudget)
    while left > 0, phase == .open, flags.contains(.readable), flags.isDisjoint(with: [.readPaused, .readEnded]) {
      let taken = transport == nil ? readPlain(upTo: left) : readTLS(upTo: left)
      left -= taken
    }
    guard phase == .open, !flags.contains(.readEnded) else { return }
    if flags.contains(.wantsFlush), flags.contains(.writable) { setNeedsFlush() }
    if flags.contains(.readPaused) {
      if flags.contains(.hungUp), !flags.contains(.hangUpTold) {
        flags.insert(.hangUpTold)
        connectionPeerHungUp()
      }
    } else if flags.contains(.readable) {
      worker.deferToNextTurn(self)
    }
  }

  private final func readPlain(upTo limit: Int) -> Int {
    let room = min(limit, Worker.bufferSize)
    let count = recv(descriptor, worker.input.baseAddress, room, 0)
    if count > 0 {
      // A short read means dry, unless the end is already behind it: its edge may have come with this one.
      if count < room, !flags.contains(.hungUp) { flags.remove(.readable) }
      worker.counters.bytesRead &+= UInt64(count)
      connectionDidReceive(UnsafeRawBufferPointer(start: worker.input.baseAddress, count: count))
      return count
    }
    if count == 0 {
      endReading(clean: true)
      return 0
    }
    switch errno {
    case EAGAIN: flags.remove(.readable)
    case EINTR: break
    case let code: fail(SocketFailure(.read, code: code))
    }
    return 0
  }

  /// Gathers records in the worker's buffer, then tells them in one go.
  private final func readTLS(upTo limit: Int) -> Int {
    guard let transport else { return 0 }
    let room = min(limit, Worker.bufferSize)
    var filled = 0
    let outcome = callTLS {
      while filled < room {
        let outcome = transport.read(into: UnsafeMutableRawBufferPointer(rebasing: worker.input[filled..<room]))
        guard case .bytes(let count) = outcome else { return outcome }
        filled += count
      }
      return .bytes(filled)
    }
    // Read before the owner is called, whose other TLS connections use the same error queue.
    let failureText = if case .failed(0) = outcome { transport.failureText } else { "" }
    guard pending?.queue.byteCount ?? 0 <= worker.unsentLimit else {
      fail(SocketFailure(.read, reason: "the peer asks without reading the answers"))
      return filled
    }
    if case .wantRead = outcome { flags.remove(.readable) }
    if flags.contains(.writeWantsRead) {
      flags.remove(.writeWantsRead)
      flags.insert(.writable)
    }
    if filled > 0 {
      worker.counters.bytesRead &+= UInt64(filled)
      connectionDidReceive(UnsafeRawBufferPointer(start: worker.input.baseAddress, count: filled))
      guard phase == .open else { return filled }
    }
    switch outcome {
    case .bytes, .wantRead, .wantRoom: break
    case .endOfStream: endReading(clean: true)
    case .truncated:
      // OpenSSL refuses to write after this.
      flags.insert(.writeBroken)
      endReading(clean: false)
    case .failed(let code):
      fail(code == 0 ? SocketFailure(.read, reason: failureText) : SocketFailure(.read, code: code))
    }
    return filled
  }

  private final func endReading(clean: Bool) {
    flags.insert(.readEnded)
    flags.remove(.readable)
    connectionDidReceiveEnd(clean: clean)
  }

  /// While closing nothing more is told; what the peer sends is thrown away undeciphered, so that the kernel need not answer
  /// our close with a reset that destroys the tail of our output.
  final func discardReady() {
    var left = Int(Self.downstreamReadBudget)
    while left > 0 {
      let count = recv(descriptor, worker.input.baseAddress, left, 0)
      if count > 0 {
        left -= count
      } else if count < 0, errno == EINTR {
        continue
      } else if count < 0, errno == EAGAIN {
        flags.remove(.readable)
        return
      } else {
        flags.remove(.readable)
        flags.insert(.readEnded)
        if count < 0 || phase == .lingering { finish(reset: false) }
        return
      }
    }
    worker.deferToNextTurn(self)
  }
}
