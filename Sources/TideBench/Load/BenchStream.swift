import TideCore

/// One stream of the load: a request after the other, each read to its end.
final class BenchStream: StreamConsumer {
  unowned(unsafe) let owner: BenchWorker
  /// Which of the worker's connections carries it.
  let slot: Int
  private(set) var isOpen = false
  private var openedAt = MonotonicTime.zero
  private var lastArrival = MonotonicTime.zero
  private var scanner = TokenScanner()
  private var hasBody = false
  private var hasFailed = false

  init(owner: BenchWorker, slot: Int) {
    self.owner = owner
    self.slot = slot
  }

  func opened(at instant: MonotonicTime) {
    isOpen = true
    openedAt = instant
    lastArrival = .zero
    scanner = TokenScanner()
    hasBody = false
    hasFailed = false
  }

  /// The connection had no room after all.
  func withdraw() { isOpen = false }

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    guard !isInterim, head.status != 200 else { return }
    hasFailed = true
    owner.tally.failures.statuses += 1
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    stream.returnCredit(bytes.count)
    guard !hasFailed else { return }
    let now = MonotonicTime.now()
    guard owner.isStreaming else {
      if !hasBody { owner.tally.firstToken.record(now.nanoseconds(since: openedAt)) }
      hasBody = true
      return
    }
    var count: UInt64 = 0
    scanner.feed(bytes) { due in
      count &+= 1
      if due > 0 { owner.tally.lateness.record(now.nanoseconds > due ? now.nanoseconds &- due : 0) }
    }
    guard count > 0 else { return }
    owner.tally.tokens &+= count
    if hasBody {
      owner.tally.gap.record(now.nanoseconds(since: lastArrival))
    } else {
      hasBody = true
      owner.tally.firstToken.record(now.nanoseconds(since: openedAt))
    }
    lastArrival = now
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    guard isOpen else { return }
    isOpen = false
    if !hasFailed, !owner.isEnding { owner.tally.failures.resets += 1 }
    owner.streamEnded(self, properly: false)
  }

  override func streamClosed(_ stream: HTTPStream) {
    guard isOpen else { return }
    isOpen = false
    if !hasFailed, owner.isStreaming, !scanner.isDone {
      hasFailed = true
      owner.tally.failures.truncated += 1
    }
    if !hasFailed {
      owner.tally.completed += 1
      owner.tally.duration.record(MonotonicTime.now().nanoseconds(since: openedAt))
    }
    owner.streamEnded(self, properly: !hasFailed)
  }
}
