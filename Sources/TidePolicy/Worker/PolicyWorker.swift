import TideCore
import TideDialects
import TideLua

/// One generation's policies on one worker: a Lua machine for each binding.
///
/// `@unchecked Sendable` because it is built on the control thread and then handed over: from there on only one worker
/// touches it, and it dies with the last exchange of its generation.
public final class PolicyWorker: @unchecked Sendable {
  public let blueprint: PolicyBlueprint
  public let workerIndex: Int
  let stores: SharedStore
  /// Keeps limits where gateways share them.
  var limits: LimitStore?
  let machines: [BindingMachine]
  /// The lanes' working memory, reused by all exchanges: nothing in it outlives one call.
  let scratch: LaneScratch
  /// Where calls of `on_log` are left; the worker's, once attached.
  public internal(set) var logs = PolicyLogQueue()
  /// This generation's calls in it.
  var queuedLogCount = 0
  /// Calls of `on_log` that wait, over all bindings, and how many may.
  var logWaitCount = 0
  static let logWaitsMax = 256
  var runningTimers: [RunningTimer] = []
  private var cachedLanes: [CachedLane] = []

  private struct CachedLane {
    var lane: LaneID
    var references: [LuaRef?]
    var epochs: [UInt32]
  }

  /// - Parameters:
  ///   - stores: outlives all generations.
  ///   - seed: of `math.random`; nil takes one that nobody knows.
  public init(
    blueprint: PolicyBlueprint, stores: SharedStore, workerIndex: Int, seed: UInt64? = nil
  ) throws(LuaFailure) {
    self.blueprint = blueprint
    self.workerIndex = workerIndex
    self.stores = stores
    var machines: [BindingMachine] = []
    for binding in blueprint.bindings {
      machines.append(
        try BindingMachine(
          binding, services: blueprint.services, store: stores,
          seed: (seed ?? MonotonicTime.now().nanoseconds) &+ UInt64(workerIndex),
          mode: blueprint.isCounted ? .counted : .watchdog
        ))
    }
    self.machines = machines
    scratch = LaneScratch(stageCount: machines.count)
  }

  /// Makes the calling thread known to the watchdog, so that the first hook does not pay for it. On the worker's
  /// thread.
  public static func prepareThread() { LuaGuard.registerThread() }

  /// Whether any policy is bound.
  public var hasMachines: Bool { !machines.isEmpty }

  /// Whether calls of `on_log` are queued or wait.
  public var isLogging: Bool { queuedLogCount > 0 || logWaitCount > 0 }

  /// Collects garbage for about `budgetNs` where much has gathered. Call it at the end of a turn, with more when the
  /// loop is idle.
  public func relieve(budgetNs: UInt64 = 100_000) {
    for machine in machines { machine.relieve(budgetNs: budgetNs) }
  }

  /// The figures of each binding's hooks; on the worker's thread.
  public var metrics: [(binding: String, hook: String, figures: HookMetrics)] {
    machines.flatMap { machine in
      machine.binding.hooks.hooks.map { hook in
        (binding: machine.binding.name, hook: hook.name, figures: machine.metrics[Int(hook.rawValue)])
      }
    }
  }

  /// Tells the machines that the clock of the services was set; only where that is not the system's.
  public func clockMoved() {
    for machine in machines { machine.machine.setClock(nanoseconds: blueprint.services.scriptClockNs()) }
  }

  /// What each binding's hooks have cost since its machine was made; zero unless the services asked for it.
  public var costs: [(binding: String, cost: LuaCost)] {
    machines.map { ($0.binding.name, $0.machine.cost) }
  }

  /// Bytes that all of its machines hold.
  public var byteCount: Int { machines.reduce(0) { $0 + $1.machine.byteCount } }

  /// Reference slots that were ever needed at once, over all machines: steady when exchanges give theirs back.
  var referenceCapacity: Int { machines.reduce(0) { $0 + $1.machine.referenceCapacity } }

  /// The userdata that describes a lane; kept for the usual ones, so that streams share it. Nil when memory ended.
  ///
  /// - Returns: the reference, and whether the caller owns it.
  func laneReference(_ lane: LaneID, _ machine: BindingMachine) -> (reference: LuaRef, isOwned: Bool)? {
    guard lane.choice >= 0, lane.choice < 8, lane.block >= 0, lane.block < 2 else {
      return make(lane, machine).map { ($0, true) }
    }
    let index = cachedLanes.firstIndex { $0.lane == lane } ?? cachedLanes.count
    if index == cachedLanes.count {
      cachedLanes.append(
        CachedLane(
          lane: lane, references: Array(repeating: nil, count: machines.count),
          epochs: Array(repeating: 0, count: machines.count)))
    }
    let place = machine.binding.index
    if let known = cachedLanes[index].references[place], cachedLanes[index].epochs[place] == machine.epoch {
      return (known, false)
    }
    guard let reference = make(lane, machine) else { return nil }
    cachedLanes[index].references[place] = reference
    cachedLanes[index].epochs[place] = machine.epoch
    return (reference, false)
  }

  private func make(_ lane: LaneID, _ machine: BindingMachine) -> LuaRef? {
    do throws(LuaFailure) {
      return try machine.machine.reference(object: BindingHost.handle(lane))
    } catch {
      return nil
    }
  }
}
