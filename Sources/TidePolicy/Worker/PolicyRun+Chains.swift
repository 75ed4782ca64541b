import TideCore
import TideDialects
import TideLua

/// A phase: one hook of each binding in turn.
extension PolicyRun {
  /// Runs a hook of each binding in turn, until one decides or waits.
  func begin(_ hook: HookName, _ bindings: [Int], extra: LuaValue? = nil) -> PolicyOutcome {
    chain = Chain(hook: hook, bindings: bindings, extra: extra)
    return advance()
  }

  func advance() -> PolicyOutcome {
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
  func decision(_ result: HookResult, of machine: BindingMachine) -> PolicyOutcome? {
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
    case .verdict(.retry(let plan)):
      if plan.targets != nil { chooser = (machine.binding.index, chain.hook) }
      return .retry(plan)
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

  /// The binding whose result the phase has come to last.
  var decidingBinding: Int { chain.bindings[max(0, chain.next - 1)] }

  func note(_ verdict: PolicyDecision.Verdict, by machine: BindingMachine) {
    context.decision = PolicyDecision(binding: machine.binding.name, verdict: verdict)
  }

  /// The hook that the phase waits for has ended.
  func waitEnded(_ wait: HookWait, _ outcome: LuaOutcome) {
    self.wait = nil
    let result = finish(wait, outcome)
    // What was decided so far goes on from here, on the same worker.
    let decided = decision(result, of: wait.machine) ?? advance()
    guard decided != .waiting else { return }
    let told = onDecision
    onDecision = nil
    told?(decided)
  }
}
