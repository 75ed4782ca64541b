import TideCore
import TideDialects
import TideLua

/// The policies of one exchange, from its head to its log line. Pinned to the generation of its worker object.
///
/// Order: `begin`, `runAuth`, `fixBindings`, `runRequest`, `runRoute`, `lanes`, `runLog`, `end`. Owned by the exchange,
/// on its worker.
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

  deinit { end() }

  var now: MonotonicTime { worker.blueprint.services.now() }

  // MARK: Phases before the body

  /// The request's head matched a route.
  public func begin(route: String) {
    context.route.name = route
    candidates = worker.blueprint.bindings(ofRoute: route)
    isAnonymous = worker.blueprint.anonymousRoutes.contains(route)
  }

  /// Whether `runAuth` has anything to decide.
  public var needsAuth: Bool { candidates.contains { worker.machines[$0].binding.hooks.contains(.onAuth) } }

  /// Asks the policies that know credentials, in order. The first identity wins and is put in the context; when none
  /// knows the client, it is refused, whatever their `when` says, unless the route is anonymous.
  public func runAuth() -> PolicyOutcome {
    guard needsAuth else { return .proceed }
    for index in candidates {
      let machine = worker.machines[index]
      guard machine.binding.hooks.contains(.onAuth), context.matches(machine.binding.when) else { continue }
      switch call(machine, .onAuth) {
      case .nothing: continue
      case .verdict(.identity(let identity)):
        context.auth = identity
        return .identity(identity)
      case .verdict(.deny(let denial)): return .deny(denial)
      case .verdict(.respond(let answer)): return .respond(answer)
      case .verdict(.cut), .value: continue
      case .failed(.skip): continue
      case .failed: return .deny(.policyFailed)
      }
    }
    return isAnonymous ? .proceed : .deny(.unauthenticated)
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
      return hooks.contains(.onRequest) || !hooks.isDisjoint(with: .lanes)
    }
  }

  public func runRequest() -> PolicyOutcome {
    fixBindings()
    for index in active {
      let machine = worker.machines[index]
      guard machine.binding.hooks.contains(.onRequest) else { continue }
      switch call(machine, .onRequest) {
      case .verdict(.deny(let denial)): return .deny(denial)
      case .verdict(.respond(let answer)): return .respond(answer)
      case .failed(.deny), .failed(.cut): return .deny(.policyFailed)
      case .nothing, .verdict, .value, .failed(.skip): continue
      }
    }
    return .proceed
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
      switch call(machine, .onRoute, extra: .value(list)) {
      case .value(let value):
        do throws(HostError) {
          current = try RouteTargets.read(value, known: targets)
          machine.succeeded(.onRoute)
        } catch {
          let failure = LuaFailure(kind: .error, message: error.message, file: machine.binding.source.path)
          machine.failed(.onRoute, failure, exchangeID: context.id)
          if machine.binding.failureAction(.onRoute) != .skip { return .deny(.policyFailed) }
        }
      case .verdict(.deny(let denial)): return .deny(denial)
      case .verdict(.respond(let answer)): return .respond(answer)
      case .failed(.deny), .failed(.cut): return .deny(.policyFailed)
      case .nothing, .verdict, .failed(.skip): continue
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
    guard !stages.isEmpty, !hasEnded else { return nil }
    let made = PolicyLaneProcessor(run: self, stages: stages)
    processor = made
    return made
  }

  func processorEnded() { processor = nil }

  func filterState(_ machine: BindingMachine) -> FilterState {
    context.filterStates[machine.binding.index] ?? FilterState()
  }

  func answerLimits(_ machine: BindingMachine) -> AnswerLimits? {
    machine.binding.filters.flatMap { AnswerLimits($0, disabled: filterState(machine).disabled) }
  }

  // MARK: Phases after the last byte

  /// Runs `on_log`. What it returns and how it fails changes nothing.
  public func runLog() {
    releasePlaces()
    let list = isFixed ? active : candidates.filter { context.matches(worker.machines[$0].binding.when) }
    for index in list.reversed() where worker.machines[index].binding.hooks.contains(.onLog) {
      _ = call(worker.machines[index], .onLog)
    }
  }

  /// Gives everything back. Later calls do nothing; `ctx` kept by a script is stale from now on.
  public func end() {
    guard !hasEnded else { return }
    hasEnded = true
    releasePlaces()
    processor?.end()
    processor = nil
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

  /// Gives back what the exchange holds of `tide.limit.concurrent`, however it ended.
  private func releasePlaces() {
    for key in context.places { worker.stores.concurrency.release(key) }
    context.places.removeAll()
  }

  private func release(_ slot: Slot, _ machine: BindingMachine) {
    machine.machine.release(slot.context)
    if let variables = slot.variables { machine.machine.release(variables) }
  }

  // MARK: Calls

  enum HookResult {
    case nothing
    case verdict(Verdict)
    case value(LuaValue)
    case failed(PolicyBinding.FailureAction)
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

  private func call(_ machine: BindingMachine, _ hook: HookName, extra: LuaArgument? = nil) -> HookResult {
    let action = machine.binding.failureAction(hook)
    guard let function = machine.mayRun(hook) ? machine.function(hook) : nil else { return .failed(action) }
    let start = MonotonicTime.now()
    let outcome: LuaOutcome
    do throws(LuaFailure) {
      let held = try contextReference(machine)
      machine.host.hookBegins(hook, context, variables: held.variables)
      var arguments: [LuaArgument] = [.reference(held.context), .reference(machine.config)]
      if let extra { arguments.append(extra) }
      outcome = machine.machine.call(
        function, arguments: arguments, budgetNs: machine.binding.manifest.budgets.cpu(hook),
        mode: hook.mayWait ? .coroutine : .sync)
    } catch {
      outcome = .failed(error)
    }
    let result = judge(outcome, machine, hook)
    machine.host.hookEnded()
    machine.noteCall(hook, since: start)
    switch result {
    case .success(let result):
      machine.succeeded(hook)
      return result
    case .failure(let failure):
      machine.failed(hook, failure, exchangeID: context.id)
      return .failed(action)
    }
  }

  private func judge(
    _ outcome: LuaOutcome, _ machine: BindingMachine, _ hook: HookName
  ) -> Result<HookResult, LuaFailure> {
    func failure(_ message: String) -> Result<HookResult, LuaFailure> {
      .failure(LuaFailure(kind: .error, message: message, file: machine.binding.source.path))
    }
    switch outcome {
    case .failed(let failure): return .failure(failure)
    case .yielded(let token):
      machine.machine.cancel(token)
      return failure("\(hook.name) waits, which nothing in this version may")
    case .returned(.nilValue): return .success(.nothing)
    case .returned where hook == .onLog: return .success(.nothing)
    case .returned(.opaque(let opaque)):
      guard let verdict = machine.host.verdict(opaque) else {
        return failure("\(hook.name) returned a verdict that was made in another call")
      }
      guard verdict.isLegal(in: hook) else { return failure("\(verdict.name) cannot be returned from \(hook.name)") }
      return .success(.verdict(verdict))
    case .returned(let value):
      if hook == .onRoute, case .array = value { return .success(.value(value)) }
      return failure(
        "\(hook.name) returned a \(value.typeName); it may return nil" + (hook == .onRoute ? ", a list of targets" : "")
          + " or a verdict")
    }
  }
}
