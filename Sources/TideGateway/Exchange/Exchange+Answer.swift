import TideCoding
import TideCore
import TideDialects
import TidePolicy
import TideTelemetry

/// Answers that the gateway or a policy makes, in the client's dialect.
extension Exchange {
  /// Ends the exchange with an error of the gateway's own. Before the head it is a response; after it, the dialect's error event.
  func fail(_ failure: LocalFailure) {
    guard phase.rawValue < Phase.answered.rawValue else { return }
    if phase == .waiting { stopWaiting() }
    abandonUpstream()
    if isHeadSent {
      upstreamDied(failure.outcome == .timedOut ? .timedOut : failure.outcome == .drainKilled ? .drained : .truncated)
      return
    }
    outcome = failure.outcome
    var headers = HeaderList()
    if let seconds = failure.retryAfterSeconds { headers.append("retry-after", String(seconds)) }
    // Which codings would do (RFC 9110, section 12.5.3).
    if failure.status == 415 { headers.append("accept-encoding", ContentCoding.list) }
    answer(
      failure.status, headers,
      ErrorShape.body(
        dialect, status: failure.status, message: failure.message, code: failure.code, requestID: context.id))
  }

  func fail(_ problem: RequestProblem) {
    outcome = .rejected
    abandonUpstream()
    guard phase.rawValue < Phase.answered.rawValue, !isHeadSent else { return }
    answer(
      problem.status, HeaderList(),
      ErrorShape.body(
        dialect, status: problem.status, message: problem.message, param: problem.param, code: problem.code,
        requestID: context.id))
  }

  /// Acts on what a policy said where it may end the chain.
  func finish(with policyOutcome: PolicyOutcome) {
    switch policyOutcome {
    case .proceed, .identity, .waiting, .cut, .retry, .tool: break
    case .deny(let denial):
      outcome = .denied
      verdict = "deny"
      var headers = HeaderList()
      for (name, value) in denial.headers { headers.set(name, value) }
      if let retryAfterMs = denial.retryAfterMs {
        headers.set("retry-after", String(max(1, (retryAfterMs + 999) / 1000)))
        headers.set("retry-after-ms", String(max(1, retryAfterMs)))
      }
      answer(
        denial.status, headers,
        ErrorShape.body(
          dialect, status: denial.status, message: denial.message, type: denial.type.isEmpty ? nil : denial.type,
          code: denial.code.isEmpty ? nil : denial.code, requestID: context.id))
    case .respond(let policyAnswer):
      verdict = "respond"
      context.response = ExchangeContext.Response(status: 200, source: .policy)
      follow(run.runResponseStart(), .answer(policyAnswer))
    case .failed:
      verdict = "error"
      fail(.policyFailed)
    }
  }

  /// A policy's own answer: it passes the lanes like an upstream's.
  func respond(_ policyAnswer: PolicyAnswer) {
    context.response = ExchangeContext.Response(status: 200, source: .policy)
    firstByteAt = worker.io.now
    if let json = policyAnswer.json {
      var headers = HeaderList()
      headers.append("content-type", "application/json")
      answer(200, headers, Array(json.utf8))
      return
    }
    let answer = ChatAnswer(
      text: policyAnswer.text ?? "",
      toolCalls: policyAnswer.toolCallsJSON.flatMap { ChatAnswer.toolCalls(json: $0) } ?? [],
      finishReason: policyAnswer.finish, usage: usage(of: policyAnswer),
      id: Self.answerPrefix(dialect) + context.id,
      model: context.model ?? "", created: worker.wallSeconds, choiceCount: context.chat?.n ?? 1)
    phase = .responding
    if context.isStreaming {
      let stream = AnswerStream(dialect, options: streamOptions())
      body = .events(stream)
      if judgesTools { tools = ToolGate.make(dialect, scratch: worker.dialectScratch) }
      var events = ByteQueue()
      answer.writeStream(dialect, includeUsage: clientWantsUsage, into: &events)
      var headers = HeaderList()
      headers.append("content-type", "text/event-stream; charset=utf-8")
      headers.append("cache-control", "no-cache")
      headers.append("x-accel-buffering", "no")
      sendHead(200, headers, contentLength: nil)
      upstreamDidSend(events.readableBytes)
      isUpstreamComplete = true
      if phase == .responding { upstreamBodyIsWhole() }
    } else {
      var whole = ByteQueue()
      answer.writeBody(dialect, into: &whole)
      let headers = HeaderList([("content-type", "application/json")])
      isUpstreamComplete = true
      if lanes != nil || judgesTools {
        assembly = Array(whole.readableBytes)
        upstreamHead = ResponseHead(status: 200, headers: headers)
        body = .whole
        upstreamBodyIsWhole()
      } else {
        self.answer(200, headers, Array(whole.readableBytes))
      }
    }
  }

  /// How the provider's identifiers of answers begin.
  private static func answerPrefix(_ dialect: Dialect) -> String {
    switch dialect {
    case .openAI: "chatcmpl-"
    case .responses: "resp_"
    case .anthropic: "msg_"
    }
  }

  /// What the policy says its answer cost; nil when it does not say.
  private func usage(of answer: PolicyAnswer) -> TokenUsage? {
    guard answer.inputTokens != nil || answer.outputTokens != nil else { return nil }
    return TokenUsage(prompt: answer.inputTokens ?? 0, completion: answer.outputTokens ?? 0)
  }

  /// `/v1/models` and `/v1/models/{id}`, from the configuration.
  func answerModels() {
    let listed = generation.generation.models.listed
    let headers = HeaderList([("content-type", "application/json")])
    if path.path == "/v1/models" {
      answer(200, headers, ModelList.list(listed.map { model($0.id, $0.owner) }, dialect))
      return
    }
    let id = String(path.path.dropFirst("/v1/models/".count))
    guard let found = listed.first(where: { $0.id == id }) else { return fail(.unknownModel(id)) }
    answer(200, headers, ModelList.single(model(found.id, found.owner), dialect))
  }

  private func model(_ id: String, _ owner: String) -> ModelList.Model {
    let created = worker.startedWallSeconds
    return ModelList.Model(
      id: id, ownedBy: owner, created: created,
      createdAt: "\(UTCTimestamp(milliseconds: UInt64(clamping: created) * 1000))")
  }

  /// Sends a whole response that was made here.
  func answer(_ status: Int, _ headers: HeaderList, _ bytes: [UInt8]) {
    guard phase.rawValue < Phase.answered.rawValue, !isHeadSent else { return }
    var headers = headers
    if !headers.contains("content-type") { headers.set("content-type", "application/json") }
    let isBodiless = context.request.method == "HEAD"
    sendHead(status, headers, contentLength: bytes.count, endStream: isBodiless)
    if !isBodiless { downstream.output.append(bytes) }
    requestBody = []
    finishAnswer()
  }
}
