import CPrefetch
import TideCoding
import TideConfig
import TideCore
import TideDialects
import TideHTTP
import TideIO
import TidePolicy
import TideTelemetry

/// One request and its response, over all attempts: consumer of its downstream stream and of one upstream stream at a time.
///
/// Owned by one worker. It lives from the request's head until its downstream stream is closed; the upstream stream may outlive that
/// by the moment it takes to read its end. What it does in each phase lies in the extensions, in the order of an exchange's life:
/// `+Request`, `+Routing`, `+Upstream`, `+Response`, `+Answer`, `+Settlement`; `+Waiting` is what policies make it wait for, and
/// `+Decoding` what is done where a body comes coded.
final class Exchange: StreamConsumer, TimerTarget, PoolWaiter {
  enum Phase: UInt8 {
    /// The request's body is being collected.
    case receiving
    /// Waiting for a connection to an endpoint.
    case connecting
    /// The request is on its way; no response head yet.
    case awaitingHead
    /// The response is being relayed or collected.
    case responding
    /// A policy's hook waits, or a retry for its time; what arrives meanwhile is kept, and its credit with it.
    case waiting
    /// Everything for the client has been handed to its stream.
    case answered
    /// Logged and counted; nothing happens any more.
    case settled
  }

  /// What is done with an upstream's response body.
  enum Body {
    case none
    /// Server-sent events, through the lanes where policies ask for them.
    case events(AnswerStream)
    /// Collected whole, because policies must see it whole.
    case whole
    /// Relayed byte for byte; up to `teeLimit` bytes are kept to read the usage from.
    case relay(tee: Bool)
  }

  /// What a token touches: bytes of the downstream stream's output, and of its carrier.
  private static let tokenByteCount = 256
  private static let carrierByteCount = 192
  /// A plain relayed answer is looked into for its usage up to this size.
  static let teeLimit = 256 * 1024
  /// Memory set aside for a body that is announced; more only as it comes, for an announcement costs its sender nothing.
  static let reservedBodyLimit = 64 * 1024
  /// Upstream credit is returned in steps of this many bytes, to keep window updates rare.
  static let creditStep = 16 * 1024
  /// Attempts after the first (architecture, "Retries").
  static let retryLimit = 2
  /// The same, when policies ask for more of them.
  static let policyRetryLimit = 4

  // What each token touches, together in memory (`bodyIsNear`)
  let worker: GatewayWorker
  let downstream: HTTPStream
  var upstream: HTTPStream?
  /// The worker's, which outlives this exchange.
  let metricsPlace: Unmanaged<WorkerMetrics>
  var body = Body.none {
    didSet { if case .events(let stream) = body { answerPlace = AnswerPlace(stream) } else { answerPlace = nil } }
  }
  private(set) var answerPlace: AnswerPlace?
  private let downstreamPlace: Unmanaged<HTTPStream>
  var phase = Phase.receiving
  /// Keeps tool calls back until policies have judged them; nil where none does, and for answers that are not streamed.
  var tools: ToolGate?
  /// The text side of the policies; nil when none of them asks for text.
  var lanes: PolicyLaneProcessor? {
    didSet { lanesPlace = lanes.map { .passUnretained($0) } }
  }
  private var lanesPlace: Unmanaged<PolicyLaneProcessor>?
  /// Stands between this exchange and its streams while an answer is decoded; nil for nearly every answer.
  var decoder: AnswerDecoder?
  /// Fires when text that policies hold may wait no longer.
  var holdTimer: TimerToken?
  /// The last sign of life of whoever is expected to act next.
  var lastActivity: MonotonicTime
  var lastTokenAt = MonotonicTime.zero
  var tokensOut = 0
  var deliveredByteCount: UInt64 = 0

  let generation: WorkerGeneration
  let context: ExchangeContext
  let run: PolicyRun
  let path: CanonicalPath
  let kind: RequestKind
  /// What the client speaks, and so the engine: nothing is translated.
  let dialect: Dialect
  let startedAt: MonotonicTime

  /// What `on_auth` answered before the body had come.
  var pendingAnswer: PolicyAnswer?
  /// A policy that judges a tool call of the stream waits.
  var isJudgingTool = false
  /// What `on_tool_call` decided on the call in hand, while something else still waits.
  var toolOutcome: PolicyOutcome?
  /// How the answer ends once what the tools have let go has gone, which may have to wait.
  var toolCut: (cut: LaneCut, choice: Int32)?
  /// Where the worker keeps this exchange in its list.
  var position = 0
  /// The route's index in the generation's table.
  var route = 0

  // Downstream
  var isRequestComplete = false
  /// As it came while it is collected; plain once it is whole.
  var requestBody: [UInt8] = []
  /// Of a body that has one and is read; nil once it is undone.
  var requestCoding: ContentCoding?
  /// Bytes of such a body as they came, once it is whole.
  var codedRequestSize = 0
  /// A relayed request body that waits for its upstream stream; only for requests that are not parsed.
  var pendingUpload = ByteQueue()
  /// Whether part of a relayed request body has been handed to an endpoint.
  var isUploadStarted = false
  /// The status the client got; 0 until a head was sent.
  var status = 0

  // Upstream
  var pool: EndpointPool?
  /// The endpoint of the latest attempt, for the log.
  var endpointName = ""
  var targets: [ModelTable.Target] = []
  var targetIndex = 0
  var tried: [EndpointPool] = []
  var attempts = 0
  var upstreamHead: ResponseHead?
  /// The answer so far, when it is collected or teed.
  var assembly: [UInt8] = []
  /// All of the answer's body has come, and if it was coded, been decoded.
  var isUpstreamComplete = false
  /// Whether the client asked for the usage event itself.
  var clientWantsUsage = false

  // Waiting for a policy
  /// What the upstream sent meanwhile, and how its stream ended if it did.
  var held = ByteQueue()
  var heldReset: StreamReset?
  /// Armed while a retry waits for its time.
  var retryTimer: PolicyTimers.Token?

  // Time
  var timer: TimerToken?
  var firstByteAt = MonotonicTime.zero

  /// The instant for which `timer` is armed.
  var armedDeadline = MonotonicTime.zero
  /// Of the current target's cluster.
  var timeouts = TimeoutsConfiguration()

  // For the books
  var outcome = ExchangeOutcome.complete
  /// What the gateway itself did on a policy's word.
  var verdict = ""
  var usage: TokenUsage?

  init(
    worker: GatewayWorker, generation: WorkerGeneration, path: CanonicalPath, kind: RequestKind, route: Int,
    stream: HTTPStream, context: ExchangeContext
  ) {
    self.worker = worker
    metricsPlace = .passUnretained(worker.metrics)
    self.generation = generation
    self.path = path
    self.route = route
    self.context = context
    self.kind = kind
    dialect = Dialect(path: path.path, headers: context.request.headers)
    downstream = stream
    downstreamPlace = .passUnretained(stream)
    startedAt = worker.io.now
    lastActivity = worker.io.now
    context.deadline = startedAt.advanced(byMs: timeouts.totalMs)
    run = PolicyRun(worker: generation.policies, context: context)
  }

  var configuration: GatewayConfiguration { generation.generation.configuration }
  var routeConfiguration: RouteConfiguration { generation.generation.routes.routes[route] }
  var isHeadSent: Bool { status != 0 }

  // MARK: Stream events

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    guard stream === upstream, !isInterim, phase == .awaitingHead else { return }
    upstreamDidSendHead(head)
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    if stream === downstream {
      downstreamDidSend(bytes)
    } else if stream === upstream {
      upstreamDidSend(bytes)
    }
  }

  override func bodyIsNear(_ distance: BodyDistance) {
    switch distance {
    case .soon:
      cprefetch(downstreamPlace.toOpaque(), HTTPStream.byteCount)
    case .next:
      downstreamPlace._withUnsafeGuaranteedRef {
        cprefetch($0.output.writingPosition, Self.tokenByteCount)
        cprefetch($0.carrier?.toOpaque(), Self.carrierByteCount)
      }
    }
    answerPlace?.prefetch(distance, hasLanes: lanesPlace != nil)
    if let lanesPlace { PolicyLaneProcessor.prefetch(lanesPlace, distance) }
  }

  override func streamEnd(_ stream: HTTPStream, trailers: HeaderList?) {
    if stream === downstream {
      downstreamDidEnd()
    } else if stream === upstream {
      upstreamDidEnd()
    }
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    if stream === downstream {
      clientLeft(reason)
    } else if stream === upstream {
      upstreamDidReset(reason)
    }
  }

  override func streamTaken(_ stream: HTTPStream, byteCount: Int) {
    if stream === downstream {
      deliveredByteCount &+= UInt64(byteCount)
      if let upstream, upstream.unreturnedCredit >= Self.creditStep { returnUpstreamCredit() }
    } else if stream === upstream, downstream.unreturnedCredit > 0, pendingUpload.isEmpty, stream.output.isEmpty {
      downstream.returnCredit(downstream.unreturnedCredit)
    }
  }

  override func streamClosed(_ stream: HTTPStream) {
    if stream === downstream {
      settle()
    } else if stream === upstream {
      releaseUpstream()
    }
  }

  // MARK: Time

  /// One timer serves every deadline: it fires at the nearest that was known when it was armed and looks again.
  func armTimer() {
    guard timer == nil, phase != .settled else { return }
    armedDeadline = nextDeadline
    timer = worker.io.timers.schedule(at: armedDeadline, target: self, kind: 0)
  }

  /// After a change that may have brought the deadline nearer. One that went further away is seen when the timer fires.
  func rearmTimer() {
    if let timer {
      if nextDeadline >= armedDeadline { return }
      worker.io.timers.cancel(timer)
      self.timer = nil
    }
    armTimer()
  }

  private var nextDeadline: MonotonicTime {
    let silence = lastActivity.advanced(byMs: silenceLimitMs)
    // Nothing is waited for any more but the client; a deadline in the past would fire in each turn.
    if phase == .answered { return silence }
    return min(startedAt.advanced(byMs: timeouts.totalMs), silence)
  }

  /// Whether the time for the whole exchange is over.
  var isOverdue: Bool { worker.io.now >= startedAt.advanced(byMs: timeouts.totalMs) }

  /// How long the side that must act next may be silent.
  private var silenceLimitMs: Int {
    switch phase {
    case .receiving: return GatewayWorker.requestBodySilenceMs
    case .connecting: return timeouts.connectMs + GatewayWorker.poolWaitMarginMs
    case .awaitingHead: return timeouts.firstByteMs
    case .responding: return firstByteAt == .zero ? timeouts.firstByteMs : timeouts.idleMs
    // Hooks have budgets of their own; only the limit of the whole exchange counts.
    case .waiting: return timeouts.totalMs
    case .answered, .settled: return GatewayWorker.upstreamTailMs
    }
  }

  func timerFired(kind: UInt8, now: MonotonicTime) {
    if kind == Self.holdTimerKind { return holdIsOver() }
    timer = nil
    if now < nextDeadline {
      armTimer()
      return
    }
    switch phase {
    case .receiving: fail(.requestTimedOut)
    case .connecting:
      if isOverdue {
        fail(.upstreamTimedOut)
      } else {
        attemptFailed(pool?.isBusy == true ? .upstreamBusy : .connectTimedOut)
      }
    case .awaitingHead, .responding: upstreamTimedOut()
    case .waiting: fail(.policyTimedOut)
    case .answered:
      // The answer is whole; an upstream that does not end its stream is told to.
      upstream?.reset(.cancelled)
      releaseUpstream()
      if downstream.carrier != nil { armTimerAfterAnswer() }
    case .settled: break
    }
  }

  private func armTimerAfterAnswer() {
    // The stall rule of the codec ends a client that does not read; this exchange only waits for it.
    lastActivity = worker.io.now
    armTimer()
  }
}
