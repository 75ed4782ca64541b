import TideCore

/// The server side of one HTTP/1.1 connection: bytes in, requests out; responses in, bytes out.
///
/// Owned by its connection's worker; no socket, no clock. One stream lives at a time: a pipelined request waits, unparsed,
/// until the response before it is complete, so that responses leave in order whatever their consumers do (S-19). What is
/// refused is answered here and dispatched to nobody.
public final class HTTP1ServerCodec: StreamCarrier {
  enum Reading {
    /// Between requests, or inside a head.
    case head
    case body
    /// The exchange is over but its request body is not: it is read and dropped (S-11).
    case drain
    /// The request is complete; the response is not.
    case waiting
    /// Nothing more is read.
    case stopped
  }

  enum Writing { case nothing, awaitingHead, body }

  let settings: HTTP1Settings
  let owner: any CodecOwner

  // Reading.
  var reading = Reading.head
  var input = ByteQueue()
  var parser: HTTP1RequestHeadParser
  var reader = HTTP1BodyReader(.none)
  /// Whether a byte of the next head has come.
  var hasHeadStarted = false
  /// Set while `input` or the caller's bytes are being read, so that nothing reads or releases them a second time.
  var isProcessing = false

  // The running exchange.
  var live: HTTPStream?
  var exchangeCount: Int32 = 0
  var isHeadMethod = false
  var isVersion10 = false
  var closesAfterResponse = false

  // Writing.
  var writing = Writing.nothing
  var writer = HTTP1BodyWriter(.none)
  /// Heads and our own answers, on their way out.
  var pending = ByteQueue()
  /// What `produce` made for a buffer that was too small for it; empty otherwise.
  var spill = ByteQueue()
  var isProducing = false
  var stall: StallRule

  // Ending.
  var isDraining = false
  var closing: CodecClose?
  var hasSignalledClose = false
  /// Whether the connection ends in the middle of a response whose only end mark is the end of the connection: then it should
  /// be reset rather than closed, or the client takes the answer for complete.
  public internal(set) var closesAbruptly = false

  // Deadlines.
  var headDeadline: MonotonicTime
  var idleDeadline = MonotonicTime.distantFuture
  var stallTick = MonotonicTime.distantFuture
  var closingDeadline = MonotonicTime.distantFuture
  var resumeDeadline = MonotonicTime.distantFuture
  var turn = MonotonicTime.zero
  var turnRequestCount = 0
  var lastNow: MonotonicTime

  /// - Parameter owner: the connection; must outlive the codec's last call.
  public init(settings: HTTP1Settings, owner: any CodecOwner, now: MonotonicTime) {
    self.settings = settings
    self.owner = owner
    parser = HTTP1RequestHeadParser(settings: settings)
    stall = StallRule(settings)
    lastNow = now
    // The first head must be complete this long after accept, even when not a byte of it comes.
    headDeadline = now.advanced(byMs: settings.headDeadlineMs)
  }

  // What streams ask of their carrier; done in `+Writing`.
  public override func send(_ head: ResponseHead, endStream: Bool, on stream: HTTPStream) {
    write(head, endStream: endStream, on: stream)
  }
  public override func outputChanged(_ stream: HTTPStream) { noteOutput(of: stream) }
  public override func returnCredit(_ byteCount: Int, on stream: HTTPStream) { giveCredit(byteCount, to: stream) }
  public override func reset(_ stream: HTTPStream, _ reason: StreamReset) { cancel(stream, reason) }

  public var openStreamCount: Int { live == nil ? 0 : 1 }

  public var isIdle: Bool { live == nil && input.isEmpty && pending.isEmpty && !hasHeadStarted }

  /// Whether the socket should be read: false while the consumer holds more than the relay limit, or that much was read ahead.
  public var wantsRead: Bool {
    // A closing connection is read and discarded, so that the kernel does not reset it over unread bytes.
    if reading == .stopped { return true }
    if input.byteCount > settings.relayBytes { return false }
    guard let live, reading == .body else { return true }
    return live.unreturnedCredit <= settings.relayBytes
  }

  /// Takes no more requests: an idle connection ends now, a busy one after its response, which says so if it still can.
  public func shutdown(now: MonotonicTime) {
    lastNow = now
    isDraining = true
    switch reading {
    case .stopped: break
    case .drain: finish(.finished)
    case .head: if !hasHeadStarted, input.isEmpty, !isProcessing { finish(.finished) }
    case .body, .waiting: closesAfterResponse = true
    }
  }

  /// The connection is gone.
  public func terminate() {
    hasSignalledClose = true
    stopReading()
    dropLive(telling: .peerGone)
    pending.removeAll()
  }

  // MARK: Deadlines

  public var nextDeadline: MonotonicTime {
    if hasSignalledClose { return .distantFuture }
    if reading == .stopped { return closingDeadline }
    if live != nil { return stallTick }
    return min(headDeadline, idleDeadline, resumeDeadline)
  }

  public func deadlineReached(now: MonotonicTime) {
    lastNow = now
    if hasSignalledClose { return }
    if reading == .stopped {
      if now >= closingDeadline, let closing { signalClose(closing) }
    } else if let live {
      guard now >= stallTick else { return }
      stallTick = now.advanced(byMs: stall.tickMs)
      let isWaiting = !pending.isEmpty || (writing == .body && !live.output.isEmpty)
      if stall.tick(isWaiting: isWaiting, now: now) {
        dropLive(telling: .enhanceYourCalm)
        abort(.attack("H2-09"))
      }
    } else if now >= headDeadline {
      if reading == .head, hasHeadStarted {
        HTTP1Rejection(408, "The request head took too long.").render(into: &pending, withoutBody: parser.isHeadMethod)
      }
      finish(.timedOut("head"))
    } else if now >= idleDeadline {
      finish(.timedOut("idle"))
    } else if now >= resumeDeadline {
      advance(now)
    }
  }

  // MARK: Ending

  /// Reads no more, writes what is pending, then closes.
  func finish(_ reason: CodecClose) {
    guard closing == nil, !hasSignalledClose else { return }
    stopReading()
    closing = reason
    closingDeadline = lastNow.advanced(byMs: settings.headDeadlineMs)
    owner.codecNeedsFlush()
  }

  /// Closes at once. Inside of `produce` the bytes of this pass are let out first.
  func abort(_ reason: CodecClose) {
    stopReading()
    if isProducing {
      closing = closing ?? reason
      closingDeadline = lastNow
      owner.codecNeedsFlush()
    } else {
      signalClose(reason)
    }
  }

  func signalClose(_ reason: CodecClose) {
    guard !hasSignalledClose else { return }
    hasSignalledClose = true
    owner.codecWantsClose(reason)
  }

  func stopReading() {
    reading = .stopped
    if !isProcessing { input.removeAll() }
  }

  /// Takes the stream off the connection and tells its consumer why.
  func dropLive(telling reason: StreamReset) {
    guard let stream = live else { return }
    detach(stream)
    let consumer = stream.consumer
    stream.consumer = nil
    consumer?.streamReset(stream, reason)
  }

  func detach(_ stream: HTTPStream) {
    if writing == .body, writer.endsWithConnection { closesAbruptly = true }
    live = nil
    writing = .nothing
    stream.carrier = nil
    stall.reset()
    stallTick = .distantFuture
  }
}
