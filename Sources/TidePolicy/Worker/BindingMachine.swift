import TideCore
import TideLua

#if canImport(Glibc)
  import Glibc
#endif

/// One binding on one worker: its Lua machine, its breaker, its figures.
///
/// A machine for each binding, so that its memory is its own and an abort takes no other policy's state with it. Built
/// on the control thread, used on one worker.
final class BindingMachine {
  let binding: BoundPolicy
  let host: BindingHost
  private(set) var machine: LuaMachine
  /// Grows with each new machine; references of an earlier one are void.
  private(set) var epoch: UInt32 = 1
  private(set) var config: LuaRef
  private var functions: [LuaFunction?]
  /// By the manifest's order of timers.
  private(set) var timerFunctions: [LuaFunction?]
  /// The policy's filters, in the order listed, with what their matches ask.
  private(set) var filters: [BindingHost.MadeFilter]
  var breaker = PolicyBreaker()
  /// When a failure for want of a store was last logged.
  private var outageLogged: MonotonicTime?
  /// When targets that the gateway does not have were last logged.
  var targetsLogged: MonotonicTime?
  /// By hook; at an address of its own, since every token counts here.
  let metrics: UnsafeMutablePointer<HookMetrics>
  /// The budgets of `on_token` and `on_segment` for each KiB of text, looked up once.
  let tokenBudgetNs: UInt64
  let segmentBudgetNs: UInt64
  private let seed: UInt64
  private let mode: LuaMachineOptions.Mode
  /// Lane calls since the clock was read.
  private var unmeasured: UInt32 = 0
  /// Calls that are yet to be measured by the processor's time, since one took too long by the wall's.
  private var suspectCalls = 0
  /// Hooks that wait. Each takes itself out when it ends.
  var waits: [ObjectIdentifier: HookWait] = [:]
  /// Calls of `tide.http` under way.
  var callCount = 0
  static let callsMax = 256
  /// What hooks wait with; nil until the worker has it.
  var means: WaitingMeans?
  /// The last rebuild failed: hooks act as `failure` says until one works.
  private var isBroken = false

  init(
    _ binding: BoundPolicy, services: PolicyHostServices, store: SharedStore, seed: UInt64,
    mode: LuaMachineOptions.Mode = .watchdog
  ) throws(LuaFailure) {
    self.binding = binding
    host = BindingHost(binding: binding, services: services, store: store)
    tokenBudgetNs = binding.manifest.budgets.cpu(.onToken)
    segmentBudgetNs = binding.manifest.budgets.cpu(.onSegment)
    self.seed = seed
    self.mode = mode
    let loaded = try Self.load(binding, host, seed: seed, mode: mode)
    metrics = .allocate(capacity: HookName.allCases.count)
    metrics.initialize(repeating: HookMetrics(), count: HookName.allCases.count)
    (machine, config, functions) = (loaded.machine, loaded.config, loaded.functions)
    timerFunctions = loaded.timers
    filters = loaded.filters
  }

  deinit { metrics.deallocate() }

  private struct Loaded {
    var machine: LuaMachine
    var config: LuaRef
    var functions: [LuaFunction?]
    var timers: [LuaFunction?]
    var filters: [BindingHost.MadeFilter]
  }

  private static func load(
    _ binding: BoundPolicy, _ host: BindingHost, seed: UInt64, mode: LuaMachineOptions.Mode
  ) throws(LuaFailure) -> Loaded {
    host.machineBegins()
    var observation = host.services.observation()
    // Lines of another text than the file's would be told as the file's.
    if binding.source.isReplaced { observation?.lines = nil }
    let machine = try LuaMachine(
      options: LuaMachineOptions(
        memorySoftLimit: binding.manifest.budgets.memory, randomSeed: seed, mode: mode, observation: observation),
      host: host)
    machine.setClock(nanoseconds: host.services.scriptClockNs())
    try BindingHost.register(on: machine)
    let environment = try machine.makeEnvironment(id: Int32(truncatingIfNeeded: binding.index))
    let table = try machine.load(
      source: binding.source.text, chunkName: binding.source.path, environment: environment
    ).get()
    var functions = [LuaFunction?](repeating: nil, count: HookName.allCases.count)
    for hook in HookName.allCases {
      if case .function(let function)? = table[hook.name] { functions[Int(hook.rawValue)] = function }
    }
    let timers = binding.manifest.timers.map { timer -> LuaFunction? in
      guard case .function(let function)? = table["timers"]?[timer.name]?["run"] else { return nil }
      return function
    }
    let config = try machine.reference(binding.config.luaValue(hide: host.hide))
    if let function = functions[Int(HookName.onLoad.rawValue)] {
      let outcome = machine.call(
        function, arguments: [.reference(config)], budgetNs: binding.manifest.budgets.cpu(.onLoad))
      if case .failed(let failure) = outcome { throw failure }
    }
    try machine.freeze(config, name: "cfg")
    let filters = try host.declaredFilters(table["filters"], machine, config: config)
    host.machineLoaded()
    machine.collect()
    return Loaded(machine: machine, config: config, functions: functions, timers: timers, filters: filters)
  }

  @inline(__always)
  func function(_ hook: HookName) -> LuaFunction? { functions[Int(hook.rawValue)] }

  /// What is asked about a filter's matches.
  func onMatch(filter place: Int) -> LuaFunction? { place < filters.count ? filters[place].onMatch : nil }

  // MARK: Running a hook

  /// Whether the hook runs now; if not, its failure action applies. What follows must be its run: of a breaker that is half open this is
  /// the trial, and `succeeded`, `failed` or `gaveUp` must be told how it went.
  @inline(__always)
  func mayRun(_ hook: HookName) -> Bool {
    if breaker.isClosed, !isBroken { return true }
    return couldRun(hook) && breaker.allowsRun(now: host.services.now())
  }

  /// Whether the hook might run now, where it is not known yet whether it will.
  @inline(__always)
  func couldRun(_ hook: HookName) -> Bool { breaker.isClosed && !isBroken || couldTry(hook) }

  private func couldTry(_ hook: HookName) -> Bool {
    guard breaker.mightRun(now: host.services.now()), !isBroken || rebuild() else {
      metrics[Int(hook.rawValue)].skippedByBreaker &+= 1
      return false
    }
    return true
  }

  /// - Parameter isTrial: false for a call that waited since before a trial began: it decides nothing about that one.
  func succeeded(_ hook: HookName, isTrial: Bool = true) {
    if isTrial { breaker.succeeded() }
  }

  /// A run that might have been the trial came to nothing.
  func gaveUp() { breaker.trialWasGivenUp() }

  /// Notes a failure, says it in the log, and replaces the machine when the failure was an abort. Not to be called from
  /// inside a call.
  ///
  /// - Parameter isOutage: the hook had no answer from a store that gateways share. That says nothing about the policy, and what the store
  ///   is about the log knows: the breaker stays as it is, so that limits hold again as soon as the store is back, and a line a second is
  ///   enough.
  /// - Parameter isTrial: false for a call that waited since before a trial began: it decides nothing about that one.
  func failed(
    _ hook: HookName, _ failure: LuaFailure, exchangeID: String, isOutage: Bool = false, isTrial: Bool = true
  ) {
    metrics[Int(hook.rawValue)].errors &+= 1
    var failure = failure
    // What a hook returned is wrong where it ends; where it begins is known.
    if failure.line == 0, failure.file == binding.source.path, let function = functions[Int(hook.rawValue)] {
      failure.line = machine.line(of: function, chunkName: failure.file)
    }
    let isOutage = isOutage && !failure.isAbort && !machine.isPoisoned
    if isOutage {
      if isTrial { gaveUp() }
      let now = host.services.now()
      if let outageLogged, now.milliseconds(since: outageLogged) < 1_000 { return }
      outageLogged = now
    }
    var fields = [PolicyLogEntry.Field(name: "kind", value: failure.kind.rawValue)]
    fields.append(.init(name: "action", value: binding.failureAction(hook).rawValue))
    if !failure.file.isEmpty { fields.append(.init(name: "at", value: "\(failure.file):\(failure.line)")) }
    if failure.isAbort || failure.elapsedNs > 0 {
      fields.append(.init(name: "elapsed_us", value: "\(failure.elapsedNs / 1_000)"))
    }
    host.services.log(
      PolicyLogEntry(
        level: .error, binding: binding.name, hook: hook.name, exchangeID: exchangeID,
        message: "policy \(binding.name): \(hook.name) failed: \(failure.description)" + remedy(hook, failure),
        fields: fields))
    guard !isOutage else { return }
    if isTrial || breaker.isClosed, breaker.failed(now: host.services.now()) {
      host.services.log(
        PolicyLogEntry(
          level: .error, binding: binding.name, hook: hook.name, exchangeID: exchangeID,
          message: "policy \(binding.name) failed too often: it is not run for 30 s, its failure action applies"))
    }
    if failure.isAbort || machine.isPoisoned {
      metrics[Int(hook.rawValue)].aborts &+= 1
      rebuild()
    }
  }

  /// What an author can do about a budget that was too small.
  private func remedy(_ hook: HookName, _ failure: LuaFailure) -> String {
    switch failure.kind {
    case .timeAbort where !hook.isLaneHook && failure.message == "time budget exceeded":
      " (\(binding.cpuBudget(hook) / 1_000_000) ms; budgets = { \(hook.name) = { cpu = ... } } allows more)"
    case .memoryAbort: " (\(binding.manifest.budgets.memory >> 10) KiB; budgets = { memory = ... } allows more)"
    default: ""
    }
  }

  /// A new machine in place of one that aborted.
  @discardableResult
  private func rebuild() -> Bool {
    epoch &+= 1
    loseWaits()
    do throws(LuaFailure) {
      let loaded = try Self.load(binding, host, seed: seed, mode: mode)
      (machine, config, functions) = (loaded.machine, loaded.config, loaded.functions)
      timerFunctions = loaded.timers
      filters = loaded.filters
      isBroken = false
    } catch {
      isBroken = true
      host.log(.error, "policy \(binding.name) could not be loaded again: \(error.description)")
    }
    return !isBroken
  }

  /// What waited in the machine that is gone ends as its `failure` says, once the present call is over.
  private func loseWaits() {
    guard !waits.isEmpty, let means else { return }
    let lost = Array(waits.values)
    _ = means.timers.after(0) { for wait in lost { wait.machineLost() } }
  }

  // MARK: Measuring

  /// How a lane call is measured, if it is.
  struct Measure {
    var startNs: UInt64 = 0
    var isThreadTime = false
  }

  /// Reads the clock for one lane call in 16, so that measuring costs about 3 ns a token.
  @inline(__always)
  func beginLaneCall() -> Measure {
    unmeasured &+= 1
    guard unmeasured & 15 == 0 || suspectCalls > 0 else { return Measure() }
    return suspectCalls > 0
      ? Measure(startNs: Self.threadTimeNs(), isThreadTime: true) : Measure(startNs: MonotonicTime.now().nanoseconds)
  }

  /// - Parameter calls: how many texts were passed.
  @inline(__always)
  func endLaneCall(_ hook: HookName, _ measure: Measure, calls: Int, budgetNs: UInt64) {
    metrics[Int(hook.rawValue)].count &+= UInt64(truncatingIfNeeded: calls)
    if measure.startNs != 0 { noteLaneTime(hook, measure, budgetNs) }
  }

  private func noteLaneTime(_ hook: HookName, _ measure: Measure, _ budgetNs: UInt64) {
    if measure.isThreadTime {
      // The wall's time holds what other threads took; only the processor's own may count against a policy.
      let spent = Self.threadTimeNs() &- measure.startNs
      suspectCalls -= 1
      guard spent > budgetNs else { return }
      metrics[Int(hook.rawValue)].errors &+= 1
      if breaker.failed(now: host.services.now()) {
        host.log(.error, "policy \(binding.name): \(hook.name) keeps running over its budget of \(budgetNs / 1_000) us")
      }
    } else {
      let spent = MonotonicTime.now().nanoseconds &- measure.startNs
      metrics[Int(hook.rawValue)].totalNs &+= spent &* 16
      if spent > budgetNs { suspectCalls = 16 }
    }
  }

  /// A call that waited: only what it took of the processor counts.
  func noteCall(_ hook: HookName, spentNs: UInt64) {
    metrics[Int(hook.rawValue)].count &+= 1
    metrics[Int(hook.rawValue)].totalNs &+= spentNs
  }

  func noteCall(_ hook: HookName, since start: MonotonicTime) {
    metrics[Int(hook.rawValue)].count &+= 1
    metrics[Int(hook.rawValue)].totalNs &+= MonotonicTime.now().nanoseconds(since: start)
  }

  static func threadTimeNs() -> UInt64 {
    var value = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &value)
    return UInt64(value.tv_sec) &* 1_000_000_000 &+ UInt64(value.tv_nsec)
  }

  /// Collects garbage where much has gathered. Between hooks only.
  func relieve(budgetNs: UInt64) {
    if machine.collectionDebt > binding.manifest.budgets.memory / 4 { machine.step(budgetNs: budgetNs) }
  }
}
