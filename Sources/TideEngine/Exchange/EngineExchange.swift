import CPrefetch
import Glibc
import TideCore
import TideDialects

/// One request to the engine and its answer: the consumer of its stream.
///
/// Collects the body, decides (`EngineExchange+Deciding`), and then answers at once or token by token on the worker's beats
/// (`EngineExchange+Streaming`). Owned by its stream, and by the worker's wheel while it has beats to come.
final class EngineExchange: StreamConsumer {
  /// What this side still has to do.
  enum Phase: UInt8 {
    /// The body is arriving.
    case reading
    /// The head waits for its beat.
    case delayed
    /// Tokens go out on beats.
    case streaming
    /// Output is full: beats go on when the connection has taken some.
    case paused
    /// The stream is reset once all output is taken.
    case dying
    /// Nothing more will come from here, though the stream stays open.
    case silent
    /// Everything is in `output`.
    case ended
    /// The stream is gone.
    case over
  }

  /// Past this, tokens wait (the relay limit of one stream).
  static let outputLimit = 64 << 10
  static let resumeLevel = 32 << 10
  private static let noMember: Int32 = -1

  unowned(unsafe) let owner: EngineWorker
  private(set) var stream: HTTPStream? {
    didSet { streamPlace = stream.map { .passUnretained($0) } }
  }
  /// `stream`, for beats: each would otherwise count two references to it. Its connection holds it as well.
  private(set) var streamPlace: Unmanaged<HTTPStream>?
  let head: RequestHead
  let isHTTP2: Bool
  /// What the request is written in, and so the answer and its errors.
  let dialect: Dialect
  var body: [UInt8] = []
  var phase = Phase.reading
  /// Counted in the ledger: requests to the API, not to `/engine`.
  var isCounted = false
  private var isTooLarge = false

  // The answer, from `decide` on.
  var request: EngineRequest?
  var plan: AnswerPlan? {
    didSet { planPlace = plan.map { .passUnretained($0) } }
  }
  /// `plan`, for beats as well.
  private(set) var planPlace: Unmanaged<AnswerPlan>?
  var faults = EngineFaults()
  var template: ChunkTemplate? {
    didSet { templatePlace = template.map { .passUnretained($0) } }
  }
  private(set) var templatePlace: Unmanaged<ChunkTemplate>?
  /// In place of the template for the dialects whose events have names.
  var events: EventAnswer?
  var key = ChunkKey(id: 0, created: 0)
  var position = 0
  var choiceCount = 1
  var intervalNs: UInt64 = 0
  var nextDue = MonotonicTime.zero
  var tellsDue = false
  var hasUsageField = false

  private var member = noMember
  private var isScheduled = false

  init(_ head: RequestHead, on stream: HTTPStream, of owner: EngineWorker, isHTTP2: Bool) {
    self.head = head
    self.stream = stream
    streamPlace = .passUnretained(stream)
    self.owner = owner
    self.isHTTP2 = isHTTP2
    dialect = Self.dialect(of: head)
    super.init()
    if let length = head.contentLength, length <= owner.settings.bodyBytes { body.reserveCapacity(length) }
  }

  // MARK: Stream events

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    if body.count &+ bytes.count <= owner.settings.bodyBytes {
      body.append(contentsOf: bytes)
    } else {
      isTooLarge = true
    }
    stream.returnCredit(bytes.count)
  }

  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
    guard phase == .reading else { return }
    if isTooLarge {
      refuse(413, "The request is too large.")
    } else {
      decide()
    }
  }

  override func streamTaken(_ stream: HTTPStream, byteCount: Int) {
    switch phase {
    case .paused:
      guard stream.output.byteCount <= Self.resumeLevel else { return }
      phase = .streaming
      advance(owner.worker.now)
    case .dying:
      guard stream.output.isEmpty else { return }
      breakOff()
    case .reading, .delayed, .streaming, .silent, .ended, .over: return
    }
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) { finish { $0.cancelled += 1 } }

  override func streamClosed(_ stream: HTTPStream) { finish { $0.completed += 1 } }

  // MARK: Beats

  /// The worker's wheel says that the next beat is due.
  func beat(_ now: MonotonicTime) {
    isScheduled = false
    switch phase {
    case .delayed:
      begin(now)
    case .streaming:
      advance(now)
    case .over:
      leaveWheel()
    case .reading, .paused, .dying, .silent, .ended: return
    }
  }

  /// Asks for a beat when the next token, or the delayed head, is due.
  func scheduleBeat() {
    if member == Self.noMember { member = owner.join(self) }
    isScheduled = true
    owner.schedule(member, at: nextDue)
  }

  // MARK: What is fetched before the beat

  /// Of an exchange and of its plan, from their beginning, what a beat reads and writes; and what a token takes of a queue.
  static let beatBytes = 384
  private static let planBytes = 64
  private static let tokenBytes = 256

  @inline(__always)
  func fetchStream() {
    cprefetch(streamPlace?.toOpaque(), HTTPStream.byteCount)
    cprefetch(planPlace?.toOpaque(), Self.planBytes)
  }

  @inline(__always)
  func fetchOutput() {
    streamPlace?._withUnsafeGuaranteedRef {
      cprefetch($0.output.writingPosition, Self.tokenBytes)
    }
  }

  // MARK: Endings

  /// Sends a whole answer.
  func answer(_ status: Int, _ body: ByteQueueBox, retryAfter: Int = -1) {
    guard let stream else { return }
    var headers = HeaderList()
    headers.append("content-type", "application/json")
    if retryAfter >= 0 { headers.append("retry-after", String(retryAfter)) }
    let count = body.bytes.byteCount
    stream.send(ResponseHead(status: status, headers: headers, contentLength: count), endStream: false)
    body.bytes.withBytes { stream.output.append($0) }
    phase = .ended
    stream.end()
  }

  /// Ends the stream with a reset, or its connection when that is all HTTP/1.1 knows.
  func breakOff() {
    guard let stream else { return }
    finish { $0.broken += 1 }
    stream.reset(.internalError)
  }

  private func finish(_ count: (inout EngineLedger.Counts) -> Void) {
    guard phase != .over else { return }
    phase = .over
    stream = nil
    if isCounted {
      owner.ledger.change {
        $0.active -= 1
        $0.tokens += position * choiceCount
        count(&$0)
      }
    }
    // A beat to come finds the exchange over and lets go of it then.
    if !isScheduled { leaveWheel() }
  }

  private func leaveWheel() {
    guard member != Self.noMember else { return }
    let number = member
    member = Self.noMember
    owner.leave(number)
  }
}
