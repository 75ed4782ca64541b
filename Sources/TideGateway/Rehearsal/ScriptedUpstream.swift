import TideCore
import TideHTTP
import TideIO

/// An endpoint without a socket: takes one request and plays what the script says.
final class ScriptedUpstream: StreamCarrier, UpstreamConnection {
  private(set) var attempt: RehearsalAttempt
  /// Asked once the request is whole: what to play.
  private let script: (RehearsalAttempt) -> UpstreamPlay
  /// Told when the gateway resets the stream.
  private let onReset: () -> Void
  private var steps: [UpstreamPlay.Step] = []
  private(set) var stream: HTTPStream?
  private var next = 0
  private var isRequestWhole = false
  /// The step after a wait comes no earlier.
  private(set) var waitsUntil: MonotonicTime?

  init(
    _ attempt: RehearsalAttempt, onReset: @escaping () -> Void = {},
    script: @escaping (RehearsalAttempt) -> UpstreamPlay
  ) {
    self.attempt = attempt
    self.onReset = onReset
    self.script = script
  }

  /// Whether nothing more can come from here.
  var isOver: Bool { stream?.carrier == nil }

  func open(_ head: RequestHead, endStream: Bool, consumer: StreamConsumer) -> HTTPStream? {
    let stream = HTTPStream(id: 1, carrier: self)
    stream.consumer = consumer
    stream.isHeadSent = true
    attempt.head = head
    self.stream = stream
    if endStream { stream.outputEnd = .ended }
    return stream
  }

  /// Does the next thing; false when there is nothing to do before the clock moves. Inside a turn.
  func act(now: MonotonicTime) -> Bool {
    guard let stream, stream.carrier != nil else { return false }
    if !isRequestWhole { return takeRequest(stream) }
    if let waitsUntil {
      guard now >= waitsUntil else { return false }
      self.waitsUntil = nil
    }
    guard next < steps.count else { return false }
    let step = steps[next]
    next += 1
    switch step {
    case .wait(let ms): waitsUntil = now.advanced(byMs: ms)
    case .head(let head): stream.consumer?.streamHead(stream, head, isInterim: false)
    case .bytes(let bytes):
      stream.unreturnedCredit += bytes.count
      bytes.withUnsafeBytes { stream.consumer?.streamBody(stream, $0) }
    case .reset:
      let consumer = letGo(stream)
      consumer?.streamReset(stream, .peerGone)
    case .end:
      stream.consumer?.streamEnd(stream, trailers: nil)
      if stream.carrier != nil {
        let consumer = letGo(stream)
        consumer?.streamClosed(stream)
      }
    }
    return true
  }

  private func takeRequest(_ stream: HTTPStream) -> Bool {
    let count = stream.output.byteCount
    if count > 0 {
      attempt.body += stream.output.readableBytes
      stream.output.consume(count)
      stream.consumer?.streamTaken(stream, byteCount: count)
    }
    guard stream.outputEnd != .open else { return count > 0 }
    isRequestWhole = true
    steps = script(attempt).steps
    return true
  }

  private func letGo(_ stream: HTTPStream) -> StreamConsumer? {
    let consumer = stream.consumer
    stream.consumer = nil
    stream.carrier = nil
    return consumer
  }

  override func reset(_ stream: HTTPStream, _ reason: StreamReset) {
    stream.carrier = nil
    onReset()
  }
}

/// Takes the place of an endpoint's pool: every request gets an upstream that plays its part.
final class ScriptedPool: EndpointPool {
  /// What the request of a waiter meets; nil is a pool without a script, which nobody asks.
  var script: ((any PoolWaiter, Endpoint) -> ScriptedUpstream?)?

  override func request(_ waiter: any PoolWaiter) {
    guard let upstream = script?(waiter, endpoint) else {
      return waiter.poolFailed(.connect("the script refuses the connection"), of: self)
    }
    waiter.poolOffers(upstream, of: self)
  }

  override func cancel(_ waiter: any PoolWaiter) {}
}
