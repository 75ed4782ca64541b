/// How an exchange ended, as the access log, the metrics and `on_log` name it.
enum ExchangeOutcome: String, CaseIterable, Sendable {
  /// The client got a whole answer, the upstream's or a policy's.
  case complete
  /// A policy refused it.
  case denied
  /// A policy ended the stream before its end.
  case cut
  /// The request was wrong: syntax, limits, no such model or route.
  case rejected
  /// The client went away.
  case clientLeft = "client_left"
  /// No endpoint could be reached, or it answered with an error that was passed on.
  case upstreamFailed = "upstream_failed"
  /// The upstream died before its answer was whole.
  case upstreamDied = "upstream_died"
  /// A deadline passed.
  case timedOut = "timed_out"
  /// A policy failed and was to deny.
  case policyFailed = "policy_failed"
  /// Refused under overload.
  case shed
  /// Ended by the drain limit.
  case drainKilled = "drain_killed"
}
