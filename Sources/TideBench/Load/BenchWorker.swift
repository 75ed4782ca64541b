import Glibc
import TideCore
import TideHTTP2
import TideIO

/// One thread of the load client: opens its share of the connections, keeps every stream busy, counts.
///
/// Unchecked Sendable: other threads only pass it in messages to its own worker, where everything in it is used.
final class BenchWorker: TimerTarget, @unchecked Sendable {
  private static let tickMs = 20
  private static let ticksPerSweep = 25
  /// From so many open streams on, tokens are read every millisecond instead of as each comes: thousands a second come in any case, and a
  /// client that is woken for each interrupts what it measures.
  private static let crowd = 2000
  private static let crowdedTurnNs: UInt64 = 1_000_000
  private static let connectLimitMs = 10_000
  /// Before a failed stream or a lost connection is tried again.
  private static let retryMs = 1000
  /// A token later than this comes from an engine with another clock.
  private static let latenessLimitNs: UInt64 = 600_000_000_000

  /// What a connection of the load is: the connection when there is one, and its streams, which outlive it.
  private struct Slot {
    var connection: BenchConnection?
    var connectedAt = MonotonicTime.zero
    var streams: [BenchStream]
    /// Streams that wait for room.
    var hasIdleStreams = true
    var isWaiting = false
  }

  let index: Int
  let worker: Worker
  let settings: BenchSettings
  let target: BenchTarget
  let tls: TLSClientContext?
  let request: BenchRequest
  let isStreaming: Bool
  /// For the heads of all HTTP/2 connections.
  let inflater = HeaderInflater()
  var tally = BenchTally()
  /// When the bytes that are being read arrived: one look at the clock for all that a read brings.
  var readAt = MonotonicTime.zero
  /// Streams with a request under way.
  var openStreams = 0
  /// Streams on which an answer has begun to come since they were made.
  var readyStreams = 0
  /// The fewest streams that a peer allows on a connection.
  private(set) var streamLimit = Int.max

  private var sources: SourceAddresses
  private var slots: [Slot] = []
  /// Connections wanted, and how the ramp gets there.
  private var wantedCount = 0
  private var rampBegin = MonotonicTime.zero
  private var rampFrom = 0
  private var rampNs: UInt64 = 0
  /// Slots whose connection the target has closed after it had served: looked at with the next tick.
  private var closed: [Int] = []
  /// Slots to look at again, and when: lost connections, failed streams. In the order of their times.
  private var waiting: [(slot: Int, at: MonotonicTime)] = []
  private var timer = TimerToken.none
  private var tickCount = 0
  private var isEnding = false

  init(index: Int, settings: BenchSettings, target: BenchTarget, request: BenchRequest, tls: TLSClientContext?) {
    self.index = index
    self.settings = settings
    self.target = target
    self.request = request
    self.tls = tls
    worker = Worker(index: index)
    isStreaming = settings.kind != .requests
    sources = SourceAddresses(for: target.address, connections: settings.connections.max() ?? 0)
  }

  // MARK: From the control thread's messages

  /// Goes to so many connections of the whole client, of which this worker has its share, evenly over `rampMs`.
  func ramp(to total: Int, overMs rampMs: Int) {
    wantedCount = (total - index + settings.workers - 1) / settings.workers
    rampFrom = min(slots.count, wantedCount)
    rampBegin = worker.now
    rampNs = UInt64(clamping: rampMs) * 1_000_000
    while slots.count > wantedCount { drop(slots.removeLast()) }
    worker.timers.cancel(&timer)
    timerFired(kind: 0, now: worker.now)
  }

  /// Stops replacing streams and closes every connection.
  func end() {
    isEnding = true
    worker.leastTurnNs = 0
    worker.timers.cancel(&timer)
    for slot in slots { drop(slot) }
    slots = []
  }

  /// What was counted since the last reset, and how many tokens the slowest and the fastest stream had.
  func reading() -> BenchReading {
    var fewest = UInt64.max
    var most: UInt64 = 0
    for slot in slots {
      for stream in slot.streams {
        fewest = min(fewest, stream.tokenCount)
        most = max(most, stream.tokenCount)
      }
    }
    return BenchReading(
      at: .now(), tally: tally, thread: ThreadSample(), openStreams: openStreams, fewestTokens: fewest, mostTokens: most
    )
  }

  func reset() {
    tally = BenchTally()
    for slot in slots { for stream in slot.streams { stream.tokenCount = 0 } }
  }

  // MARK: Time

  func timerFired(kind: UInt8, now: MonotonicTime) {
    guard !isEnding else { return }
    let elapsed = now.nanoseconds(since: rampBegin)
    let span = wantedCount - rampFrom
    let due =
      elapsed >= rampNs ? wantedCount : rampFrom + Int((Double(span) * Double(elapsed) / Double(rampNs)).rounded(.up))
    while slots.count < due { addSlot() }
    retry(now)
    worker.leastTurnNs = openStreams < Self.crowd ? 0 : Self.crowdedTurnNs
    tickCount += 1
    if tickCount % Self.ticksPerSweep == 0 { sweep(now) }
    timer = worker.timers.schedule(at: now.advanced(byMs: Self.tickMs), target: self, kind: 0)
  }

  private func addSlot() {
    let number = slots.count
    let streams = (0..<settings.streamsPerConnection).map { BenchStream(owner: self, slot: number, position: $0) }
    slots.append(Slot(streams: streams))
    connect(number)
  }

  private func drop(_ slot: Slot) {
    for stream in slot.streams { stream.abandon() }
    slot.connection?.isAbandoned = true
    slot.connection?.abort()
  }

  private func retry(_ now: MonotonicTime) {
    var due = closed
    closed.removeAll(keepingCapacity: true)
    let late = waiting.prefix { $0.at <= now }
    due += late.map(\.slot)
    waiting.removeFirst(late.count)
    for slot in due where slot < slots.count {
      slots[slot].isWaiting = false
      if slots[slot].connection == nil { connect(slot) } else { fill(slot) }
    }
  }

  private func wait(_ slot: Int) {
    guard slot < slots.count, !slots[slot].isWaiting else { return }
    slots[slot].isWaiting = true
    waiting.append((slot, worker.now.advanced(byMs: Self.retryMs)))
  }

  /// Gives up what has been silent for too long.
  private func sweep(_ now: MonotonicTime) {
    for slot in slots {
      guard let connection = slot.connection else { continue }
      if !connection.hasOpened {
        if now.milliseconds(since: slot.connectedAt) > Self.connectLimitMs {
          connection.breakOff(
            BenchFailure(.connection, "no answer to connecting within \(Self.connectLimitMs / 1000) s"))
        }
        continue
      }
      for stream in slot.streams where stream.isOpen && now.milliseconds(since: stream.lastSign) > settings.timeoutMs {
        stream.fail(BenchFailure(.timeout, stream.whyUnheard(forMs: settings.timeoutMs)))
        connection.cancel(stream)
      }
    }
  }

  // MARK: Connections and streams

  private func connect(_ slot: Int) {
    slots[slot].connectedAt = worker.now
    let source = sources.next()
    slots[slot].connection =
      settings.speaksHTTP2
      ? HTTP2BenchConnection(owner: self, slot: slot, streams: slots[slot].streams, source: source)
      : HTTP1BenchConnection(owner: self, slot: slot, streams: slots[slot].streams, source: source)
  }

  func connectionHasRoom(_ connection: BenchConnection) {
    streamLimit = min(streamLimit, connection.streamLimit)
    guard connection.slot < slots.count, slots[connection.slot].connection === connection else { return }
    fill(connection.slot)
  }

  /// - Parameter failure: why it was of no use at all; nil when its streams have said it or there was nothing wrong.
  func connectionDidClose(_ connection: BenchConnection, failure: BenchFailure?) {
    if let failure { tally.count(failure) }
    slots[connection.slot].connection = nil
    // One that waits does so for a failed stream.
    if connection.hasServed, failure == nil, !slots[connection.slot].isWaiting {
      slots[connection.slot].isWaiting = true
      closed.append(connection.slot)
    } else {
      wait(connection.slot)
    }
  }

  func streamEnded(_ stream: BenchStream, _ outcome: BenchStream.Outcome) {
    guard stream.slot < slots.count else { return }
    slots[stream.slot].hasIdleStreams = true
    switch outcome {
    case .completed:
      slots[stream.slot].connection?.hasServed = true
      fill(stream.slot)
    case .failed:
      slots[stream.slot].connection?.hasFailedStreams = true
      wait(stream.slot)
    case .withdrawn:
      wait(stream.slot)
    }
  }

  /// Opens what the connection of `slot` has room for.
  private func fill(_ slot: Int) {
    guard !isEnding, slots[slot].hasIdleStreams, let connection = slots[slot].connection, connection.hasRoom else {
      return
    }
    slots[slot].hasIdleStreams = false
    for stream in slots[slot].streams where !stream.isOpen {
      guard connection.hasRoom else {
        slots[slot].hasIdleStreams = true
        return
      }
      stream.opened(at: .now())
      connection.open(stream)
    }
  }

  @inline(__always)
  func recordLateness(due: UInt64, now: MonotonicTime) {
    let late = now.nanoseconds &- min(due, now.nanoseconds)
    if late < Self.latenessLimitNs { tally.lateness.record(late) }
  }

  /// What a failed connection means, with the one cure that is not the target's.
  func explain(_ failure: SocketFailure) -> String {
    let source = sources.isExhausted(failure) ? "; \(sources.advice)" : ""
    return "cannot connect to \(target.address): \(failure.reason)\(source)"
  }
}
