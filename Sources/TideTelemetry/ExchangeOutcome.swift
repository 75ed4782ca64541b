/// How an exchange ended. Every exchange ends in exactly one of these.
public enum ExchangeOutcome: String, Sendable, CaseIterable {
  /// The answer was delivered to its end.
  case complete
  /// The client left first.
  case clientLeft = "client_left"
  /// A policy ended the answer before its end.
  case cut
  /// A policy answered instead of an upstream, or refused.
  case denied
  case responded
  /// The gateway answered itself: no route, bad request, over a limit.
  case rejected
  /// No upstream could be reached, or it answered with an error that was passed on.
  case upstreamFailed = "upstream_failed"
  /// The upstream died after the head was sent.
  case upstreamDied = "upstream_died"
  case timedOut = "timed_out"
  /// A policy that must run could not.
  case policyFailed = "policy_failed"
  /// Refused for overload.
  case shed
  /// Ended by the drain's limit.
  case drainKilled = "drain_killed"

  /// Position among all cases.
  var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
