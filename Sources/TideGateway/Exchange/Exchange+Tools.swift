import TideCore
import TideDialects
import TidePolicy

/// Tool calls on their way past the policies that judge them.
extension Exchange {
  /// Whether an active policy judges tool calls.
  var judgesTools: Bool { kind == .chat && run.has(.onToolCall) }

  // MARK: Streams

  /// Judges the calls that are whole, and hands on what may go.
  func judgeTools(_ tools: ToolGate, of stream: AnswerStream) {
    while !isJudgingTool, let call = tools.call {
      let outcome = run.runToolCall(call)
      guard outcome == .waiting else {
        guard accept(outcome, tools, of: stream) else { return }
        continue
      }
      isJudgingTool = true
      run.onDecision = { [unowned self] decided in
        isJudgingTool = false
        lastActivity = worker.io.now
        guard accept(decided, tools, of: stream) else { return }
        // While a lane's hook waits, what was decided leaves behind it.
        guard phase == .responding else { return }
        judgeTools(tools, of: stream)
        if phase == .responding, isUpstreamComplete, tools.call == nil { upstreamBodyIsWhole() }
      }
    }
    handOn(tools, to: stream)
  }

  /// - Returns: false when the answer ended with it.
  private func accept(_ outcome: PolicyOutcome, _ tools: ToolGate, of stream: AnswerStream) -> Bool {
    if case .tool(let decision) = outcome {
      tools.decide(decision)
      return true
    }
    stream.cut(LaneCut(finishReason: "content_filter"), into: &downstream.output)
    follow(.cut, of: stream)
    return false
  }

  private func handOn(_ tools: ToolGate, to stream: AnswerStream) {
    guard phase == .responding else { return }
    if !tools.output.isEmpty {
      var passed = ByteQueue()
      swap(&passed, &tools.output)
      pass(passed.readableBytes, to: stream)
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
}
