import TideCore
import TideLua

/// One hook that waits, from its first yield to its end: its coroutines, what each of them waits for, its time.
///
/// Owned by the binding's machine until it ends, on one worker. Its end comes once: a result, a failure (a raised error, the
/// wall or the processor's budget, a machine that was replaced), or none when it is cancelled.
final class HookWait {
  /// Nested `tide.all` and `tide.once`.
  static let depthMax = 4

  let machine: BindingMachine
  let hook: HookName
  private let epoch: UInt32
  private let timers: PolicyTimers
  private let fetcher: PolicyFetcher
  private var frame: HookFrame
  private var coroutines: [HookCoroutine] = []
  private var wallTimer: PolicyTimers.Token?
  /// CPU time of its slices after the first.
  private(set) var spentNs: UInt64 = 0
  private let startedNs: UInt64
  /// What it took altogether.
  var totalNs: UInt64 { startedNs &+ spentNs }
  /// How it ended; nil while it waits.
  private(set) var outcome: LuaOutcome?
  /// Told of an end that comes later than `begin`.
  var onEnd: ((LuaOutcome) -> Void)?
  private var isOver = false
  /// Its breaker is half open, and this call's result closes it or opens it again.
  let isTrial: Bool
  /// A limit's store was not available: what the hook made of that is no fault of its policy's.
  private(set) var metOutage = false

  /// - Parameters:
  ///   - frame: what the host knew when the hook yielded.
  ///   - startedNs: what it took until then, for the figures. The budget counts from here: that slice was judged by itself, and by the
  ///     wall's time it may hold what other threads took.
  ///   - isTrial: its call is the one that a breaker which is half open let through.
  init(
    _ machine: BindingMachine, _ hook: HookName, frame: HookFrame, startedNs: UInt64, means: WaitingMeans, isTrial: Bool
  ) {
    self.isTrial = isTrial
    self.machine = machine
    self.hook = hook
    self.frame = frame
    self.startedNs = startedNs
    epoch = machine.epoch
    timers = means.timers
    fetcher = means.fetcher
  }

  /// Goes on from the hook's first yield. It may end inside this call: `outcome` says.
  func begin(_ token: LuaToken, _ wish: HookWish) {
    let root = HookCoroutine(self, depth: 0) { [unowned self] in end($0) }
    enter()
    drive(root, from: .yielded(token), wish)
  }

  /// Runs a function of its own: the one of a `tide.once`.
  func begin(_ function: LuaFunction, depth: Int) {
    let root = HookCoroutine(self, depth: depth) { [unowned self] in end($0) }
    enter()
    start(function, root)
  }

  private func enter() {
    machine.waits[ObjectIdentifier(self)] = self
    wallTimer = timers.after(machine.binding.manifest.budgets.wall(hook)) { [unowned self] in
      wallTimer = nil
      let limit = machine.binding.manifest.budgets.wall(hook)
      fail("\(hook.name) waited longer than its wall budget of \(limit) ms")
    }
  }

  /// Ends it without an outcome: nobody wants one any more.
  func cancel() {
    onEnd = nil
    close()
  }

  /// The machine that it ran in is gone.
  func machineLost() { fail("\(hook.name) was waiting when its policy was stopped and started anew") }

  private func fail(_ message: String) {
    end(.failed(LuaFailure(kind: .error, message: message, file: machine.binding.source.path)))
  }

  private func end(_ result: LuaOutcome) {
    guard !isOver else { return }
    outcome = result
    let told = onEnd
    onEnd = nil
    close()
    told?(result)
  }

  /// Judges the outcome with the hook's frame in place, so that the verdicts it made are known, and ends the frame.
  func judged<R>(_ body: () -> R) -> R {
    machine.host.restore(frame)
    defer { machine.host.hookEnded() }
    return body()
  }

  private func close() {
    guard !isOver else { return }
    isOver = true
    if let wallTimer { timers.cancel(wallTimer) }
    wallTimer = nil
    for coroutine in coroutines { drop(coroutine) }
    coroutines = []
    machine.waits[ObjectIdentifier(self)] = nil
    guard outcome == nil else { return }
    if isTrial { machine.gaveUp() }
    judged {}
  }

  private func drop(_ coroutine: HookCoroutine) {
    coroutine.giveUp?()
    coroutine.giveUp = nil
    if let token = coroutine.token, epoch == machine.epoch { machine.machine.cancel(token) }
    coroutine.token = nil
  }

  // MARK: Running

  private func start(_ function: LuaFunction, _ coroutine: HookCoroutine) {
    guard budgetLeft > 0 else {
      release(function)
      return exhausted()
    }
    let (result, wish) = slice {
      machine.machine.call(function, arguments: [], budgetNs: budgetLeft, mode: .coroutine)
    }
    release(function)
    drive(coroutine, from: result, wish)
  }

  /// What waited has come: its answer is what the host function returns.
  private func goOn(_ coroutine: HookCoroutine, _ arguments: [LuaArgument]) {
    guard !isOver, let token = coroutine.token else { return }
    // Whatever follows, there is nothing left to give up.
    coroutine.giveUp = nil
    guard epoch == machine.epoch else { return machineLost() }
    guard budgetLeft > 0 else { return exhausted() }
    coroutine.token = nil
    let (result, wish) = slice { machine.machine.resume(token, arguments: arguments, budgetNs: budgetLeft) }
    drive(coroutine, from: result, wish)
  }

  /// Runs a coroutine until it waits for something that is yet to come, or ends.
  private func drive(_ coroutine: HookCoroutine, from first: LuaOutcome, _ firstWish: HookWish?) {
    var (result, wish) = (first, firstWish)
    while case .yielded(let token) = result {
      coroutine.token = token
      if !coroutines.contains(where: { $0 === coroutine }) { coroutines.append(coroutine) }
      guard budgetLeft > 0 else {
        forget(wish)
        return exhausted()
      }
      guard let asked = wish else { return fail("\(hook.name) yielded without a reason") }
      guard let arguments = fulfil(asked, coroutine) else { return }
      guard !isOver else { return }
      coroutine.token = nil
      (result, wish) = slice { machine.machine.resume(token, arguments: arguments, budgetNs: budgetLeft) }
    }
    coroutines.removeAll { $0 === coroutine }
    guard !isOver else { return }
    coroutine.finish(result)
  }

  private var budget: UInt64 { machine.binding.cpuBudget(hook) }
  private var budgetLeft: UInt64 { budget > spentNs ? budget - spentNs : 0 }

  /// Runs a piece of the hook with its frame in place.
  private func slice(_ body: () -> LuaOutcome) -> (LuaOutcome, HookWish?) {
    let begun = BindingMachine.threadTimeNs()
    machine.host.restore(frame)
    let result = body()
    var wish: HookWish?
    if case .yielded = result {
      wish = machine.host.wanted
      machine.host.wanted = nil
    } else {
      machine.host.forgetWish()
    }
    frame = machine.host.suspend()
    spentNs &+= BindingMachine.threadTimeNs() &- begun
    return (result, wish)
  }

  private func exhausted() { fail("\(hook.name) used up its budget of \(budget / 1_000_000) ms of the processor") }

  private func forget(_ wish: HookWish?) {
    for function in wish?.functions ?? [] { release(function) }
  }

  /// Functions of a machine that was replaced went with it.
  private func release(_ function: LuaFunction) {
    if epoch == machine.epoch { machine.machine.release(function) }
  }

  // MARK: What it waits for

  /// Begins what a coroutine asked for.
  ///
  /// - Returns: the answer, where it is there already.
  private func fulfil(_ wish: HookWish, _ coroutine: HookCoroutine) -> [LuaArgument]? {
    switch wish {
    case .sleep(let ms):
      let token = timers.after(ms) { [unowned self, unowned coroutine] in goOn(coroutine, []) }
      coroutine.giveUp = { [timers] in timers.cancel(token) }
      return nil
    case .fetch(let request):
      guard machine.callCount < BindingMachine.callsMax else {
        return Self.problem("busy", "the binding has \(BindingMachine.callsMax) calls under way")
      }
      machine.callCount += 1
      let token = fetcher.fetch(request) { [unowned self, unowned coroutine] result in
        machine.callCount -= 1
        switch result {
        case .success(let response): goOn(coroutine, [.value(response.luaValue)])
        case .failure(let failure): goOn(coroutine, Self.problem(failure.code.rawValue, failure.message))
        }
      }
      coroutine.giveUp = { [fetcher, machine] in
        machine.callCount -= 1
        fetcher.cancel(token)
      }
      return nil
    case .limit(let wish):
      guard let limits = machine.host.limits else { return Self.problem("store_unavailable", "there is no store") }
      let call = LimitCall.begin(wish.operation, in: limits) { [unowned self, unowned coroutine] result in
        if case .failure(let failure) = result, failure.code == .unavailable { metOutage = true }
        goOn(coroutine, wish.answer(result, for: frame.context, of: limits))
      }
      coroutine.giveUp = { call.giveUp() }
      return nil
    case .all(let functions):
      guard coroutine.depth < Self.depthMax else {
        forget(wish)
        return Self.problem("too_deep", "tide.all and tide.once are nested more than \(Self.depthMax) deep")
      }
      return runAll(functions, coroutine)
    case .once(let key, let ttlMs, let function):
      guard coroutine.depth < Self.depthMax else {
        forget(wish)
        return Self.problem("too_deep", "tide.all and tide.once are nested more than \(Self.depthMax) deep")
      }
      return runOnce(key, ttlMs, function, coroutine)
    }
  }

  /// `nil, err`.
  static func problem(_ code: String, _ message: String) -> [LuaArgument] {
    [.nilValue, .value(.map([(.text("code"), .text(code)), (.text("message"), .text(message))]))]
  }

  /// A failure that the script may handle, unless it cost the machine.
  private static func problem(_ failure: LuaFailure) -> [LuaArgument] { problem("failed", failure.description) }

  private func runAll(_ functions: [LuaFunction], _ parent: HookCoroutine) -> [LuaArgument]? {
    let group = Group(count: functions.count)
    for (index, function) in functions.enumerated() {
      if group.isDone || isOver {
        release(function)
        continue
      }
      let child = HookCoroutine(self, depth: parent.depth + 1) { [unowned self] result in
        guard !group.isDone else { return }
        switch result {
        case .returned(let value): group.results[index] = value
        case .failed(let failure) where failure.isAbort: return end(.failed(failure))
        case .failed(let failure): group.failure = failure
        case .yielded: return
        }
        group.left -= 1
        guard group.isDone else { return }
        for other in group.children where other.token != nil {
          drop(other)
          coroutines.removeAll { $0 === other }
        }
        guard group.isWaitedFor else { return }
        goOn(parent, Self.answer(of: group))
      }
      group.children.append(child)
      start(function, child)
    }
    if group.isDone || isOver { return Self.answer(of: group) }
    group.isWaitedFor = true
    return nil
  }

  /// What one `tide.all` runs.
  private final class Group {
    var results: [LuaValue]
    var left: Int
    var failure: LuaFailure?
    var children: [HookCoroutine] = []
    /// The caller waits; before that it is still starting them.
    var isWaitedFor = false

    init(count: Int) {
      results = Array(repeating: .nilValue, count: count)
      left = count
    }

    var isDone: Bool { left == 0 || failure != nil }
  }

  private static func answer(of group: Group) -> [LuaArgument] {
    if let failure = group.failure { return problem(failure) }
    return group.results.map { .value($0) }
  }

  private func runOnce(
    _ key: String, _ ttlMs: Int, _ function: LuaFunction, _ coroutine: HookCoroutine
  ) -> [LuaArgument]? {
    let table = machine.host.flights
    let flight: FlightTable.Flight
    if let running = table[key] {
      release(function)
      flight = running
    } else {
      flight = FlightTable.Flight()
      // Its own life: whoever asked first may leave while others still want the result.
      let inner = HookWait(
        machine, hook, frame: HookFrame(of: frame), startedNs: 0, means: WaitingMeans(timers: timers, fetcher: fetcher),
        isTrial: false)
      flight.wait = inner
      table[key] = flight
      inner.begin(function, depth: coroutine.depth + 1)
      if let result = inner.outcome {
        inner.judged {}
        table[key] = nil
        spentNs &+= inner.spentNs
        return landed(key, ttlMs, result)
      }
      inner.onEnd = { [machine, unowned inner] result in
        inner.judged {}
        table[key] = nil
        let answer = Self.landed(machine, key, ttlMs, result)
        for waiter in flight.waiters where waiter.token != nil { waiter.wait.goOn(waiter, answer) }
      }
    }
    flight.waiters.append(coroutine)
    coroutine.giveUp = { [unowned coroutine] in
      flight.waiters.removeAll { $0 === coroutine }
      guard flight.waiters.isEmpty, table[key] === flight else { return }
      table[key] = nil
      flight.wait?.cancel()
    }
    return nil
  }

  private func landed(_ key: String, _ ttlMs: Int, _ result: LuaOutcome) -> [LuaArgument] {
    if case .failed(let failure) = result, failure.isAbort {
      end(result)
      return []
    }
    return Self.landed(machine, key, ttlMs, result)
  }

  private static func landed(
    _ machine: BindingMachine, _ key: String, _ ttlMs: Int, _ result: LuaOutcome
  ) -> [LuaArgument] {
    switch result {
    case .returned(let value) where !value.isPlain:
      return problem("bad_value", "tide.once: the function must return a plain value, not a \(value.typeName)")
    case .returned(let value):
      if !value.isNil {
        machine.host.flights.remember(value, key, ttlMs: ttlMs, now: machine.host.services.now())
      }
      return [.value(value)]
    case .failed(let failure): return problem(failure)
    case .yielded: return []
    }
  }
}

/// What a worker gives to hooks that wait.
struct WaitingMeans {
  var timers: PolicyTimers
  var fetcher: PolicyFetcher
}

extension HookFrame {
  /// A frame for a function that runs on its own beside a hook.
  init(of frame: HookFrame) {
    self.init(
      hook: frame.hook, context: frame.context, variables: nil, verdicts: [], loopHandles: [], partHandles: [],
      searchHandles: [], searchBytes: 0)
  }
}
