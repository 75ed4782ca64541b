import CNghttp2
import TideCore

/// One HTTP/2 connection: bytes in, events to stream consumers, bytes out. Wraps one nghttp2 session.
///
/// Owned by one worker and not thread-safe. Reads and writes no socket: the owner feeds `receive` and drains `produce`.
/// nghttp2 judges the protocol; this class adds what it leaves open: limits against floods, deadlines, the checks of a
/// request head, windows that follow the consumer, and exactly one end for every stream. Plain DATA and the windows it is counted by are
/// this class's own, in and out (`FrameIntake`, `+Bodies`, `+Windows`): they are the tokens.
///
/// A consumer may call any stream method from inside any event, and the owner may call `terminate` from inside any call
/// of this class: what cannot be done inside an nghttp2 callback is kept for `settle`.
public final class HTTP2Session: StreamCarrier {
  // What each DATA frame, or each flush, touches, together in memory (`prefetch`)

  /// nil once the session has been freed.
  var session: OpaquePointer?
  /// Whoever reads and writes the connection. It holds the session as well, and lets go of it once the connection is closed.
  let owner: any CodecOwner
  /// The clock of the call that is running.
  var now: MonotonicTime
  /// How many streams are in `live`.
  var liveCount = 0
  /// How deep we are inside nghttp2, which must not be freed or re-entered then.
  var depth = 0
  var closing: CodecClose?
  var isCloseReported = false
  var isTerminated = false
  var isDraining = false
  var isFinalGoawaySubmitted = false
  var isGoawayReceived = false
  var hasCapacityChanged = false
  public let role: HTTP2Role
  /// What `liveStream` found last: the callbacks of one frame ask for the same stream several times.
  var foundID: Int32 = 0
  var found: Unmanaged<HTTPStream>?

  // The buffer of the current `produce`.
  var outBase: UnsafeMutableRawPointer?
  var outCapacity = 0
  var outCount = 0
  /// Whether the last `produce` wrote all there was: nothing more until the owner hears `codecNeedsFlush` again.
  public var isDrained: Bool { !ranOutOfRoom && closing == nil }
  var ranOutOfRoom = false
  /// Streams that the current `produce` took bytes from; `live` or `closed` holds them.
  var taken = StreamQueue()
  /// Streams that have something to send, in the order in which they got it; `live` holds them.
  var sendQueue = StreamQueue()
  /// Bytes of bodies that the peer lets us send on the connection.
  var sendWindow = HTTP2Session.firstWindow
  /// What SETTINGS of the peer give a new stream.
  var peerInitialWindow = HTTP2Session.firstWindow
  /// Whether nghttp2 may have something to write.
  var isNativeDue = true
  /// Whether nghttp2 has been called since `settle` looked whether it is finished.
  var hasNativeRun = true
  /// Whether nghttp2 is shown a WINDOW_UPDATE of our own making.
  var isGivingNativeRoom = false
  /// Streams whose end waits until it can be shown one.
  var roomless: Set<Int32> = []
  /// WINDOW_UPDATE frames to be written.
  var owed: ContiguousArray<OwedCredit> = []
  /// Streams that were closed inside nghttp2, held until it is left.
  var closed: ContiguousArray<HTTPStream> = []
  /// Server: responses that ended before their request did; RST_STREAM(NO_ERROR) follows.
  var earlyEnds: ContiguousArray<HTTPStream> = []

  // Absolute deadlines; `.distantFuture` when not armed.
  var firstSettingsDeadline: MonotonicTime
  var settingsAckDeadline: MonotonicTime
  var headerBlockDeadline = MonotonicTime.distantFuture
  var drainDeadline = MonotonicTime.distantFuture
  var stallScanDeadline = MonotonicTime.distantFuture

  // What each read touches

  /// Client: those of `live` whose answers have begun, for `findLive`.
  let table: StreamTable?
  /// Client: looks at the frames to come and fetches what they will touch.
  let ahead: DataAhead?
  var intake: FrameIntake
  /// Client: body bytes read here that no WINDOW_UPDATE of the connection has given back, and how many of them are in `owed`.
  var connectionReceived = 0
  var connectionOwed = 0

  // What streams and their heads, and control frames, touch

  public let settings: HTTP2Settings
  public internal(set) var counters = HTTP2Counters()
  /// Client: half the cancels that the peer's own limiter may take in a burst are spent. The pool should open another
  /// connection and let this one run dry.
  public internal(set) var shouldRetire = false
  var monitor: FloodMonitor
  /// Streams that nghttp2 knows or will know, in no order. Their `HTTPStream` is nghttp2's user data, held alive here.
  var live: ContiguousArray<HTTPStream> = []
  /// Body bytes of the current `receive` that nghttp2 has counted, whose credit the connection's window gets back at its end.
  var receivedBodyByteCount = 0
  /// Server: heads received in the current batch and not handed on yet. A reset in the same batch makes them vanish.
  var pending: [PendingRequest] = []
  /// The header block being received.
  var block: HeaderBlock?
  var highestPeerStreamID: Int32 = 0
  var resetBudget: TokenBucket

  /// The window of a connection, and of a stream until SETTINGS say otherwise (RFC 9113 section 6.9.2).
  static let firstWindow = 65_535

  /// Starts the connection: its SETTINGS leave with the first `produce`.
  ///
  /// - Parameter owner: told of requests, capacity and the end. Retained: it must let go of the session when it closes.
  public init(role: HTTP2Role, settings: HTTP2Settings, owner: any CodecOwner, now: MonotonicTime) {
    self.role = role
    self.settings = settings
    self.owner = owner
    self.now = now
    table = role == .client ? StreamTable() : nil
    ahead = table.map { DataAhead($0) }
    intake = FrameIntake(role: role, readsData: role == .client)
    monitor = FloodMonitor(now: now)
    firstSettingsDeadline = now.advanced(byMs: HTTP2Session.handshakeLimitMs)
    settingsAckDeadline = firstSettingsDeadline
    resetBudget = TokenBucket(
      capacity: Double(settings.resetBudget), perSecond: Double(settings.resetBudgetPerSecond), now: now)
    super.init()
    session = HTTP2Library.makeSession(role: role, userData: Unmanaged.passUnretained(self).toOpaque())
    submitSettings()
  }

  deinit {
    for stream in live { stream.carrier = nil }
    if let session { nghttp2_session_del(session) }
  }

  // What streams ask of their carrier; done in `+Output`.
  public override func send(_ head: ResponseHead, endStream: Bool, on stream: HTTPStream) {
    submit(head, endStream: endStream, on: stream)
  }
  public override func outputChanged(_ stream: HTTPStream) { noteOutput(of: stream) }
  public override func returnCredit(_ byteCount: Int, on stream: HTTPStream) { giveCredit(byteCount, to: stream) }
  public override func reset(_ stream: HTTPStream, _ reason: StreamReset) { cancel(stream, reason) }

  /// Streams that are open on the wire, or about to be.
  public var openStreamCount: Int { live.count }
  public var isIdle: Bool { live.isEmpty }
  /// HTTP/2 holds a peer back by its windows, never by not reading: control frames must come through.
  public var wantsRead: Bool { true }

  /// Client: how many streams `open` would give now.
  public var availableStreams: Int {
    guard role == .client, closing == nil, !isTerminated, !isDraining, !isGoawayReceived, let session,
      nghttp2_session_check_request_allowed(session) != 0
    else { return 0 }
    let announced = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
    return max(0, min(Int(announced), settings.maxConcurrentStreams) - live.count)
  }

  /// Client: sends a request. nil when there is no room for a stream now.
  ///
  /// - Parameter endStream: no body follows. Otherwise the consumer appends to the stream's `output` and ends it.
  public func open(
    _ head: RequestHead, endStream: Bool, consumer: StreamConsumer, now: MonotonicTime
  ) -> HTTPStream? {
    guard availableStreams > 0, let session else { return nil }
    self.now = now
    guard let id = Int32(exactly: nghttp2_session_get_next_stream_id(session)) else { return nil }
    let stream = HTTPStream(id: id, carrier: self)
    let userData = Unmanaged.passUnretained(stream).toOpaque()
    var provider = HTTP2Library.dataProvider(for: userData)
    let result = HeaderFieldVector.with(head) { vector, count in
      endStream
        ? nghttp2_submit_request(session, nil, vector, count, nil, userData)
        : withUnsafePointer(to: &provider) { nghttp2_submit_request(session, nil, vector, count, $0, userData) }
    }
    guard result == id else { return nil }
    stream.consumer = consumer
    stream.isHeadSent = true
    stream.flags = endStream ? [.isDispatched, .isLocalEnded] : .isDispatched
    if head.method == "HEAD" { stream.flags.insert(.isHeadOnly) }
    if endStream { stream.outputEnd = .ended }
    hold(stream)
    nativeNeedsFlush()
    return stream
  }

  /// The transport is at its end: nothing more comes in, and nothing that is produced would arrive.
  ///
  /// - Parameter clean: false for a truncation of TLS and for a socket error.
  public func receiveEnd(clean: Bool, now: MonotonicTime) {
    guard closing == nil, !isTerminated else { return }
    self.now = now
    withExtendedLifetime(self) {
      fail(clean && (live.isEmpty || role == .server) ? .peerGone : .truncated, code: nil)
      settle()
    }
  }

  /// The connection is gone: every live stream hears so, and nothing is done any more.
  public func terminate() {
    guard !isTerminated else { return }
    isTerminated = true
    isCloseReported = true
    withExtendedLifetime(self) {
      abortAll(.peerGone)
      settle()
    }
  }

  /// Begins to close this connection for `reason`, with GOAWAY when `code` is given. Takes effect in `settle`.
  func fail(_ reason: CodecClose, code: nghttp2_error_code?) {
    guard closing == nil, !isTerminated else { return }
    closing = reason
    if case .attack = reason { counters.floods &+= 1 }
    guard let session, let code else { return }
    nghttp2_session_terminate_session(session, code.rawValue)
    isNativeDue = true
  }

  func failAttack(_ limit: String) { fail(.attack(limit), code: NGHTTP2_ENHANCE_YOUR_CALM) }

  /// Charges the glitch bucket for something the peer should not have done.
  func glitch() {
    counters.glitches &+= 1
    if !monitor.glitch(now: now) { failAttack("glitches") }
  }

  /// What a callback returns: nghttp2 goes on only while this connection does.
  var callbackResult: Int32 {
    closing == nil && !isTerminated ? 0 : Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
  }

  /// Does what had to wait until nghttp2 was left: tells the owner about capacity and the end, frees a dead session.
  func settle() {
    guard depth == 0 else { return }
    if !closed.isEmpty { closed.removeAll(keepingCapacity: true) }
    if hasNativeRun, closing == nil, !isTerminated, let session {
      hasNativeRun = false
      if nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0 { closing = .finished }
    }
    if let closing, !isCloseReported {
      isCloseReported = true
      hasCapacityChanged = false
      abortAll(Self.streamReason(closing))
      if role == .client, !isTerminated { owner.codecDidChangeCapacity() }
      if !isTerminated { owner.codecWantsClose(closing) }
    } else if hasCapacityChanged {
      hasCapacityChanged = false
      if role == .client, !isTerminated { owner.codecDidChangeCapacity() }
    }
    if isTerminated, let session, depth == 0 {
      self.session = nil
      found = nil
      nghttp2_session_del(session)
      sendQueue = StreamQueue()
      table?.removeAll()
      for stream in live { stream.carrier = nil }
      live = []
      liveCount = 0
      pending = []
      block = nil
    }
  }

  /// What the streams of a connection that closes for `reason` are told.
  private static func streamReason(_ reason: CodecClose) -> StreamReset {
    switch reason {
    case .finished, .peerGone, .truncated, .timedOut: .peerGone
    case .protocolError: .protocolError
    case .attack: .enhanceYourCalm
    }
  }

  private func submitSettings() {
    guard let session else { return }
    var entries = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(clamping: settings.initialWindowSize)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
        value: UInt32(clamping: settings.maxHeaderListSize)),
    ]
    switch role {
    case .server:
      entries.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
          value: UInt32(clamping: settings.maxConcurrentStreams)))
      // Streams are served in turn (`sendQueue`), and not by the tree of priorities that RFC 9113 gave up.
      entries.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES.rawValue), value: 1))
    case .client:
      entries.append(
        nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
    }
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    nghttp2_session_set_local_window_size(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(clamping: settings.connectionWindowSize))
    nativeNeedsFlush()
  }
}
