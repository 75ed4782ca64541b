import TideCore
import TideDialects
import TidePolicy

/// Tool calls on their way past the policies that judge them: first `on_tool_call`, then the lanes of their arguments.
extension Exchange {
  /// Whether an active policy judges tool calls, or sees their arguments.
  var judgesTools: Bool { kind == .chat && (run.has(.onToolCall) || lanes?.seesToolArguments == true) }

  /// What the lanes make of a call.
  private enum ArgumentsOutcome {
    case decided(ToolDecision)
    case cut(LaneCut)
    /// A hook waits: the call is judged again, and what was decided stays so.
    case waiting
    case failed(StreamFailure)
  }

  /// Runs the arguments of a call through the lanes, as `on_tool_call` has left them.
  private func judgeArguments(_ call: ToolCall, _ decision: ToolDecision) -> ArgumentsOutcome {
    guard let lanes, lanes.seesToolArguments else { return .decided(decision) }
    var call = call
    switch decision {
    case .deny: return .decided(decision)
    case .replace(let name, let arguments): (call.name, call.arguments) = (name, arguments)
    case .pass: break
    }
    // Budgets count arguments as they leave.
    if lanes.mayWait { lanes.eventBegins(byteCount: 0) }
    let outcome = ToolArguments.run(call, lanes, worker.dialectScratch)
    if lanes.isWaiting { return .waiting }
    if lanes.mayWait { lanes.eventEnded() }
    return switch outcome {
    case .unchanged: .decided(decision)
    case .changed(let arguments): .decided(.replace(name: call.name, arguments: arguments))
    case .cut: .cut(lanes.cut)
    case .failed: .failed(.policy)
    case .malformed: .failed(.badArguments)
    }
  }

  // MARK: Streams

  /// Judges the calls that are whole, one after another, each once what came before it has gone.
  func judgeTools(_ tools: ToolGate, of stream: AnswerStream) {
    while true {
      handOn(tools, to: stream)
      if phase == .responding, let ending = toolCut {
        toolCut = nil
        return follow(stream.cut(ending.cut, choice: ending.choice, into: &downstream.output), of: stream)
      }
      guard phase == .responding, !isJudgingTool, let call = tools.call else { return }
      let outcome = toolOutcome ?? run.runToolCall(call)
      toolOutcome = nil
      guard outcome == .waiting else {
        accept(outcome, call, tools, of: stream)
        continue
      }
      isJudgingTool = true
      run.onDecision = { [unowned self] decided in
        isJudgingTool = false
        toolOutcome = decided
        lastActivity = worker.io.now
        // While a lane's hook waits, what was decided is taken up behind it.
        guard phase == .responding else { return }
        judgeTools(tools, of: stream)
        if let decoder { return decoder.goOn() }
        if phase == .responding, isUpstreamComplete, tools.call == nil { upstreamBodyIsWhole() }
      }
    }
  }

  /// Does what `on_tool_call` decided on a call, or what the lanes of its arguments say.
  private func accept(_ outcome: PolicyOutcome, _ call: ToolCall, _ tools: ToolGate, of stream: AnswerStream) {
    guard case .tool(let decision) = outcome else {
      return end(LaneCut(finishReason: "content_filter"), at: call, tools)
    }
    switch judgeArguments(call, decision) {
    case .decided(let decision): tools.decide(decision)
    case .cut(let cut): end(cut, at: call, tools)
    case .waiting:
      toolOutcome = outcome
      // What is taken up after a wait are the tools as well.
      hold {}
    case .failed(let failure): streamFailed(stream, failure)
    }
  }

  /// Ends the answer at a call, which the client does not get, once the calls before it have gone.
  private func end(_ cut: LaneCut, at call: ToolCall, _ tools: ToolGate) {
    tools.endEarly()
    toolCut = (cut, call.choice)
  }

  private func handOn(_ tools: ToolGate, to stream: AnswerStream) {
    guard phase == .responding else { return }
    if !tools.output.isEmpty {
      // Nothing comes to the tools while their bytes pass.
      pass(tools.output.readableBytes, to: stream)
      tools.output.removeAll()
    } else if !isJudgingTool, let upstream, upstream.unreturnedCredit >= Self.creditStep {
      // A call that is being judged keeps the credit: its upstream pauses.
      returnUpstreamCredit()
    }
    if phase == .responding, let failure = tools.failure { streamFailed(stream, failure) }
  }

  /// Whether nothing of a stream whose upstream has ended is left to be judged.
  func toolsAreJudged(_ tools: ToolGate, of stream: AnswerStream) -> Bool {
    tools.receiveEnd()
    judgeTools(tools, of: stream)
    return phase == .responding && tools.call == nil
  }

  // MARK: Whole answers

  func judgeToolsOfBody() {
    guard let body = ToolBody(assembly, dialect) else { return fail(.upstreamMalformed) }
    judgeTools(of: body, [])
  }

  /// Judges the first call that nothing was decided about, and those behind it.
  func judgeTools(of body: ToolBody, _ decisions: [ToolDecision]) {
    guard decisions.count < body.calls.count else {
      assembly = body.body(decisions)
      return judgeWholeBody()
    }
    follow(run.runToolCall(body.calls[decisions.count]), .tool(body, decisions))
  }

  /// Goes on with a call that `on_tool_call` has decided on.
  func judgeArguments(of body: ToolBody, _ decisions: [ToolDecision], _ made: ToolDecision) {
    switch judgeArguments(body.calls[decisions.count], made) {
    case .decided(let decision): judgeTools(of: body, decisions + [decision])
    case .cut(let cut): end(cut, of: body, decisions)
    case .waiting: hold { [unowned self] in judgeArguments(of: body, decisions, made) }
    case .failed(let failure): fail(failure == .policy ? .policyFailed : .badArguments)
    }
  }

  /// Ends the answer at the call in hand, which the client does not get.
  func end(_ cut: LaneCut, of body: ToolBody, _ decisions: [ToolDecision]) {
    guard let beginning = body.beginning(decisions) else { return fail(.upstreamMalformed) }
    assembly = beginning
    judgeWholeBody(endingWith: (cut, body.calls[decisions.count].choice))
  }
}
