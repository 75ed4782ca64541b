import TideCore
import TideDialects
import TidePolicy

/// What policies make an exchange wait for, and how it goes on.
extension Exchange {
  /// What follows when the policies of a phase do not object.
  enum Step {
    case head
    case route
    case request
    case unparsed
    /// The attempt brought no response: the failure, and whether the gateway's own rules try again.
    case attempt(LocalFailure, Bool)
    case response
    /// A tool call of a whole answer, and what was decided about those before it.
    case tool(ToolBody, [ToolDecision])
    /// The whole answer as it is to go out.
    case body([UInt8])
    /// A policy's own answer, in an upstream's place.
    case answer(PolicyAnswer)
  }

  /// Acts on what a phase of policies decided; where a hook waits, as soon as it has ended.
  func follow(_ decision: PolicyOutcome, _ step: Step) {
    guard case .waiting = decision else { return act(on: decision, step) }
    let interrupted = phase
    phase = .waiting
    rearmTimer()
    run.onDecision = { [unowned self] decided in
      guard phase == .waiting else { return }
      phase = interrupted
      lastActivity = worker.io.now
      rearmTimer()
      act(on: decided, step)
      takeUpHeld()
    }
  }

  private func act(on decision: PolicyOutcome, _ step: Step) {
    // Tokens that were reserved are counted on the lanes.
    if case .request = step, kind == .chat {
      if lanes == nil { lanes = run.lanes }
      lanes?.requestIsDecided(expectsAnswer: decision == .proceed)
    }
    switch (decision, step) {
    case (.tool(let made), .tool(let body, let decisions)): judgeArguments(of: body, decisions, made)
    case (.failed(.cut), .tool(let body, let decisions)):
      end(LaneCut(finishReason: "content_filter"), of: body, decisions)
    case (.proceed, _), (.identity, _): proceed(step)
    case (.retry(let plan), _): retry(plan, step)
    // There is no stream to cut: what was to be cut is not given out at all.
    case (.cut, .body): finish(with: .deny(Self.withheld))
    // What the client asked for, and which policies see the answer, is known with the body.
    case (.respond(let answer), .head) where kind.readsBody:
      pendingAnswer = answer
      proceed(step)
    case (.respond(let answer), .route):
      pendingAnswer = answer
      proceed(step)
    // The hooks that see the beginning of an answer have seen this one's.
    case (.respond(let answer), .response) where upstreamHead.map { $0.status < 400 } ?? false,
      (.respond(let answer), .answer):
      abandonUpstream()
      verdict = "respond"
      respond(answer)
    default:
      // Whatever ends the chain here makes the upstream's answer useless.
      abandonUpstream()
      finish(with: decision)
    }
  }

  private func proceed(_ step: Step) {
    switch step {
    case .head: headIsJudged()
    case .route: routeIsFixed()
    case .request: chooseTargets()
    case .unparsed: relayUnparsed()
    case .attempt(let failure, let willRetry): repeatOrFail(failure, willRetry)
    case .response: responseBegins()
    case .tool(let body, let decisions): judgeArguments(of: body, decisions, .pass)
    case .body(let bytes): sendWholeBody(bytes)
    case .answer(let answer): respond(answer)
    }
  }

  /// Hands on what came while the hook waited.
  private func takeUpHeld() {
    if phase == .receiving, kind.readsBody {
      downstream.returnCredit(downstream.unreturnedCredit)
      if isRequestComplete { requestIsWhole() }
      return
    }
    if phase == .responding, let tools, case .events(let stream) = body { judgeTools(tools, of: stream) }
    guard phase == .responding else { return }
    if let decoder { return decoder.goOn() }
    if !held.isEmpty {
      let bytes = Array(held.readableBytes)
      held = ByteQueue()
      bytes.withUnsafeBytes { upstreamDidSend($0) }
    }
    if phase == .responding, isUpstreamComplete { return upstreamBodyIsWhole() }
    if phase == .responding, heldReset != nil { upstreamDied(.truncated) }
  }

  private static let withheld = Denial(
    status: 403, code: "content_filter", message: "A policy withheld the answer.")

  // MARK: Answers

  /// A hook of the stream waits: what it was given stays with it, and what comes stays here.
  func holdAnswer(_ stream: AnswerStream) {
    if !downstream.output.isEmpty { downstream.outputChanged() }
    hold { [unowned self] in
      let before = stream.contentEventCount
      let progress = stream.resume(into: &downstream.output)
      noteTokens(stream.contentEventCount &- before)
      follow(progress, of: stream)
    }
  }

  /// Keeps what comes until the hook of a lane has decided: what it was asked about is then judged again, and what was decided stays so.
  func hold(_ goOn: @escaping () -> Void) {
    phase = .waiting
    rearmTimer()
    lanes?.onReady = { [unowned self] in
      guard phase == .waiting else { return }
      phase = .responding
      lastActivity = worker.io.now
      rearmTimer()
      goOn()
      takeUpHeld()
    }
  }

  /// Nobody waits any more: what would have followed is forgotten.
  func stopWaiting() {
    run.abandon()
    lanes?.abandon()
    if let retryTimer { worker.policyTimers.cancel(retryTimer) }
    retryTimer = nil
    held = ByteQueue()
  }

  // MARK: Another attempt

  /// Tries again as a policy asks, if another attempt is left; else the attempt's end stands.
  private func retry(_ plan: RetryPlan, _ step: Step) {
    // There is no other attempt to make at what a policy answered.
    if case .answer = step { return fail(.retriesExhausted) }
    guard attempts <= Self.policyRetryLimit, canReplay else {
      if case .response = step, let upstreamHead, upstreamHead.status < 400 {
        abandonUpstream()
        return fail(.retriesExhausted)
      }
      return proceed(step)
    }
    if let chosen = plan.targets {
      let known = resolve(chosen)
      let resolved = known.filter { speaksDialect($0.cluster) }
      guard !resolved.isEmpty else {
        abandonUpstream()
        return fail(known.isEmpty ? .noSuchTarget : .noUpstream)
      }
      targets = resolved
      targetIndex = 0
      tried = []
    } else {
      if let pool { tried.append(pool) }
      targetIndex = 0
      let isLeft = targets.indices.contains { Balancer.pick(pools(at: $0), tried: tried) != nil }
      if !isLeft { tried = [] }
    }
    abandonUpstream()
    forgetAttempt()
    guard plan.delayMs > 0 else { return startAttempt() }
    phase = .waiting
    rearmTimer()
    retryTimer = worker.policyTimers.after(plan.delayMs) { [unowned self] in
      retryTimer = nil
      startAttempt()
    }
  }

  private func forgetAttempt() {
    body = .none
    upstreamHead = nil
    context.response = nil
    assembly = []
    held = ByteQueue()
    heldReset = nil
    isUpstreamComplete = false
    firstByteAt = .zero
    outcome = .complete
  }
}
