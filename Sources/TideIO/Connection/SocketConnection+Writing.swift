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
    if flags.contains(.hasSaidClose) { return beginLinger() }
    var budget = Self.flushBudget
    while budget > 0 {
      let offset = ring?.byteCount ?? 0
      let place = transport == nil ? offset : Self.plainOffset
      let (filled, hasMore) = gather(at: place)
      guard phase != .closed else { return }
      if filled > 0 {
        var bytes = UnsafeRawBufferPointer(rebasing: worker.scratch[place..<place + filled])
        if transport != nil {
          guard let records = seal(bytes, at: offset) else { return }
          bytes = records
        }
        if let ring, !hasMore, phase == .open, pending == nil {
          flags.insert(.queued)
          return ring.add(self, bytes, at: offset)
        }
        guard write(bytes), pending == nil else { return }
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
  final func keep(_ rest: UnsafeRawBufferPointer) {
    worker.counters.shortWrites &+= 1
    let kept = pending ?? PendingOutput()
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

  /// Whether nothing is pending any more; else the connection waits, or is closed.
  final func writePending() -> Bool {
    guard let rest = pending else { return true }
    if !rest.queue.isEmpty {
      let taken = send(rest.queue.readableBytes)
      guard taken >= 0 else { return false }
      rest.queue.consume(taken)
      guard rest.queue.isEmpty else {
        flags.insert(.wantsFlush)
        return false
      }
    }
    pending = nil
    guard !rest.unsealed.isEmpty else { return true }
    guard let records = seal(rest.unsealed.readableBytes, at: worker.gathering?.byteCount ?? 0) else { return false }
    return write(records) && pending == nil
  }

  /// Bytes taken by the socket, short only when it is full; -1 when the connection has failed.
  private final func send(_ bytes: UnsafeRawBufferPointer) -> Int {
    var sent = 0
    while sent < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
      worker.counters.writes &+= 1
      let count = sendOnce(rest)
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

  private final func sendOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
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

  /// The peer takes no more. What it had sent before, perhaps the very answer that explains it, is told first.
  private final func breakWriting(_ failure: SocketFailure) {
    flags.insert(.writeBroken)
    pending = nil
    if phase == .open, !flags.contains(.readEnded) {
      flags.insert([.readable, .hungUp])
      readReady()
    }
    if phase != .closed { fail(failure) }
  }

  /// Nothing can be sent any more, after a TLS peer left without a close_notify: the owner's output goes nowhere.
  private final func discardOutput() {
    pending = nil
    var isDry = false
    while phase != .closed, !isDry { isDry = !gather(at: Self.plainOffset).hasMore }
    if phase == .closing { finish(reset: false) }
  }
}
