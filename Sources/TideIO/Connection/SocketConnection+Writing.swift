import Glibc
import TideCore

extension SocketConnection {
  /// Writes what is pending, then what the owner produces, until there is none or the socket is full.
  final func flush() {
    let ring = worker.gathering
    // A connection with bytes in the ring may not write past them.
    if let ring, ring.isFull || flags.contains(.queued) { ring.submit() }
    flags.remove([.dirty, .wantsFlush])
    guard phase == .open || phase == .closing else { return }
    if flags.contains(.writeBroken) { return discardOutput() }
    guard flags.contains(.writable) else {
      flags.insert(.wantsFlush)
      return
    }
    if pending != nil, !writePending() { return }
    var budget = Self.flushBudget
    while budget > 0 {
      let offset = ring?.byteCount ?? 0
      let (filled, hasMore) = gather(at: offset)
      guard phase != .closed else { return }
      if filled > 0 {
        let bytes = UnsafeRawBufferPointer(rebasing: worker.scratch[offset..<offset + filled])
        if let ring, !hasMore, phase == .open, transport == nil {
          flags.insert(.queued)
          return ring.add(self, bytes, at: offset)
        }
        guard write(bytes) else { return }
        budget -= filled
      }
      if !hasMore {
        if phase == .closing { beginLinger() }
        return
      }
    }
    // A peer that takes everything must not hold the turn: the rest leaves in the next one.
    flags.insert(.wantsFlush)
    worker.deferToNextTurn(self)
  }

  /// What came of the bytes that the ring had of this connection.
  ///
  /// - Parameter result: how many the socket took, or a negated errno value, or `SendRing.notSent`.
  final func sendCompleted(_ result: Int32, _ bytes: UnsafeRawBufferPointer) {
    flags.remove(.queued)
    guard phase == .open || phase == .closing else { return }
    if result == SendRing.notSent || result == -EINTR {
      _ = write(bytes)
      return
    }
    worker.counters.writes &+= 1
    guard result >= 0 || result == -EAGAIN else { return breakWriting(SocketFailure(.write, code: -result)) }
    let taken = max(0, Int(result))
    if taken > 0 {
      worker.counters.bytesWritten &+= UInt64(taken)
      closeTimer?.hasProgress = true
    }
    if taken < bytes.count {
      flags.remove(.writable)
      keep(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
    }
  }

  /// What the socket did not take waits until it takes more.
  private final func keep(_ rest: UnsafeRawBufferPointer) {
    worker.counters.shortWrites &+= 1
    assert(pending == nil, "bytes overtake what a socket has not taken")
    let kept = PendingOutput()
    kept.queue.append(rest)
    pending = kept
    flags.insert(.wantsFlush)
  }

  /// Lets the owner fill the worker's buffer. `hasMore` is false once it has produced nothing.
  private final func gather(at offset: Int) -> (filled: Int, hasMore: Bool) {
    var filled = 0
    while filled <= Self.gatherLimit - Self.minimumProduceRoom {
      let count = connectionProduce(
        into: UnsafeMutableRawBufferPointer(rebasing: worker.scratch[offset + filled..<offset + Self.gatherLimit]))
      if phase == .closed || count == 0 { return (filled, false) }
      precondition(count > 0 && count <= Self.gatherLimit - filled, "connectionProduce overran its buffer")
      filled += count
      if phase == .open, connectionIsDrained { return (filled, false) }
    }
    return (filled, true)
  }

  /// Returns whether the socket took everything; else the rest is pending, or the connection is closed.
  private final func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let taken = send(bytes)
    guard taken >= 0 else { return false }
    if taken == bytes.count { return true }
    keep(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
    return false
  }

  private final func writePending() -> Bool {
    guard let rest = pending else { return true }
    let taken = send(rest.queue.readableBytes)
    guard taken >= 0 else { return false }
    rest.queue.consume(taken)
    if rest.queue.isEmpty {
      pending = nil
      return true
    }
    flags.insert(.wantsFlush)
    return false
  }

  /// Bytes taken by the socket, short only when it is full; -1 when the connection has failed.
  private final func send(_ bytes: UnsafeRawBufferPointer) -> Int {
    var sent = 0
    while sent < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
      worker.counters.writes &+= 1
      let count = transport == nil ? sendPlain(rest) : sendTLS(rest)
      if count < 0 { return -1 }
      sent += count
      if count < rest.count, !flags.contains(.writable) { break }
    }
    if sent > 0 {
      worker.counters.bytesWritten &+= UInt64(sent)
      closeTimer?.hasProgress = true
    }
    return sent
  }

  private final func sendPlain(_ bytes: UnsafeRawBufferPointer) -> Int {
    let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, 0)
    if count >= 0 {
      if count < bytes.count { flags.remove(.writable) }
      return count
    }
    switch errno {
    case EAGAIN:
      flags.remove(.writable)
      return 0
    case EINTR:
      return 0
    case let code:
      breakWriting(SocketFailure(.write, code: code))
      return -1
    }
  }

  /// One record a call at the most; a record that OpenSSL has begun is asked for again with the same bytes.
  private final func sendTLS(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard let transport else { return -1 }
    switch transport.write(bytes) {
    case .bytes(let count):
      return count
    case .wantWrite:
      flags.remove(.writable)
      return 0
    case .wantRead:
      flags.remove(.writable)
      flags.insert(.writeWantsRead)
      return 0
    case .endOfStream, .truncated:
      breakWriting(SocketFailure(.write, code: EPIPE))
      return -1
    case .failed(let code):
      breakWriting(
        code == 0 ? SocketFailure(.write, reason: transport.failureText) : SocketFailure(.write, code: code))
      return -1
    }
  }

  /// The peer takes no more. What it had sent before, perhaps the very answer that explains it, is told first.
  private final func breakWriting(_ failure: SocketFailure) {
    flags.insert(.writeBroken)
    pending = nil
    if phase == .open, transport == nil, !flags.contains(.readEnded) {
      flags.insert([.readable, .hungUp])
      readReady()
    }
    if phase != .closed { fail(failure) }
  }

  /// Nothing can be sent any more, after a TLS peer left without a close_notify: the owner's output goes nowhere.
  private final func discardOutput() {
    pending = nil
    var isDry = false
    while phase != .closed, !isDry { isDry = !gather(at: worker.gathering?.byteCount ?? 0).hasMore }
    if phase == .closing { finish(reset: false) }
  }
}
