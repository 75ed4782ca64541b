import TideCore
import TideDialects
import TideLua

/// The policies of one exchange, from its head to its log line. Pinned to the generation of its worker object.
///
/// Order: `begin`, `runAuth`, `fixBindings`, `runRequest`, `runRoute`, for each attempt `runUpstreamError` or
/// `runResponseStart`, `lanes`, for each tool call `runToolCall`, `runResponseEnd`, `runLog`, `end`. A phase that answers `.waiting` stopped at a hook that waits; it
/// goes on with the next binding when the hook has ended, and `onDecision` gets what the phase decides. Owned by the exchange, on
/// its worker.
public final class PolicyRun {
  public let worker: PolicyWorker
  public let context: ExchangeContext
  /// Bindings of the route, in the order of request hooks.
  private var candidates: [Int] = []
  /// Those whose `when` matches; fixed once the model is known.
  private(set) var active: [Int] = []
  private var isFixed = false
  private var isAnonymous = false
  private var slots: [Slot?] = []
  /// Not owned, because the processor keeps the run: whoever decodes the answer may let go of it last. The processor takes it back
  /// when it goes; a weak reference would make each of its retains slow, on every token.
  private unowned(unsafe) var processor: PolicyLaneProcessor?
  private var hasEnded = false
  /// Gets the decision of a phase that answered `.waiting`; set it then. Taken out before it is called.
  public var onDecision: ((PolicyOutcome) -> Void)?
  /// The phase that runs: its hook, its bindings, and which of them comes next.
  private var chain = Chain(hook: .onLoad, bindings: [], extra: nil)
  private var wait: HookWait?
  /// Calls of `on_log` that go on after the exchange.
  private var logWaits: [HookWait] = []

  private struct Chain {
    var hook: HookName
    var bindings: [Int]
    var extra: LuaValue?
    var next = 0
    /// The call that `on_tool_call` judges, as the bindings so far have left it.
    var call: ToolCall?
    var isReplaced = false
  }

  /// What the exchange holds in one binding's machine.
  private struct Slot {
    /// Void once the machine is another.
    var epoch: UInt32
    var handle: LuaHandle
    var context: LuaRef
    var variables: LuaRef?
  }

  public init(worker: PolicyWorker, context: ExchangeContext) {
    self.worker = worker
    self.context = context
  }

  deinit {
    end()
    release()
  }

  var now: MonotonicTime { worker.blueprint.services.now() }

  // MARK: Phases before the body

  /// The request's head matched a route.
  public func begin(route: String) {
    context.route.name = route
    // Where nobody knows credentials, nobody is refused for want of them.
    guard worker.hasMachines else { return }
    candidates = worker.blueprint.bindings(ofRoute: route)
    isAnonymous = worker.blueprint.anonymousRoutes.contains(route)
  }

  /// Whether `runAuth` has anything to decide.
  public var needsAuth: Bool { candidates.contains { worker.machines[$0].binding.hooks.contains(.onAuth) } }

  /// Asks the policies that know credentials, in order. The first identity wins and is put in the context; when none
  /// knows the client, it is refused, whatever their `when` says, unless the route is anonymous.
  public func runAuth() -> PolicyOutcome {
    guard needsAuth else { return .proceed }
    return begin(.onAuth, candidates)
  }

  // MARK: Phases once the body is read

  /// Decides which bindings see the exchange, once: the model, the kind and the tenant are known.
  public func fixBindings() {
    guard !isFixed else { return }
    isFixed = true
    active = candidates.filter { context.matches(worker.machines[$0].binding.when) }
  }

  /// Whether any active binding must see text: a request that is not parsed must then not pass unless the route says
  /// so.
  public var seesText: Bool {
    active.contains { index in
      let hooks = worker.machines[index].binding.hooks
      return hooks.contains(.onRequest) || hooks.contains(.onToolCall) || !hooks.isDisjoint(with: .lanes)
    }
  }

  /// Whether an active policy may ask for the prompt.
  public var mayReadPrompt: Bool {
    active.contains { !worker.machines[$0].binding.hooks.isDisjoint(with: .prompts) }
  }

  public func runRequest() -> PolicyOutcome {
    fixBindings()
    return begin(.onRequest, active)
  }

  /// Whether `runRoute` would ask any policy.
  public var needsRoute: Bool {
    fixBindings()
    return active.contains { worker.machines[$0].binding.hooks.contains(.onRoute) }
  }

  /// - Parameter targets: what the configuration gives for the model, in its order.
  public func runRoute(_ targets: [RouteTarget]) -> RouteOutcome {
    fixBindings()
    var current = targets
    for index in active {
      let machine = worker.machines[index]
      guard machine.binding.hooks.contains(.onRoute) else { continue }
      let list = RouteTargets.luaValue(current)
      switch call(machine, .onRoute, extra: list) {
      case .value(let value):
        do throws(HostError) {
          current = try RouteTargets.read(value, known: targets)
          machine.succeeded(.onRoute)
        } catch {
          let failure = LuaFailure(kind: .error, message: error.message, file: machine.binding.source.path)
          machine.failed(.onRoute, failure, exchangeID: context.id)
          guard machine.binding.failureAction(.onRoute) == .skip else {
            note(.error, by: machine)
            return .deny(.policyFailed)
          }
        }
      case .verdict(.deny(let denial)):
        note(.deny, by: machine)
        return .deny(denial)
      case .verdict(.respond(let answer)):
        note(.respond, by: machine)
        return .respond(answer)
      case .failed(.deny), .failed(.cut):
        note(.error, by: machine)
        return .deny(.policyFailed)
      case .nothing, .verdict, .failed(.skip), .waiting: continue
      }
    }
    return .targets(current)
  }

  /// The text side of the active bindings, last to first; nil when none has lane hooks. The caller keeps it as long as
  /// the answer runs.
  public var lanes: PolicyLaneProcessor? {
    fixBindings()
    if let processor { return processor }
    let stages = active.reversed().filter { !worker.machines[$0].binding.hooks.isDisjoint(with: .lanes) }
    guard !stages.isEmpty || has(.onResponseEnd) || countsAnswer || keepsText, !hasEnded else { return nil }
    let made = PolicyLaneProcessor(run: self, stages: stages)
    made.requestIsDecided(expectsAnswer: false)
    processor = made
    return made
  }

  func processorEnded() { processor = nil }

  /// Whether budgets are debited as the answer's tokens pass.
  private var countsAnswer: Bool { context.kind == .chat && context.reservations.contains { $0.count != .input } }

  /// Whether a policy asks for the answer's text when it has ended.
  var keepsText: Bool {
    context.kind == .chat && active.contains { worker.machines[$0].binding.manifest.keepsText }
  }

  /// The channels whose text the gateway itself must see: what budgets count, and what is kept. Signed thinking would have to wait for its
  /// signature: its usage counts it.
  var ownChannels: ChannelSet {
    var channels: ChannelSet = keepsText ? [.text] : []
    if countsAnswer {
      channels.formUnion(context.chat?.dialect == .anthropic ? [.text] : [.text, .reasoning, .refusal])
    }
    return channels
  }

  /// Whether budgets that gateways share are debited as the answer's tokens pass, so that it may have to wait for them.
  var drawsAnswer: Bool { countsAnswer && context.reservations.contains { $0.shared != nil } }

  func answerAllowance() -> AnswerAllowance? {
    countsAnswer ? AnswerAllowance(context, worker.stores, worker.blueprint.services, shared: worker.limits) : nil
  }

  func filterState(_ machine: BindingMachine) -> FilterState {
    context.filterStates[machine.binding.index] ?? FilterState()
  }

  func answerLimits(_ machine: BindingMachine) -> AnswerLimits? {
    machine.binding.filters.flatMap { AnswerLimits($0, disabled: filterState(machine).disabled) }
  }

  // MARK: Phases of an answer

  /// Whether any active binding has the hook: phases of an answer cost nothing where none does.
  public func has(_ hook: HookName) -> Bool {
    fixBindings()
    return active.contains { worker.machines[$0].binding.hooks.contains(hook) }
  }

  /// An attempt failed, and nothing was sent to the client yet.
  public func runUpstreamError(_ error: UpstreamError) -> PolicyOutcome {
    guard has(.onUpstreamError) else { return .proceed }
    return begin(.onUpstreamError, active.reversed(), extra: error.luaValue)
  }

  /// The upstream's head is known, and nothing was sent to the client yet.
  public func runResponseStart() -> PolicyOutcome {
    guard has(.onResponseStart) else { return .proceed }
    return begin(.onResponseStart, active.reversed())
  }

  /// A tool call is whole, and the client has nothing of it yet.
  public func runToolCall(_ call: ToolCall) -> PolicyOutcome {
    guard has(.onToolCall) else { return .tool(.pass) }
    chain = Chain(hook: .onToolCall, bindings: active.reversed(), extra: call.luaValue, call: call)
    return advance()
  }

  /// All lanes are drained, and the finish event was not sent yet.
  public func runResponseEnd() -> PolicyOutcome {
    guard has(.onResponseEnd) else { return .proceed }
    return begin(.onResponseEnd, active.reversed())
  }

  // MARK: Phases after the last byte

  /// Runs `on_log`. What it returns and how it fails changes nothing. One that waits goes on by itself; too many that do, and
  /// further ones are dropped.
  public func runLog() {
    abandon()
    releasePlaces()
    let list = isFixed ? active : candidates.filter { context.matches(worker.machines[$0].binding.when) }
    for index in list.reversed() where worker.machines[index].binding.hooks.contains(.onLog) {
      let machine = worker.machines[index]
      guard worker.logWaitCount < PolicyWorker.logWaitsMax else {
        machine.metrics[Int(HookName.onLog.rawValue)].dropped &+= 1
        continue
      }
      _ = call(machine, .onLog)
    }
  }

  /// Ends the hook that waits, if one does: nobody wants its decision any more.
  public func abandon() {
    onDecision = nil
    wait?.cancel()
    wait = nil
  }

  /// Gives everything back, once the calls of `on_log` that still wait have ended. Later calls do nothing; `ctx` kept by a script is
  /// stale from then on.
  public func end() {
    guard !hasEnded else { return }
    hasEnded = true
    abandon()
    releasePlaces()
    processor?.end()
    processor = nil
    if logWaits.isEmpty { release() }
  }

  private func release() {
    // A log that went on may have taken some.
    releasePlaces()
    for index in slots.indices {
      guard let slot = slots[index] else { continue }
      let machine = worker.machines[index]
      machine.host.contexts.remove(slot.handle)
      if slot.epoch == machine.epoch { release(slot, machine) }
      machine.relieve(budgetNs: 200_000)
    }
    slots = []
    active = []
    candidates = []
  }

  /// Gives back what the exchange holds of `tide.limit`, however it ended.
  private func releasePlaces() {
    for place in context.places {
      if let shared = place.shared {
        worker.limits?.deliver(.release(shared, member: place.member))
      } else {
        worker.stores.concurrency.release(place.key)
      }
    }
    context.places.removeAll()
    processor?.stopDrawing()
    if !context.reservations.isEmpty { settleReservations() }
  }

  /// Makes the budgets agree with the exchange's usage. An answer whose usage nobody knows costs what was reserved for it, and an exchange
  /// that no engine answered costs nothing.
  private func settleReservations() {
    let services = worker.blueprint.services
    let moment = TokenBudget.Moment(monotonic: services.now(), wallMs: Int(services.wallClockMs()))
    let isAnswered = context.response.map { $0.source == .upstream && $0.status < 400 } ?? false
    for reservation in context.reservations {
      let cost = context.usage.map(reservation.cost) ?? (isAnswered ? reservation.taken : 0)
      if let shared = reservation.shared {
        if let settling = reservation.settling(cost, of: shared) { worker.limits?.deliver(settling) }
        continue
      }
      do throws(SharedStore.StoreError) {
        try worker.stores.settle(
          reservation.debits, cost: cost, of: reservation.key, reservation.budget, at: moment)
      } catch {
        services.log(
          PolicyLogEntry(
            level: .error, binding: "", exchangeID: context.id,
            message: "\(cost) tokens could not be booked: \(error.message)"))
      }
    }
    context.reservations = []
  }

  private func release(_ slot: Slot, _ machine: BindingMachine) {
    machine.machine.release(slot.context)
    if let variables = slot.variables { machine.machine.release(variables) }
  }

  // MARK: Chains

  /// Runs a hook of each binding in turn, until one decides or waits.
  private func begin(_ hook: HookName, _ bindings: [Int], extra: LuaValue? = nil) -> PolicyOutcome {
    chain = Chain(hook: hook, bindings: bindings, extra: extra)
    return advance()
  }

  private func advance() -> PolicyOutcome {
    while chain.next < chain.bindings.count {
      let machine = worker.machines[chain.bindings[chain.next]]
      chain.next += 1
      guard machine.binding.hooks.contains(chain.hook) else { continue }
      if chain.hook == .onAuth, !context.matches(machine.binding.when) { continue }
      let result = call(machine, chain.hook, extra: chain.extra)
      if case .waiting = result { return .waiting }
      if let outcome = decision(result, of: machine) { return outcome }
    }
    if let call = chain.call {
      return .tool(chain.isReplaced ? .replace(name: call.name, arguments: call.arguments) : .pass)
    }
    return chain.hook == .onAuth && !isAnonymous ? .deny(.unauthenticated) : .proceed
  }

  /// What one binding's result decides for the phase; nil when the next one is asked.
  private func decision(_ result: HookResult, of machine: BindingMachine) -> PolicyOutcome? {
    switch result {
    case .verdict(.deny): note(.deny, by: machine)
    case .verdict(.respond): note(.respond, by: machine)
    case .verdict(.cut): note(.cut, by: machine)
    case .failed(let action) where action != .skip: note(.error, by: machine)
    default: break
    }
    switch result {
    case .verdict(.identity(let identity)):
      context.auth = identity
      return .identity(identity)
    case .verdict(.deny(let denial)): return .deny(denial)
    case .verdict(.respond(let answer)): return .respond(answer)
    case .verdict(.retry(let plan)): return .retry(plan)
    case .verdict(.cut(let cut)): return .cut(cut)
    case .verdict(.tool(let edit)):
      if let message = edit.denial { return .tool(.deny(message: message)) }
      if let name = edit.name { chain.call?.name = name }
      if let arguments = edit.arguments { chain.call?.arguments = arguments }
      chain.isReplaced = true
      chain.extra = chain.call?.luaValue
      return nil
    case .failed(.deny) where chain.hook == .onToolCall: return .tool(.deny(message: ToolCall.withheld))
    case .failed(.cut) where chain.hook == .onToolCall: return .failed(.cut)
    case .failed(.skip), .nothing, .value, .waiting: return nil
    // A credential that could not be judged is refused, and so is everything else; an answer that has begun can only be cut.
    case .failed: return chain.hook == .onResponseEnd ? .failed(.cut) : .deny(.policyFailed)
    }
  }

  func note(_ verdict: PolicyDecision.Verdict, by machine: BindingMachine) {
    context.decision = PolicyDecision(binding: machine.binding.name, verdict: verdict)
  }

  /// The hook that the phase waits for has ended.
  private func waitEnded(_ wait: HookWait, _ outcome: LuaOutcome) {
    self.wait = nil
    let result = finish(wait, outcome)
    // What was decided so far goes on from here, on the same worker.
    let decided = decision(result, of: wait.machine) ?? advance()
    guard decided != .waiting else { return }
    let told = onDecision
    onDecision = nil
    told?(decided)
  }

  // MARK: Calls

  enum HookResult {
    case nothing
    case verdict(Verdict)
    case value(LuaValue)
    case failed(PolicyBinding.FailureAction)
    /// `waitEnded` gets its end.
    case waiting
  }

  /// `ctx` in the binding's machine, and its `vars`.
  func contextReference(
    _ machine: BindingMachine
  ) throws(LuaFailure) -> (context: LuaRef, variables: LuaRef?) {
    let index = machine.binding.index
    if slots.isEmpty { slots = Array(repeating: nil, count: worker.machines.count) }
    if let slot = slots[index], slot.epoch == machine.epoch { return (slot.context, slot.variables) }
    let handle = slots[index]?.handle ?? machine.host.contexts.insert(context)
    // A table of an aborted machine is lost; the exchange gets an empty one.
    do throws(LuaFailure) {
      let reference = try machine.machine.reference(object: handle)
      let variables = machine.binding.usesVariables ? try machine.machine.referenceTable() : nil
      slots[index] = Slot(epoch: machine.epoch, handle: handle, context: reference, variables: variables)
      return (reference, variables)
    } catch {
      if slots[index] == nil { machine.host.contexts.remove(handle) }
      throw error
    }
  }

  private func call(_ machine: BindingMachine, _ hook: HookName, extra: LuaValue? = nil) -> HookResult {
    let action = machine.binding.failureAction(hook)
    guard let function = machine.mayRun(hook) ? machine.function(hook) : nil else { return .failed(action) }
    let start = MonotonicTime.now()
    let outcome: LuaOutcome
    do throws(LuaFailure) {
      let held = try contextReference(machine)
      machine.host.hookBegins(hook, context, variables: held.variables)
      var arguments: [LuaArgument] = [.reference(held.context), .reference(machine.config)]
      if let extra { arguments.append(.value(extra)) }
      outcome = machine.machine.call(
        function, arguments: arguments, budgetNs: machine.binding.manifest.budgets.cpu(hook),
        mode: hook.mayWait ? .coroutine : .sync)
    } catch {
      outcome = .failed(error)
    }
    if case .yielded(let token) = outcome { return startWaiting(machine, hook, token) }
    let result = judge(outcome, machine, hook)
    machine.host.hookEnded()
    machine.noteCall(hook, since: start)
    return conclude(result, machine, hook)
  }

  private func conclude(
    _ result: Result<HookResult, LuaFailure>, _ machine: BindingMachine, _ hook: HookName, isOutage: Bool = false
  ) -> HookResult {
    switch result {
    case .success(let result):
      machine.succeeded(hook)
      return result
    case .failure(let failure):
      machine.failed(hook, failure, exchangeID: context.id, isOutage: isOutage)
      return .failed(machine.binding.failureAction(hook))
    }
  }

  // MARK: Waiting

  private func startWaiting(_ machine: BindingMachine, _ hook: HookName, _ token: LuaToken) -> HookResult {
    let wait: HookWait
    do throws(LuaFailure) {
      wait = try beginWait(machine, hook, token)
    } catch {
      machine.failed(hook, error, exchangeID: context.id)
      return .failed(machine.binding.failureAction(hook))
    }
    if let outcome = wait.outcome { return finish(wait, outcome) }
    if hook == .onLog {
      logWaits.append(wait)
      worker.logWaitCount += 1
      // The log outlives its exchange: the wait keeps the run.
      wait.onEnd = { [self, unowned wait] outcome in
        _ = finish(wait, outcome)
        logWaits.removeAll { $0 === wait }
        worker.logWaitCount -= 1
        if logWaits.isEmpty, hasEnded { release() }
      }
    } else {
      self.wait = wait
      wait.onEnd = { [unowned self, unowned wait] outcome in waitEnded(wait, outcome) }
    }
    return .waiting
  }

  /// Begins to wait for a hook that yielded; it may have ended already.
  func beginWait(_ machine: BindingMachine, _ hook: HookName, _ token: LuaToken) throws(LuaFailure) -> HookWait {
    let wish = machine.host.wanted
    machine.host.wanted = nil
    let frame = machine.host.suspend()
    guard let means = machine.means, let wish else {
      machine.machine.cancel(token)
      throw LuaFailure(
        kind: .error, message: "\(hook.name) waits, which nothing here can", file: machine.binding.source.path)
    }
    let wait = HookWait(machine, hook, frame: frame, startedNs: machine.machine.lastCallNs, means: means)
    wait.begin(token, wish)
    return wait
  }

  /// Judges a wait that has ended.
  private func finish(_ wait: HookWait, _ outcome: LuaOutcome) -> HookResult {
    let machine = wait.machine
    let result = wait.judged { judge(outcome, machine, wait.hook) }
    machine.noteCall(wait.hook, spentNs: wait.totalNs)
    return conclude(result, machine, wait.hook, isOutage: wait.metOutage)
  }

  private func judge(
    _ outcome: LuaOutcome, _ machine: BindingMachine, _ hook: HookName
  ) -> Result<HookResult, LuaFailure> {
    func failure(_ message: String) -> Result<HookResult, LuaFailure> {
      .failure(LuaFailure(kind: .error, message: message, file: machine.binding.source.path))
    }
    switch outcome {
    case .failed(let failure): return .failure(failure)
    case .yielded: return failure("\(hook.name) is still waiting")
    case .returned(.nilValue): return .success(.nothing)
    case .returned where hook == .onLog: return .success(.nothing)
    case .returned(.opaque(let opaque)):
      guard let verdict = machine.host.verdict(opaque) else {
        return failure("\(hook.name) returned a verdict that was made in another call")
      }
      guard verdict.isLegal(in: hook) else { return failure("\(verdict.name) cannot be returned from \(hook.name)") }
      if case .tool(let edit) = verdict, let arguments = edit.arguments, let call = chain.call {
        // A tool that takes JSON must get JSON; one that takes any text gets any.
        guard ToolCall.isJSON(arguments) || !ToolCall.isJSON(call.arguments) else {
          return failure("tide.tool: args is not valid JSON: \(arguments.prefix(80))")
        }
      }
      return .success(.verdict(verdict))
    case .returned(let value):
      if hook == .onRoute, case .array = value { return .success(.value(value)) }
      return failure(
        "\(hook.name) returned a \(value.typeName); it may return \(hook.returns.replacing("`", with: ""))")
    }
  }
}
