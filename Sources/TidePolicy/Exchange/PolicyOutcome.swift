import TideCore
import TideDialects

/// What a phase of policies decided for an exchange.
public enum PolicyOutcome: Sendable, Equatable {
  case proceed
  case identity(Identity)
  case deny(Denial)
  case respond(PolicyAnswer)
  /// Ends the answer well formed; from lane hooks only.
  case cut(LaneCut)
  /// A hook failed and its `failure` says this. `.deny` carries `Denial.policyFailed`; `.skip` never surfaces.
  case failed(PolicyBinding.FailureAction)
  /// A hook waits. No host function of this version does.
  case waiting
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
