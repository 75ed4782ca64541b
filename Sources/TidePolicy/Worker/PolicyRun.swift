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
  var candidates: [Int] = []
  /// Those whose `when` matches; fixed once the model is known.
  var active: [Int] = []
  var isFixed = false
  /// The binding whose targets count, and the hook that chose them; nil while no policy has.
  var chooser: (binding: Int, hook: HookName)?
  var isAnonymous = false
  var slots: [Slot?] = []
  /// Not owned, because the processor keeps the run: whoever decodes the answer may let go of it last. The processor takes it back
  /// when it goes; a weak reference would make each of its retains slow, on every token.
  unowned(unsafe) var processor: PolicyLaneProcessor?
  var hasEnded = false
  /// Gets the decision of a phase that answered `.waiting`; set it then. Taken out before it is called.
  public var onDecision: ((PolicyOutcome) -> Void)?
  /// The phase that runs: its hook, its bindings, and which of them comes next.
  var chain = Chain(hook: .onLoad, bindings: [], extra: nil)
  var wait: HookWait?
  /// Calls of `on_log` that the worker is yet to make, and those that wait.
  var queuedLogCount = 0
  var logWaits: [HookWait] = []

  struct Chain {
    var hook: HookName
    var bindings: [Int]
    var extra: LuaValue?
    var next = 0
    /// The call that `on_tool_call` judges, as the bindings so far have left it.
    var call: ToolCall?
    var isReplaced = false
  }

  /// What the exchange holds in one binding's machine.
  struct Slot {
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

  /// Whether any active binding must see the text of answers, so that one that is not parsed must not pass unless the route says so.
  public var seesAnswerText: Bool {
    active.contains { !worker.machines[$0].binding.hooks.isDisjoint(with: .lanes) }
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

  /// Says in the log that targets are not the gateway's, which the policy that chose last has chosen.
  ///
  /// - Parameters:
  ///   - unknown: what they are.
  ///   - isAll: nothing else was chosen, so that the request fails. Otherwise a line a second is enough.
  public func warn(ofTargets unknown: [String], isAll: Bool) {
    guard let (index, hook) = chooser else { return }
    let machine = worker.machines[index]
    if !isAll {
      if let last = machine.targetsLogged, now.milliseconds(since: last) < 1_000 { return }
      machine.targetsLogged = now
    }
    let name = machine.binding.name
    let list = unknown.joined(separator: ", ")
    worker.blueprint.services.log(
      PolicyLogEntry(
        level: .warning, binding: name, hook: hook.name, exchangeID: context.id,
        message: isAll
          ? "policy \(name): \(hook.name) chose only what this gateway does not have: \(list)"
          : "policy \(name): \(hook.name) chose what this gateway does not have, which is left out: \(list)"))
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
          chooser = (index, .onRoute)
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
}
