/// What the metrics show beside the workers' counters: the state of the process, its pools and its hooks, gathered by the gateway.
public struct GatewayFigures: Sendable {
  /// The connections to one endpoint, all workers added up or one worker's; equal labels are added up when they are printed.
  public struct Pool: Sendable {
    public var cluster: String
    public var endpoint: String
    public var connections = 0
    /// Attempts that hold a stream or connection now.
    public var streams = 0
    /// Exchanges that wait for one.
    public var waiting = 0
    public var opened: UInt64 = 0
    public var reused: UInt64 = 0
    public var failed: UInt64 = 0
    public var retired: UInt64 = 0

    public init(cluster: String, endpoint: String) {
      self.cluster = cluster
      self.endpoint = endpoint
    }
  }

  /// What one hook of one policy binding cost.
  public struct Hook: Sendable {
    public var binding: String
    public var hook: String
    public var calls: UInt64 = 0
    public var totalNs: UInt64 = 0
    public var errors: UInt64 = 0
    /// Errors that were aborts for time or memory.
    public var aborts: UInt64 = 0
    public var skipped: UInt64 = 0
    /// Calls of `on_log` that were not made because too many were waiting.
    public var dropped: UInt64 = 0

    public init(binding: String, hook: String) {
      self.binding = binding
      self.hook = hook
    }
  }

  /// One figure that a policy keeps itself, under one set of labels.
  public struct PolicyMetric: Sendable {
    public enum Value: Sendable {
      case counter(Double)
      /// Upper bounds and how many values lie in each bucket, one more than there are bounds.
      case distribution(bounds: [Double], counts: [UInt64], sum: Double)
    }

    public var binding: String
    public var name: String
    public var labels: [(name: String, value: String)]
    public var value: Value

    public init(binding: String, name: String, labels: [(name: String, value: String)], value: Value) {
      self.binding = binding
      self.name = name
      self.labels = labels
      self.value = value
    }
  }

  /// The store that gateways share.
  public struct Store: Sendable {
    public var isConnected = false
    public var connects: UInt64 = 0
    public var commands: UInt64 = 0
    /// Failed commands by reason.
    public var failures: [(reason: String, count: UInt64)] = []
    public var waiting = 0
    public var places = 0
    /// Upper bounds of the latency's buckets in seconds, and how many commands lie in each; one more than there are bounds.
    public var latencyBounds: [Double] = []
    public var latencyCounts: [UInt64] = []
    public var latencySum = 0.0

    public init() {}
  }

  public var version = ""
  /// Seconds since 1970.
  public var startTime: UInt64 = 0
  /// The generation that new exchanges follow.
  public var generation = 0
  /// How many generations still have exchanges, the current one included.
  public var generationsAlive = 0
  /// What the Lua states of those hold.
  public var policyBytes: UInt64 = 0
  public var reloads: UInt64 = 0
  public var reloadFailures: UInt64 = 0
  public var droppedLogLines: UInt64 = 0
  public var exchangesOpen = 0
  public var connectionsOpen = 0
  public var connectionsAccepted: UInt64 = 0
  public var connectionsRefused: UInt64 = 0
  public var pools: [Pool] = []
  public var hooks: [Hook] = []
  /// Nil where the limits are the process's own.
  public var store: Store?
  /// In the order in which they are printed: those of one name stand together.
  public var policyMetrics: [PolicyMetric] = []

  public init() {}
}
