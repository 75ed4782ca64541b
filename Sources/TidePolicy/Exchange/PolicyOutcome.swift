import TideCore
import TideDialects

/// What a phase of policies decided for an exchange.
public enum PolicyOutcome: Sendable, Equatable {
  case proceed
  case identity(Identity)
  case deny(Denial)
  case respond(PolicyAnswer)
  /// Ends the answer well formed; from lane hooks and `on_response_end`.
  case cut(LaneCut)
  /// What becomes of the call in hand; from `runToolCall`.
  case tool(ToolDecision)
  /// Another attempt; from `on_upstream_error` and `on_response_start`.
  case retry(RetryPlan)
  /// A hook failed and its `failure` says this. `.deny` carries `Denial.policyFailed`; `.skip` never surfaces.
  case failed(PolicyBinding.FailureAction)
  /// A hook waits. `PolicyRun.onDecision` gets what the phase decides.
  case waiting
}

/// Where another attempt goes, and when.
public struct RetryPlan: Sendable, Equatable {
  public static let delayMsMax = 10_000

  /// Nil leaves it to the targets that are left.
  public var targets: [RouteTarget]?
  public var delayMs = 0

  public init(targets: [RouteTarget]? = nil, delayMs: Int = 0) {
    self.targets = targets
    self.delayMs = delayMs
  }
}

/// What `on_upstream_error` is told of a failed attempt.
public struct UpstreamError: Sendable, Equatable {
  public enum Kind: String, Sendable { case connect, timeout, status, closed }

  public var kind: Kind
  /// The upstream's; nil where it sent none.
  public var status: Int?
  public var message: String
  public var model: String
  public var cluster: String
  /// Whether the gateway's own rules would try again.
  public var willRetry: Bool

  public init(
    kind: Kind, status: Int? = nil, message: String, model: String, cluster: String, willRetry: Bool
  ) {
    self.kind = kind
    self.status = status
    self.message = message
    self.model = model
    self.cluster = cluster
    self.willRetry = willRetry
  }
}

/// One place an exchange could go, as `on_route` sees it.
public struct RouteTarget: Sendable, Equatable {
  public var model: String
  /// Empty when a policy named only a model: the gateway resolves it through its `models`.
  public var cluster: String
  public var isHealthy: Bool
  /// Requests in flight to the cluster from this worker.
  public var pending: Int

  public init(model: String, cluster: String, isHealthy: Bool = true, pending: Int = 0) {
    self.model = model
    self.cluster = cluster
    self.isHealthy = isHealthy
    self.pending = pending
  }
}

/// What `on_route` decided.
public enum RouteOutcome: Sendable, Equatable {
  /// In order of preference; as they were given when no policy changed them. Never empty unless they came empty.
  case targets([RouteTarget])
  case deny(Denial)
  case respond(PolicyAnswer)
}
