import Synchronization

/// All counters of one worker. The worker changes them; the admin thread reads them while it does.
///
/// Every number is an atomic cell that is changed by relaxed loads and stores (see `Counter`), so no reader ever stops a worker and no
/// worker pays for a reader. Series with labels that are known only at run time are cells of their own (`exchanges`, `hook`, `pool`):
/// fetching one takes a lock, so a caller fetches it once and keeps it. Rare events with a name (`count(attack:)` and the like) take
/// the lock each time, about 20 ns.
public final class WorkerMetrics: Sendable {
  /// Numbers that only grow.
  public enum Count: Int, Sendable, CaseIterable {
    case downstreamConnections, upstreamConnections
    case downstreamBytesIn, downstreamBytesOut, upstreamBytesIn, upstreamBytesOut
    case tlsHandshakes, tlsHandshakeFailures
    case exchangesStarted, retries
    case shed
    case turns, upstreamPauses
    case logHooksDropped
  }

  /// Numbers that go up and down.
  public enum Level: Int, Sendable, CaseIterable {
    case downstreamConnectionsOpen, upstreamConnectionsOpen, exchangesActive
  }

  /// Rare events, each with a name that becomes a label. Names come from the program, never from a client.
  enum Event: Hashable {
    case refused(String)
    case attack(String)
    case cancel(String)
    case timeout(String)
  }

  private struct Cells {
    var exchanges: [ExchangeMetrics] = []
    var hooks: [HookMetrics] = []
    var pools: [PoolMetrics] = []
    var events: [Event: UInt64] = [:]
  }

  public let worker: Int
  private let counts = CounterArray(count: Count.allCases.count)
  private let levels = CounterArray(count: Level.allCases.count)
  private let cells = Mutex(Cells())
  /// How long a turn of the loop took, in ns: what everyone else had to wait.
  public let loopLag = Histogram(.shortTime)

  public init(worker: Int) { self.worker = worker }

  public func add(_ count: Count, _ amount: UInt64 = 1) { counts.add(amount, at: count.rawValue) }
  public func raise(_ level: Level) { levels.add(1, at: level.rawValue) }
  public func lower(_ level: Level) { levels.subtract(1, at: level.rawValue) }

  public func current(_ count: Count) -> UInt64 { counts.current(at: count.rawValue) }
  public func current(_ level: Level) -> UInt64 { levels.current(at: level.rawValue) }

  /// The cell for the exchanges of a cluster; use `cluster: ""` for those that never reached one. Keep the result.
  public func exchanges(cluster: String, dialect: String) -> ExchangeMetrics {
    cells.withLock { cells in
      if let known = cells.exchanges.first(where: { $0.cluster == cluster && $0.dialect == dialect }) { return known }
      let new = ExchangeMetrics(cluster: cluster, dialect: dialect)
      cells.exchanges.append(new)
      return new
    }
  }

  /// The cell for a hook of a binding; a new generation's binding of the same name goes on with it. Keep the result.
  public func hook(binding: String, hook: String) -> HookMetrics {
    cells.withLock { cells in
      if let known = cells.hooks.first(where: { $0.binding == binding && $0.hook == hook }) { return known }
      let new = HookMetrics(binding: binding, hook: hook)
      cells.hooks.append(new)
      return new
    }
  }

  /// The cell for the connections to an endpoint. Keep the result.
  public func pool(cluster: String, endpoint: String) -> PoolMetrics {
    cells.withLock { cells in
      if let known = cells.pools.first(where: { $0.cluster == cluster && $0.endpoint == endpoint }) { return known }
      let new = PoolMetrics(cluster: cluster, endpoint: endpoint)
      cells.pools.append(new)
      return new
    }
  }

  /// A request refused before any upstream was asked, and why: `no_route`, `bad_request`, `unauthorized`, `over_limit`, ...
  public func count(refused reason: String) { count(.refused(reason)) }
  /// A limit against floods was passed; `row` is its name in the attack catalogue.
  public func count(attack row: String) { count(.attack(row)) }
  /// An upstream was cancelled because its client left, in this phase: `queued`, `dialing`, `head`, `streaming`, ...
  public func count(cancel phase: String) { count(.cancel(phase)) }
  /// A deadline passed: `connect`, `first_byte`, `idle`, `total`, `handshake`, ...
  public func count(timeout kind: String) { count(.timeout(kind)) }

  private func count(_ event: Event) {
    cells.withLock { $0.events[event, default: 0] &+= 1 }
  }

  var exchangeCells: [ExchangeMetrics] { cells.withLock { $0.exchanges } }
  var hookCells: [HookMetrics] { cells.withLock { $0.hooks } }
  var poolCells: [PoolMetrics] { cells.withLock { $0.pools } }
  var events: [Event: UInt64] { cells.withLock { $0.events } }
}
