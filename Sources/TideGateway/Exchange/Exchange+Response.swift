import TideCoding
import TideCore
import TideDialects
import TidePolicy
import TideTelemetry

/// The upstream's response on its way to the client.
extension Exchange {
  func upstreamDidSendHead(_ response: ResponseHead) {
    firstByteAt = worker.io.now
    lastActivity = worker.io.now
    upstreamHead = response
    context.response = ExchangeContext.Response(status: response.status, headers: response.headers)
    if response.status >= 500 { pool?.recordFailure() } else { pool?.recordSuccess() }
    if response.status < 400 {
      follow(run.runResponseStart(), .response)
    } else {
      let error = upstreamError(.status, status: response.status, "the upstream answered \(response.status)", false)
      follow(run.runUpstreamError(error), .response)
    }
  }

  /// Nobody objects to the upstream's head: the answer begins.
  func responseBegins() {
    guard let response = upstreamHead else { return fail(.upstreamMalformed) }
    phase = .responding
    requestBody = []
    let isSuccess = response.status < 400
    if !isSuccess { outcome = .upstreamFailed }
    guard isSuccess, kind == .chat else {
      body = .relay(tee: kind.answersTokens && isSuccess)
      return sendRelayedHead(response)
    }
    let policiesRead = lanes != nil || judgesTools
    let encoding = ContentEncoding(response.headers.joined("content-encoding"))
    if let problem = encoding.problem {
      // Text that no policy could read must not pass (robustness, section 3).
      guard !policiesRead else { return answerIsForeign(encoding, problem) }
      // Nobody but the client can read it.
      body = .relay(tee: false)
      return sendRelayedHead(response)
    }
    if response.headers.begins("content-type", with: "text/event-stream") {
      // Read in any case: it has the usage that the gateway asked for, and its end must be seen.
      body = .events(AnswerStream(dialect, options: streamOptions()))
      if judgesTools { tools = ToolGate.make(dialect, scratch: worker.dialectScratch) }
      sendStreamHead(response)
    } else if policiesRead {
      body = .whole
    } else {
      body = .relay(tee: true)
      return sendRelayedHead(response)
    }
    if case .coded(let coding) = encoding { decodeAnswer(coding) }
  }

  func streamOptions() -> ChatStreamOptions {
    var options = ChatStreamOptions(
      processor: lanes, stripUsage: !clientWantsUsage, includeUsageRequested: clientWantsUsage)
    options.mayBeCut = judgesTools
    options.choiceCount = context.chat?.n ?? 1
    options.promptTokensEstimate = context.chat?.tokensEstimate ?? 0
    options.scratch = worker.dialectScratch
    options.holdFinishForUsage = lanes != nil && run.has(.onResponseEnd)
    return options
  }

  private func sendStreamHead(_ response: ResponseHead) {
    var headers = ForwardedHeaders.response(response.headers)
    headers.set("content-type", "text/event-stream; charset=utf-8")
    headers.set("cache-control", "no-cache")
    headers.set("x-accel-buffering", "no")
    headers.remove("content-encoding")
    sendHead(response.status, headers, contentLength: nil)
  }

  private func sendRelayedHead(_ response: ResponseHead) {
    sendHead(response.status, ForwardedHeaders.response(response.headers), contentLength: response.contentLength)
  }

  func sendHead(_ status: Int, _ headers: consuming HeaderList, contentLength: Int?, endStream: Bool = false) {
    self.status = status
    lanes?.isFirstByteSent = true
    headers.set("x-request-id", context.id)
    // Anthropic's clients look for theirs; the provider's own is worth more to its support.
    if dialect == .anthropic, !headers.contains("request-id") { headers.set("request-id", context.id) }
    downstream.send(ResponseHead(status: status, headers: headers, contentLength: contentLength), endStream: endStream)
  }

  func upstreamDidSend(_ bytes: UnsafeRawBufferPointer) {
    guard phase == .responding else {
      // Kept with its credit: the upstream pauses.
      if phase == .waiting { return held.append(bytes) }
      // The answer is whole already; what follows is read and dropped.
      upstream?.returnCredit(bytes.count)
      return
    }
    lastActivity = worker.io.now
    metricsPlace._withUnsafeGuaranteedRef { $0.add(.upstreamBytesIn, UInt64(bytes.count)) }
    // Nearly every token's way: nothing between the stream and the client, and nothing to be done but to send.
    if tools == nil, let (progress, tokenCount) = answerPlace?.receive(bytes, into: &downstream.output) {
      noteTokens(tokenCount)
      if progress == .streaming { return streamGoesOn() }
      if case .events(let stream) = body { follow(progress, of: stream) }
      return
    }
    take(bytes)
  }

  /// Takes bytes of the answer's body, which are plain now.
  @inline(__always)
  func take(_ bytes: UnsafeRawBufferPointer) {
    switch body {
    case .none: upstream?.returnCredit(bytes.count)
    case .events(let stream):
      if let tools {
        tools.receive(bytes)
        return judgeTools(tools, of: stream)
      }
      pass(bytes, to: stream)
    case .whole:
      assembly.append(contentsOf: bytes)
      returnUpstreamCredit()
      if assembly.count > configuration.limits.responseBody {
        abandonUpstream()
        fail(
          LocalFailure(
            502, "response_too_large",
            "The upstream's answer is larger than \(configuration.limits.responseBody) bytes, too large for policies to see whole.",
            .upstreamDied))
      }
    case .relay(let tee):
      if tee { keepForUsage(bytes) }
      downstream.output.append(bytes)
      downstream.outputChanged()
      if let upstream, upstream.unreturnedCredit >= Self.creditStep { returnUpstreamCredit() }
    }
  }

  /// Keeps a relayed answer until it is whole and its usage can be read; one that comes in one piece need not be kept.
  private func keepForUsage(_ bytes: UnsafeRawBufferPointer) {
    if bytes.count == upstreamHead?.contentLength {
      usage = reportedUsage(bytes)
      body = .relay(tee: false)
    } else if assembly.count &+ bytes.count <= Self.teeLimit {
      assembly.append(contentsOf: bytes)
    } else {
      assembly = []
      body = .relay(tee: false)
    }
  }

  @inline(__always)
  func pass(_ bytes: UnsafeRawBufferPointer, to stream: AnswerStream) {
    let before = stream.contentEventCount
    let progress = stream.receive(bytes, into: &downstream.output)
    noteTokens(stream.contentEventCount &- before)
    follow(progress, of: stream)
  }

  @inline(__always)
  private func streamGoesOn() {
    if !downstream.output.isEmpty { downstream.outputChanged() }
    if let upstream, upstream.unreturnedCredit >= Self.creditStep { returnUpstreamCredit() }
    if let lanes, lanes.hasFilters { armHoldTimer(lanes) }
  }

  /// Acts on where a stream stands after some of its bytes.
  func follow(_ progress: StreamProgress, of stream: AnswerStream) {
    switch progress {
    case .streaming: streamGoesOn()
    case .waiting: holdAnswer(stream)
    case .complete: answerIsWhole(stream)
    case .cut:
      outcome = .cut
      lanes?.keepLastWords()
      abandonUpstream()
      answerIsWhole(stream)
    case .failed(let failure): streamFailed(stream, failure)
    }
  }

  /// The upstream has sent everything.
  func upstreamBodyIsWhole() {
    switch body {
    case .none: finishAnswer()
    case .events(let stream):
      if let tools, !toolsAreJudged(tools, of: stream) { return }
      switch stream.receiveEnd(into: &downstream.output) {
      case .complete, .streaming: answerIsWhole(stream)
      case .waiting: holdAnswer(stream)
      case .cut:
        outcome = .cut
        answerIsWhole(stream)
      case .failed(let failure):
        pool?.recordFailure()
        streamFailed(stream, failure)
      }
    case .whole: if judgesTools { judgeToolsOfBody() } else { judgeWholeBody() }
    case .relay(let tee):
      if tee { usage = assembly.withUnsafeBytes { reportedUsage($0) } }
      finishAnswer()
    }
  }

  private func answerIsWhole(_ stream: AnswerStream) {
    note(stream)
    downstream.outputChanged()
    finishAnswer()
  }

  func streamFailed(_ stream: AnswerStream, _ failure: StreamFailure) {
    switch failure {
    case .upstreamError: outcome = .upstreamFailed
    case .policy: outcome = .policyFailed
    case .timedOut: outcome = .timedOut
    case .drained: outcome = .drainKilled
    case .malformed, .badArguments, .tooLarge, .truncated, .undecodable: outcome = .upstreamDied
    }
    if failure != .upstreamError { stream.writeError(failure, into: &downstream.output) }
    note(stream)
    abandonUpstream()
    downstream.outputChanged()
    finishAnswer()
  }

  /// The upstream died, or was given up, after the head went out.
  func upstreamDied(_ failure: StreamFailure) {
    switch body {
    case .events(let stream): streamFailed(stream, failure)
    case .whole:
      fail(failure == .timedOut ? .upstreamTimedOut : .upstreamClosed)
    case .none, .relay:
      // No grammar to end it with: the client must see that it is not whole.
      outcome = failure == .timedOut ? .timedOut : failure == .drained ? .drainKilled : .upstreamDied
      phase = .answered
      downstream.reset(.internalError)
      settle()
    }
  }

  /// Runs the texts of a whole answer through the lanes and sends what they leave.
  ///
  /// - Parameter early: the answer was cut behind them: how, and in which choice.
  func judgeWholeBody(endingWith early: (cut: LaneCut, choice: Int32)? = nil) {
    let whole = AnswerBody(dialect, options: streamOptions())
    let bytes: [UInt8]
    lanes?.eventBegins(byteCount: assembly.count)
    let outcomeOfBody = whole.transform(assembly)
    if let lanes, lanes.isWaiting { return hold { [unowned self] in judgeWholeBody(endingWith: early) } }
    lanes?.eventEnded()
    switch outcomeOfBody {
    case .failed(let failure): return fail(failure == .policy ? .policyFailed : .upstreamMalformed)
    case .cut(let edited):
      outcome = .cut
      bytes = edited
    case .body(let edited):
      guard let early else {
        bytes = edited
        break
      }
      guard let ended = BodyCut.end(edited, dialect, early.cut, choice: early.choice) else {
        return fail(.upstreamMalformed)
      }
      outcome = .cut
      bytes = ended
      lanes?.keepLastWords()
    }
    usage = whole.usage
    context.usage = usage
    context.usageSource = whole.usageSource
    follow(run.runResponseEnd(), .body(bytes))
  }

  /// Books what a stream has cost so far.
  func note(_ stream: AnswerStream) {
    usage = stream.usage
    context.usageSource = stream.usageSource
  }

  /// Sends an answer that policies have seen whole.
  func sendWholeBody(_ bytes: [UInt8]) {
    guard let upstreamHead else { return fail(.upstreamMalformed) }
    var headers = ForwardedHeaders.response(upstreamHead.headers)
    headers.remove("content-encoding")
    sendHead(upstreamHead.status, headers, contentLength: bytes.count)
    downstream.output.append(bytes)
    finishAnswer()
  }

  /// Resets an upstream that still runs, because nobody wants its answer any more.
  func abandonUpstream() {
    stopDecoding()
    pool?.cancel(self)
    if !isUpstreamComplete { upstream?.reset(.cancelled) }
    releaseUpstream()
  }

  /// Ends the downstream stream after what it holds.
  func finishAnswer() {
    guard phase.rawValue < Phase.answered.rawValue else { return }
    phase = .answered
    stopDecoding()
    assembly = []
    lastActivity = worker.io.now
    downstream.end()
    rearmTimer()
  }

  func noteTokens(_ count: Int) {
    guard count > 0 else { return }
    tokensOut &+= count
    if lastTokenAt == .zero {
      context.ttftMs = Double(worker.io.now.nanoseconds(since: startedAt)) / 1e6
      worker.metrics.recordTimeToFirstToken(nanoseconds: worker.io.now.nanoseconds(since: startedAt))
    } else {
      let gap = worker.io.now.nanoseconds(since: lastTokenAt)
      metricsPlace._withUnsafeGuaranteedRef { $0.recordTokenGap(nanoseconds: gap, tokenCount: count) }
    }
    lastTokenAt = worker.io.now
  }
}
