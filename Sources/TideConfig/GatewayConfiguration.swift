import TideCore

/// Everything that the operator's YAML file says, validated, with defaults filled in and paths made absolute.
///
/// An immutable snapshot: a reload builds a new one. The keys are the contract of `configuration.md`; a value that passed the
/// loader needs no second check.
public struct GatewayConfiguration: Sendable {
  public var listeners: [ListenerConfiguration]
  public var admin: AdminConfiguration
  public var workers: WorkerCount
  public var workerCores: WorkerCores
  public var ioUring: IOUringUse
  public var clusters: [ClusterConfiguration]
  public var models: [ModelEntry]
  public var plugins: PluginsConfiguration
  /// Bound on every route, in this order, before the route's own.
  public var policies: [PolicyBinding]
  /// Never empty; the first that matches takes the request.
  public var routes: [RouteConfiguration]
  public var limits: LimitsConfiguration
  public var store: StoreConfiguration
  public var log: LogConfiguration
  public var drain: DrainConfiguration
  /// The configuration of each binding as it stands in the file, before variables were expanded, by binding name: what the admin
  /// listener may show.
  public var writtenPolicyConfigurations: [String: ConfigNode]

  /// The cluster of that name.
  public func cluster(named name: String) -> ClusterConfiguration? {
    clusters.first { $0.name == name }
  }

  /// All bindings, the global ones first, then each route's.
  public var allPolicies: [PolicyBinding] {
    policies + routes.flatMap(\.policies)
  }
}

/// Where the kernel may run workers.
public enum WorkerCores: String, Sendable, CaseIterable {
  /// On any core that the process has, from moment to moment.
  case any
  /// Each on one core, which is shared only when there are more workers than cores.
  case own
}

/// Whether workers send by io_uring.
public enum IOUringUse: String, Sendable, CaseIterable {
  /// Where the kernel lets them.
  case automatic = "auto"
  case off
}

/// Where `/healthz`, `/metrics` and the other admin paths are served.
public struct AdminConfiguration: Sendable, Equatable {
  public var address: ListenAddress
}

/// How many worker threads run.
public enum WorkerCount: Sendable, Equatable {
  /// One a core.
  case automatic
  case exactly(Int)
}

/// Where policies are found.
public struct PluginsConfiguration: Sendable, Equatable {
  /// Absolute; nil when there is none, and then no policy can be bound.
  public var folder: String?
  /// Whether files that say `auto = true` are bound.
  public var auto: Bool
  /// Whether a generation must pass the tests of the policies that it binds.
  public var requiresTests = false
  /// What those tests may take together. Those of all policies that ship take 70 s of a processor.
  public var testTimeoutMs = 300_000
  /// What comes of mistakes that the sources of bound policies show.
  public var lint = LintMode.refuse
}

/// Where the limits of policies are kept.
public enum StoreConfiguration: Sendable, Equatable {
  /// In this process.
  case memory
  /// In a server that gateways share.
  case redis(RedisConfiguration)
}

/// The server of `store: redis://...`.
public struct RedisConfiguration: Sendable, Equatable {
  public var host: String
  public var port: Int
  /// Empty for the server's default user.
  public var user: String
  /// Empty when there is none.
  public var password: Secret
  public var database: Int

  /// As it may be shown.
  var shown: String {
    let place = "\(ListenAddress(host: host, port: port))/\(database)"
    return password.isEmpty ? "redis://\(place)" : "redis://\(user):\(ConfigurationPrinter.hidden)@\(place)"
  }
}

/// How long live streams may run on after the first SIGTERM.
public struct DrainConfiguration: Sendable, Equatable {
  public var timeoutMs: Int
}
