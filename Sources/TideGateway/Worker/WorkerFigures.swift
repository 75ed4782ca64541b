import TidePolicy

/// A copy of one worker's state for the admin listener, taken on the worker's thread.
struct WorkerFigures: Sendable {
  struct Pool: Sendable {
    var cluster: String
    var endpoint: String
    var connections: Int
    var streams: Int
    var waiting: Int
    var opened: UInt64
    var reused: UInt64
    var failed: UInt64
    var retired: UInt64
    var isHealthy: Bool
  }

  struct Hook: Sendable {
    var binding: String
    var hook: String
    var metrics: TidePolicy.HookMetrics
  }

  var exchangesOpen = 0
  var connectionsOpen = 0
  var connectionsAccepted: UInt64 = 0
  var connectionsRefused: UInt64 = 0
  var loopLagMs = 0
  var pools: [Pool] = []
  /// Generation number, the exchanges that run on it, and the bytes that its Lua states hold.
  var generations: [(number: Int, exchanges: Int, bytes: Int)] = []
  /// One for each binding and hook, whichever generations they ran in.
  var hooks: [Hook] = []
}

extension [WorkerFigures.Hook] {
  /// Adds what the hooks of a generation have cost so far.
  mutating func add(_ policies: PolicyWorker) {
    for (binding, hook, figures) in policies.metrics {
      if let known = firstIndex(where: { $0.binding == binding && $0.hook == hook }) {
        self[known].metrics += figures
      } else {
        append(WorkerFigures.Hook(binding: binding, hook: hook, metrics: figures))
      }
    }
  }
}
