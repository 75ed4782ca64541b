import TideCore
import TideHTTP
import TideIO

/// One thread of the load client: opens its share of the connections, keeps every stream busy, counts.
///
/// Unchecked Sendable: other threads only pass it in messages to its own worker, where everything in it is used.
final class BenchWorker: HTTPClientConnectionOwner, TimerTarget, @unchecked Sendable {
  private static let tickMs = 20

  /// What a connection of the load is: the socket when there is one, and its streams, which outlive it.
  private struct Slot {
    var connection: HTTPClientConnection?
    var source: SocketAddress?
    var streams: [BenchStream] = []
    /// Streams that wait for room or for their pause after a failure.
    var hasIdleStreams = true
  }

  let worker: Worker
  var tally = BenchTally()
  let isStreaming: Bool
  private(set) var isEnding = false
  private let settings: BenchSettings
  private let target: BenchTarget
  private let tls: TLSClientContext?
  private let head: RequestHead
  private let body: [UInt8]
  private var slots: [Slot]
  private var nextSlot = 0
  private var startedAt = MonotonicTime.zero
  private(set) var openStreams = 0
  /// Slots to look at on the next tick: lost connections, failed streams.
  private var waiting: [Int] = []
  private var timer = TimerToken.none

  /// - Parameter share: which connections of all this worker opens, by number.
  init(index: Int, share: [Int], settings: BenchSettings, target: BenchTarget, tls: TLSClientContext?) {
    worker = Worker(index: index)
    self.settings = settings
    self.target = target
    self.tls = tls
    isStreaming = settings.kind != .requests
    let request = BenchRequest(settings, target)
    head = request.head
    body = request.body
    slots = share.map { Slot(source: target.source(of: $0, outOf: settings.connections)) }
    for slot in slots.indices {
      slots[slot].streams = (0..<settings.streamsPerConnection).map { _ in BenchStream(owner: self, slot: slot) }
    }
  }

  /// Streams when all are open.
  var streamCount: Int { slots.count * settings.streamsPerConnection }

  // MARK: On the worker's thread

  func begin() {
    startedAt = worker.now
    timerFired(kind: 0, now: worker.now)
  }

  /// Stops replacing streams and closes every connection.
  func end() {
    isEnding = true
    worker.timers.cancel(&timer)
    for slot in slots { slot.connection?.abort() }
  }

  func timerFired(kind: UInt8, now: MonotonicTime) {
    let rampNs = UInt64(clamping: settings.rampMs) * 1_000_000
    let elapsed = now.nanoseconds(since: startedAt)
    let due = elapsed >= rampNs ? slots.count : Int(Double(slots.count) * Double(elapsed) / Double(rampNs))
    while nextSlot < max(due, min(1, slots.count)) {
      connect(nextSlot)
      nextSlot += 1
    }
    let retried = waiting
    waiting = []
    for slot in retried {
      if slots[slot].connection == nil { connect(slot) } else { fill(slot) }
    }
    timer = worker.timers.schedule(at: now.advanced(byMs: Self.tickMs), target: self, kind: 0)
  }

  func streamEnded(_ stream: BenchStream, properly: Bool) {
    openStreams -= 1
    slots[stream.slot].hasIdleStreams = true
    guard !isEnding else { return }
    if properly { fill(stream.slot) } else { waiting.append(stream.slot) }
  }

  func clientConnectionDidChangeCapacity(_ connection: HTTPClientConnection) {
    if slots[connection.position].connection === connection { fill(connection.position) }
  }

  func clientConnectionDidClose(_ connection: HTTPClientConnection, failure: SocketFailure?) {
    let slot = connection.position
    guard slots[slot].connection === connection else { return }
    slots[slot].connection = nil
    guard !isEnding else { return }
    tally.failures.connections += 1
    waiting.append(slot)
  }

  private func connect(_ slot: Int) {
    let connection = HTTPClientConnection(
      worker: worker, address: target.address, choice: settings.version == .http1 ? .http1 : .http2, tls: tls,
      serverName: target.host, owner: self, localAddress: slots[slot].source)
    connection.position = slot
    slots[slot].connection = connection
  }

  /// Opens what the connection of `slot` has room for.
  private func fill(_ slot: Int) {
    guard !isEnding, slots[slot].hasIdleStreams, let connection = slots[slot].connection, connection.isReady else {
      return
    }
    slots[slot].hasIdleStreams = false
    for stream in slots[slot].streams where !stream.isOpen {
      guard connection.availableStreams > 0 else {
        slots[slot].hasIdleStreams = true
        return
      }
      stream.opened(at: .now())
      openStreams += 1
      guard let open = connection.open(head, endStream: false, consumer: stream) else {
        openStreams -= 1
        stream.withdraw()
        slots[slot].hasIdleStreams = true
        return
      }
      open.output.append(body)
      open.end()
    }
  }
}
