import Glibc
import TideCore

// What goes through OpenSSL. Of the worker's output buffer, the lower half is for what leaves, the third quarter for output that is yet to
// be made records of, and the last for records that are no output: handshakes, alerts, and answers to what the peer says.
extension SocketConnection {
  static let plainOffset = Worker.bufferSize / 2
  private static let ownRecordsOffset = Worker.bufferSize / 4 * 3

  /// Makes records of output, at `offset` of the worker's buffer. Output for which the session must hear from the peer first is held
  /// back, as pending.
  ///
  /// - Returns: the records; nil when the session is broken, and the connection with it.
  final func seal(_ output: UnsafeRawBufferPointer, at offset: Int) -> UnsafeRawBufferPointer? {
    guard let transport else { return nil }
    worker.wire.use(
      descriptor, reading: .none,
      room: UnsafeMutableRawBufferPointer(rebasing: worker.scratch[offset..<Self.plainOffset]))
    var sealed = 0
    var mayRead = false
    while sealed < output.count {
      let rest = UnsafeRawBufferPointer(rebasing: output[sealed...])
      switch transport.write(rest) {
      case .bytes(let count):
        sealed += count
      case .wantRead where !mayRead && (phase == .closing || flags.contains(.readPaused)):
        // Nobody else reads now.
        mayRead = true
        worker.wire.allowReading()
        flags.insert(.readable)
        worker.deferToNextTurn(self)
      case .wantRead:
        // Half a message of the peer's has come, such as a session ticket in two records.
        if mayRead { flags.remove(.readable) }
        hold(rest)
        return worker.wire.takeRecords()
      case .wantRoom, .endOfStream, .truncated:
        breakSession(SocketFailure(.write, code: EPIPE))
        return nil
      case .failed(let code):
        breakSession(
          code == 0 ? SocketFailure(.write, reason: transport.failureText) : SocketFailure(.write, code: code))
        return nil
      }
    }
    return worker.wire.takeRecords()
  }

  private final func hold(_ output: UnsafeRawBufferPointer) {
    let kept = pending ?? PendingOutput()
    kept.unsealed.append(output)
    pending = kept
    flags.remove(.writable)
    flags.insert([.writeWantsRead, .wantsFlush])
  }

  /// Whether output waits for what the peer says while nobody reads.
  final var waitsUnread: Bool {
    pending?.unsealed.isEmpty == false && (phase == .closing || flags.contains(.readPaused))
  }

  /// The peer has said more: makes records of what waits for it, reading what is needed.
  final func sealAgain() {
    flags.remove(.writeWantsRead)
    flags.insert(.writable)
    setNeedsFlush()
  }

  private final func breakSession(_ failure: SocketFailure) {
    flags.insert(.writeBroken)
    pending = nil
    fail(failure)
  }

  /// Runs a call of the session that reads, and sends what it writes by itself.
  @inline(__always)
  final func callTLS(_ body: () -> TLSOutcome) -> TLSOutcome {
    useWire(reading: flags.contains(.hungUp) ? .untilRefused : .untilShort)
    while true {
      let outcome = body()
      sendOwnRecords()
      guard case .wantRoom = outcome else { return outcome }
    }
  }

  final func sendCloseNotify() {
    guard let transport else { return }
    useWire(reading: .none)
    transport.writeCloseNotify()
    sendOwnRecords()
  }

  private final func useWire(reading: TLSWire.Reading) {
    worker.wire.use(
      descriptor, reading: reading,
      room: UnsafeMutableRawBufferPointer(rebasing: worker.scratch[Self.ownRecordsOffset...]))
  }

  /// That a socket is broken is for the next read or write of the owner's to find out.
  private final func sendOwnRecords() {
    let records = worker.wire.takeRecords()
    guard !records.isEmpty else { return }
    assert(!flags.contains(.queued), "records overtake those in the ring")
    var taken = 0
    if pending?.queue.isEmpty ?? true {
      worker.counters.writes &+= 1
      taken = Glibc.send(descriptor, records.baseAddress, records.count, 0)
      if taken < 0 {
        guard errno == EAGAIN || errno == EINTR else { return }
        taken = 0
      }
      worker.counters.bytesWritten &+= UInt64(taken)
      // Of a socket that was not tried nobody knows that it is full, and no event would come.
      if taken < records.count { flags.remove(.writable) }
    }
    guard taken < records.count else { return }
    keep(UnsafeRawBufferPointer(rebasing: records[taken...]))
  }
}
