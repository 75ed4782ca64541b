import TideCore

/// One stream of the load: a request after the other, each read to its end.
///
/// Owned by its worker. HTTP/2 connections call it directly; to the codec of HTTP/1.1 it is the consumer.
final class BenchStream: StreamConsumer {
  /// What became of a request: withdrawn means that the peer has not looked at it.
  enum Outcome { case completed, failed, withdrawn }

  private enum Phase { case idle, waiting, reading, refused }

  unowned(unsafe) let owner: BenchWorker
  /// Which of the worker's slots its connection fills, and where it is among the streams of that connection.
  let slot: Int
  let position: Int
  private var phase = Phase.idle
  private var hasArrival = false
  /// Whether an answer has begun to come on it at some time in this run.
  private(set) var hasStreamed = false
  private var openedAt = MonotonicTime.zero
  private var lastArrival = MonotonicTime.zero
  /// Tokens since the worker's last reset.
  var tokenCount: UInt64 = 0
  private var scanner = TokenScanner()
  /// The answer with a status other than 200.
  private var refusal: RefusedAnswer?

  init(owner: BenchWorker, slot: Int, position: Int) {
    self.owner = owner
    self.slot = slot
    self.position = position
  }

  /// Whether a request is under way.
  var isOpen: Bool { phase != .idle }

  /// When something was last heard of the request that is under way.
  var lastSign: MonotonicTime { max(openedAt, lastArrival) }

  func opened(at instant: MonotonicTime) {
    phase = .waiting
    hasArrival = false
    openedAt = instant
    lastArrival = .zero
    scanner = TokenScanner()
    refusal = nil
    owner.openStreams += 1
  }

  /// Why no token has come for so long.
  func whyUnheard(forMs ms: Int) -> String {
    "no token for \(ms) ms\(scanner.isOverlong ? ", and a line of more than \(TokenScanner.lineLimit) bytes" : "")"
  }

  // MARK: Events

  func receive(status: Int) {
    guard phase == .waiting, status >= 200 else { return }
    phase = status == 200 ? .reading : .refused
    if status != 200 { refusal = RefusedAnswer(status: status) }
  }

  @inline(__always)
  func receive(_ bytes: UnsafeRawBufferPointer, at now: MonotonicTime) {
    guard phase == .reading else {
      refusal?.append(bytes)
      return
    }
    guard owner.isStreaming else { return arrive(at: now) }
    var count: UInt64 = 0
    scanner.feed(bytes) { due in
      count &+= 1
      if due > 0 { owner.recordLateness(due: due, now: now) }
    }
    guard count > 0 else { return }
    owner.tally.tokens &+= count
    tokenCount &+= count
    if hasArrival { owner.tally.gap.record(now.nanoseconds(since: lastArrival)) } else { arrive(at: now) }
    lastArrival = now
  }

  /// The first token, or the first byte of an answer that is not streamed.
  private func arrive(at now: MonotonicTime) {
    guard !hasArrival else { return }
    hasArrival = true
    owner.tally.firstToken.record(now.nanoseconds(since: openedAt))
    if !hasStreamed {
      hasStreamed = true
      owner.readyStreams += 1
    }
  }

  /// The answer has ended properly, as far as HTTP goes.
  func finish() {
    guard isOpen else { return }
    if let refusal { return fail(BenchFailure(.status, refusal.message)) }
    guard phase == .reading else { return fail(BenchFailure(.protocol, "an answer without a status")) }
    if scanner.isOverlong {
      return fail(BenchFailure(.protocol, "a line of the stream has more than \(TokenScanner.lineLimit) bytes"))
    }
    if scanner.hasError { return fail(BenchFailure(.error, "an error event came instead of the rest of the stream")) }
    if owner.isStreaming, !scanner.isDone {
      return fail(BenchFailure(.truncated, "a stream ended without its terminal marker"))
    }
    owner.tally.completed += 1
    owner.tally.duration.record(owner.readAt.nanoseconds(since: openedAt))
    close()
    owner.streamEnded(self, .completed)
  }

  /// The request has come to nothing.
  func fail(_ failure: BenchFailure) {
    guard isOpen else { return }
    // What the connection did to an answer that was a refusal already says less than the refusal.
    owner.tally.count(refusal.map { BenchFailure(.status, $0.message) } ?? failure)
    close()
    owner.streamEnded(self, .failed)
  }

  /// The peer has not looked at the request; it is sent again elsewhere.
  func withdraw() {
    guard isOpen else { return }
    close()
    owner.streamEnded(self, .withdrawn)
  }

  /// Nobody waits for the stream any more: nothing is counted.
  func abandon() {
    if isOpen { close() }
    if hasStreamed { owner.readyStreams -= 1 }
    hasStreamed = false
  }

  private func close() {
    phase = .idle
    refusal = nil
    owner.openStreams -= 1
  }

  // MARK: From HTTP/1.1's codec

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) { receive(status: head.status) }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    stream.returnCredit(bytes.count)
    receive(bytes, at: owner.readAt)
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    switch reason {
    case .protocolError: fail(BenchFailure(.protocol, "the target broke HTTP/1.1"))
    case .refused: withdraw()
    default: fail(BenchFailure(.reset, "the connection was closed in the middle of an answer"))
    }
  }

  override func streamClosed(_ stream: HTTPStream) { finish() }
}
