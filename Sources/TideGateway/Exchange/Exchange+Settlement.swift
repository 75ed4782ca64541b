import TideCore
import TideDialects
import TidePolicy
import TideTelemetry

/// The end of an exchange, exactly once however it came.
extension Exchange {
  /// The client's side ended before the answer did: the upstream is told within this turn.
  func clientLeft(_ reason: StreamReset) {
    guard phase != .settled else { return }
    // An answer that was taken to its last byte ends in `streamClosed`: who resets its stream before has not got all of it.
    if phase != .answered || outcome == .complete {
      outcome = .clientLeft
      worker.metrics.recordCancel()
    }
    if case .events(let stream) = body { note(stream) }
    abandonUpstream()
    settle()
  }

  /// Ends an exchange that the drain limit does not wait for.
  func endForDrain() {
    fail(LocalFailure(503, "shutting_down", "The gateway is shutting down.", .drainKilled, retryAfterSeconds: 1))
  }

  /// Usage, counters, log line, `on_log`; then nothing refers to the exchange any more but a late upstream.
  func settle() {
    guard phase != .settled else { return }
    let wasAnswered = phase == .answered
    if phase == .waiting { stopWaiting() }
    phase = .settled
    stopDecoding()
    if let timer { worker.io.timers.cancel(timer) }
    timer = nil
    if let holdTimer { worker.io.timers.cancel(holdTimer) }
    holdTimer = nil
    if let upstream, !isUpstreamComplete, upstream.carrier != nil {
      if wasAnswered {
        // The engine has said its last word and only its end is under way. A reset would cost an HTTP/1.1 connection, and on a
        // shared one count as a cancel.
        UpstreamTail(
          upstream, timers: worker.io.timers, deadline: worker.io.now.advanced(byMs: GatewayWorker.upstreamTailMs)
        )
        .take()
      } else {
        upstream.reset(.cancelled)
      }
    }
    if upstream?.consumer === self { upstream?.consumer = nil }
    upstream = nil
    pool = nil
    downstream.consumer = nil
    worker.metrics.add(.downstreamBytesIn, UInt64(clamping: receivedByteCount))
    worker.metrics.add(.downstreamBytesOut, deliveredByteCount)
    if outcome == .timedOut { worker.metrics.recordTimeout(endpointName.isEmpty ? "request" : "upstream") }
    let tokensIn = usage?.prompt ?? context.chat?.tokensEstimate ?? 0
    if let usage { tokensOut = max(usage.completion, 0) }
    context.usage = usage
    run.runLog()
    run.end()
    lanes = nil
    tools = nil
    worker.metrics.recordExchange(
      cluster: context.route.cluster ?? "", dialect: context.dialect, outcome: outcome.rawValue, status: status,
      durationMs: durationMs, tokensIn: tokensIn, tokensOut: tokensOut)
    if worker.logsAccess { worker.logAccess(accessRecord(tokensIn: tokensIn)) }
    worker.settled(self)
    body = .none
  }

  private var durationMs: Double { Double(worker.io.now.nanoseconds(since: startedAt)) / 1e6 }

  /// Bytes of the request's body as they came.
  private var receivedByteCount: Int { codedRequestSize > 0 ? codedRequestSize : context.requestSize }

  private func accessRecord(tokensIn: Int) -> AccessRecord {
    var record = AccessRecord(time: UTCTimestamp.now())
    record.id = context.id
    record.outcome = outcome.rawValue
    record.kind = kind.rawValue
    record.path = path.path
    record.dialect = context.dialect
    record.model = context.model
    record.route = routeConfiguration.name
    record.cluster = context.route.cluster
    record.endpoint = endpointName.isEmpty ? nil : endpointName
    record.method = context.request.method
    record.status = status
    record.ttftMs = context.ttftMs
    record.durationMs = durationMs
    if tokensIn > 0 { record.tokensIn = tokensIn }
    if tokensOut > 0 { record.tokensOut = tokensOut }
    record.policy = context.decision?.binding
    record.verdict = context.decision?.verdict.rawValue ?? (verdict.isEmpty ? nil : verdict)
    record.keyID = context.auth?.keyID
    record.tenant = context.auth?.tenant
    record.clientAddress = context.client.ip
    record.clientProtocol = context.client.protocolName
    record.bytesIn = UInt64(receivedByteCount)
    record.bytesOut = deliveredByteCount
    record.attempts = attempts
    record.isStreaming = context.isStreaming
    record.generation = generation.generation.number
    return record
  }
}
