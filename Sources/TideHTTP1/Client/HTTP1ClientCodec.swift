import TideCore

/// The client side of one HTTP/1.1 connection: requests in, bytes out; bytes in, responses out.
///
/// Owned by its connection's worker; no socket, no clock. One request at a time, never pipelined. The connection is used
/// again only after an exchange in which nothing was odd: the request was written in full, the response ended where its
/// framing said, and not a byte followed it (S-11, S-18).
public final class HTTP1ClientCodec: StreamCarrier {
  enum Reading { case idle, head, body, stopped }

  let settings: HTTP1Settings
  let owner: any CodecOwner

  // Reading.
  var reading = Reading.idle
  var input = ByteQueue()
  var parser: HTTP1ResponseHeadParser
  var reader = HTTP1BodyReader(.none)
  var interimCount = 0
  var isProcessing = false

  // The running exchange.
  var live: HTTPStream?
  var exchangeCount: Int32 = 0
  var isHeadMethod = false
  var closesAfterResponse = false

  // Writing.
  var writer = HTTP1BodyWriter(.none)
  var pending = ByteQueue()
  /// Whether a byte of the request has left; until then the engine cannot have seen it.
  var hasWritten = false
  var isRequestWritten = false
  /// What `produce` made for a buffer that was too small for it; empty otherwise.
  var spill = ByteQueue()
  var isProducing = false
  var stall: StallRule

  // Ending.
  var isDraining = false
  var closing: CodecClose?
  var hasSignalledClose = false

  // Deadlines.
  var headDeadline = MonotonicTime.distantFuture
  var stallTick = MonotonicTime.distantFuture
  var lastNow: MonotonicTime

  /// - Parameter owner: the connection; must outlive the codec's last call.
  public init(settings: HTTP1Settings, owner: any CodecOwner, now: MonotonicTime) {
    self.settings = settings
    self.owner = owner
    parser = HTTP1ResponseHeadParser(settings: settings)
    stall = StallRule(settings)
    lastNow = now
  }

  // What streams ask of their carrier; done in `+Writing`.
  public override func outputChanged(_ stream: HTTPStream) { noteOutput(of: stream) }
  public override func returnCredit(_ byteCount: Int, on stream: HTTPStream) { giveCredit(byteCount, to: stream) }
  public override func reset(_ stream: HTTPStream, _ reason: StreamReset) { cancel(stream, reason) }

  public var openStreamCount: Int { live == nil ? 0 : 1 }

  public var isIdle: Bool { live == nil }

  /// Whether this connection can carry a further request, now or after the running one.
  public var isReusable: Bool { reading != .stopped && !isDraining && !closesAfterResponse }

  /// 1 when a request can be opened now, else 0.
  public var availableStreams: Int { reading == .idle && !isDraining ? 1 : 0 }

  /// Whether the socket should be read: false while the consumer holds more than the relay limit.
  public var wantsRead: Bool {
    guard let live else { return true }
    return live.unreturnedCredit <= settings.relayBytes
  }

  /// Takes no more requests; closes after the running one.
  public func shutdown(now: MonotonicTime) {
    lastNow = now
    isDraining = true
    if reading == .idle { abort(.finished) } else { owner.codecDidChangeCapacity() }
  }

  /// The connection is gone.
  public func terminate() {
    hasSignalledClose = true
    stopReading()
    dropLive(telling: lossReason)
    pending.removeAll()
  }

  /// What losing the connection means to the running request: a retry is safe while nothing of it has left.
  var lossReason: StreamReset { hasWritten ? .peerGone : .refused }

  // MARK: Deadlines

  public var nextDeadline: MonotonicTime {
    if hasSignalledClose { return .distantFuture }
    if reading == .stopped { return closing == nil ? .distantFuture : lastNow }
    return min(headDeadline, stallTick)
  }

  public func deadlineReached(now: MonotonicTime) {
    lastNow = now
    if hasSignalledClose { return }
    if reading == .stopped {
      if let closing { signalClose(closing) }
      return
    }
    guard let live else { return }
    if now >= headDeadline {
      dropLive(telling: .peerGone)
      return abort(.timedOut("head"))
    }
    guard now >= stallTick else { return }
    stallTick = now.advanced(byMs: stall.tickMs)
    if stall.tick(isWaiting: !pending.isEmpty || !live.output.isEmpty, now: now) {
      dropLive(telling: .peerGone)
      abort(.timedOut("stall"))
    }
  }

  // MARK: Ending

  /// Closes at once. Inside of `produce` the bytes of this pass are let out first.
  func abort(_ reason: CodecClose) {
    stopReading()
    pending.removeAll()
    if isProducing {
      closing = closing ?? reason
      owner.codecNeedsFlush()
    } else {
      signalClose(reason)
    }
  }

  func signalClose(_ reason: CodecClose) {
    guard !hasSignalledClose else { return }
    hasSignalledClose = true
    owner.codecDidChangeCapacity()
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
    live = nil
    stream.carrier = nil
    stall.reset()
    headDeadline = .distantFuture
    stallTick = .distantFuture
  }
}
