import TideCore
import TideDialects
import TideTelemetry

/// The end of an exchange, exactly once however it came.
extension Exchange {
  /// The client's side ended before the answer did: the upstream is told within this turn.
  func clientLeft(_ reason: StreamReset) {
    guard phase != .settled else { return }
    if phase != .answered {
      outcome = .clientLeft
      worker.metrics.recordCancel()
    } else if !downstream.output.isEmpty {
      outcome = .clientLeft
    }
    if case .events(let stream) = body { usage = stream.usage }
    abandonUpstream()
    settle()
  }

  /// Ends an exchange that the drain limit does not wait for.
  func endForDrain() {
    fail(LocalFailure(503, "shutting_down", "The gateway is shutting down.", .drained, retryAfterSeconds: 1))
  }

  /// Usage, counters, log line, `on_log`; then nothing refers to the exchange any more but a late upstream.
  func settle() {
    guard phase != .settled else { return }
    phase = .settled
    if let timer { worker.io.timers.cancel(timer) }
    timer = nil
    if !isUpstreamComplete { upstream?.reset(.cancelled) }
    releaseUpstream()
    pool = nil
    downstream.consumer = nil
    let tokensIn = usage?.prompt ?? context.chat?.tokensEstimate ?? 0
    if let usage { tokensOut = max(usage.completion, 0) }
    context.outcome = outcome.rawValue
    context.settle(usage: usage, countedOutput: tokensOut)
    run.runLog()
    run.end()
    worker.settled(self, record: accessRecord(tokensIn: tokensIn))
    body = .none
  }

  private func accessRecord(tokensIn: Int) -> AccessRecord {
    var record = AccessRecord()
    record.id = context.id
    record.outcome = outcome.rawValue
    record.dialect = "openai"
    record.kind = kind.rawValue
    record.method = head.method
    record.path = path.path
    record.model = context.model
    record.route = routeConfiguration.name
    record.cluster = context.clusterName
    record.endpoint = attempts > 0 ? tried.first?.authority ?? context.clusterName : nil
    record.status = status
    record.isStreaming = context.streaming
    record.ttftMs = context.ttftMs
    record.durationMs = Double(worker.io.now.nanoseconds(since: startedAt)) / 1e6
    record.tokensIn = tokensIn
    record.tokensOut = tokensOut
    record.verdict = verdict ?? run.verdict
    record.keyID = context.identity?.keyID
    record.tenant = context.identity?.tenant
    record.clientAddress = context.clientAddress
    record.clientProtocol = context.clientProtocol
    record.bytesOut = deliveredByteCount
    record.attempts = attempts
    record.generation = generation.generation.number
    return record
  }
}
