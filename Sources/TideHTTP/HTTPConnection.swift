import TideCore
import TideHTTP1
import TideHTTP2
import TideIO

/// A connection that speaks HTTP, whichever version: a socket, the codec that reads and writes it, and one timer for all of the
/// codec's deadlines.
///
/// Owned by one worker. The streams it carries look the same for both versions; only `HTTPServerConnection` and
/// `HTTPClientConnection` know how a codec is chosen.
open class HTTPConnection: SocketConnection, CodecOwner, TimerTarget {
  /// The timer kind of the codec's deadlines; subclasses use others.
  static let codecTimer: UInt8 = 0

  private(set) final var codec = HTTPCodec.undecided
  /// What `codec` names. The codec holds this connection in turn, until `connectionDidClose`.
  private var codecObject: StreamCarrier?
  private var timer: TimerToken?
  private var armedDeadline = MonotonicTime.distantFuture
  private var isReading = true
  /// Why the codec ended the connection; nil while it lives, or when the transport ended it.
  public private(set) var closeReason: CodecClose?
  public private(set) var isClosing = false

  // MARK: What subclasses override

  /// Server side: a request has come.
  open func didReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {}
  /// Client side: more or fewer streams can be opened.
  open func didChangeCapacity() {}
  /// Last event; every stream has been told before.
  open func didClose() {}

  // MARK: State

  /// The version in use, for logs and `ctx.client.protocol`; nil until it is known.
  public var version: ApplicationProtocol? {
    switch codec {
    case .undecided: nil
    case .http1Server, .http1Client: .http11
    case .http2: .h2
    }
  }

  public final var openStreamCount: Int { codec.openStreamCount }

  /// Stops new requests and closes once the running ones have ended (RFC 9113 section 6.8; `Connection: close` in HTTP/1.1).
  public func drain() {
    guard !isClosing else { return }
    if case .undecided = codec { close() }
    codec.shutdown(now: worker.now)
    afterCodec()
    setNeedsFlush()
  }

  // MARK: Transport events

  /// The version is settled. Once a connection.
  final func use(_ session: HTTP2Session) {
    codecObject = session
    codec = .http2(.passUnretained(session))
  }

  final func use(_ http1: HTTP1ServerCodec) {
    codecObject = http1
    codec = .http1Server(.passUnretained(http1))
  }

  final func use(_ http1: HTTP1ClientCodec) {
    codecObject = http1
    codec = .http1Client(.passUnretained(http1))
  }

  /// Hands bytes to the codec and looks after its deadlines and appetite.
  final func feed(_ bytes: UnsafeRawBufferPointer) {
    codec.receive(bytes, now: worker.now)
    afterCodec()
  }

  open override func connectionDidReceive(_ bytes: UnsafeRawBufferPointer) {
    if isClosing { return }
    feed(bytes)
  }

  open override func connectionDidReceiveEnd(clean: Bool) {
    codec.receiveEnd(clean: clean, now: worker.now)
    if !isClosing {
      isClosing = true
      close()
    }
  }

  /// The peer vanished while reading was paused: what it would have sent no longer matters, its requests end now.
  open override func connectionPeerHungUp() {
    if isClosing { return }
    isClosing = true
    abort()
  }

  open override func connectionProduce(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = codec.produce(into: buffer, now: worker.now)
    afterCodec()
    return count
  }

  open override func connectionPrefetch(_ step: Int) { codec.prefetch(step) }

  open override var connectionIsDrained: Bool { codec.isDrained }

  open override func connectionDidFail(_ failure: SocketFailure) {
    isClosing = true
  }

  open override func connectionDidClose() {
    isClosing = true
    if let timer { worker.timers.cancel(timer) }
    timer = nil
    codec.terminate()
    codec = .undecided
    codecObject = nil
    didClose()
  }

  // MARK: Codec events

  public func codecNeedsFlush() { setNeedsFlush() }

  public func codecDidReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {
    didReceive(head, on: stream, endStream: endStream)
  }

  public func codecDidChangeCapacity() { didChangeCapacity() }

  public func codecWantsClose(_ reason: CodecClose) {
    guard closeReason == nil else { return }
    closeReason = reason
    isClosing = true
    if case .http1Server(let codec) = codec, codec.takeUnretainedValue().closesAbruptly {
      // An answer that ends with its connection was cut short: only a reset tells the client.
      abort()
    } else {
      // Flushes what the codec still yields, then says goodbye in the order TCP needs (robustness section 5).
      close()
    }
  }

  // MARK: Deadlines and appetite

  open func timerFired(kind: UInt8, now: MonotonicTime) {
    guard kind == Self.codecTimer else { return }
    timer = nil
    armedDeadline = .distantFuture
    if codec.nextDeadline <= now { codec.deadlineReached(now: now) }
    afterCodec()
  }

  /// Re-arms the timer only when a deadline came nearer: a later one is found when the earlier timer fires.
  final func afterCodec() {
    let due = codec.nextDeadline
    if due < armedDeadline, !isClosing || due != .distantFuture {
      if let timer { worker.timers.cancel(timer) }
      armedDeadline = due
      timer = worker.timers.schedule(at: due, target: self, kind: Self.codecTimer)
    }
    let wants = codec.wantsRead
    if wants != isReading {
      isReading = wants
      if wants { resumeReading() } else { pauseReading() }
    }
  }

  /// The consumer returned credit outside of a read or a flush: reading may go on.
  public final func appetiteChanged() { afterCodec() }
}
