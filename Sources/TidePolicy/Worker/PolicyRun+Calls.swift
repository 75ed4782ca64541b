import TideCore
import TideDialects
import TideLua

/// One hook of one binding: its call, its wait, what it returned.
extension PolicyRun {
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

  func call(_ machine: BindingMachine, _ hook: HookName, extra: LuaValue? = nil) -> HookResult {
    let action = machine.binding.failureAction(hook)
    guard machine.couldRun(hook), let function = machine.function(hook), machine.mayRun(hook) else {
      return .failed(action)
    }
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
    _ result: Result<HookResult, LuaFailure>, _ machine: BindingMachine, _ hook: HookName, _ wait: HookWait? = nil
  ) -> HookResult {
    let isTrial = wait?.isTrial ?? true
    switch result {
    case .success(let result):
      machine.succeeded(hook, isTrial: isTrial)
      return result
    case .failure(let failure):
      machine.failed(
        hook, failure, exchangeID: context.id, isOutage: wait?.metOutage ?? false, isTrial: isTrial)
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
        if hasEnded, !isLogging { release() }
        worker.logs.waitEnded()
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
    // Whatever else waits here has begun before: nothing runs beside a trial.
    let wait = HookWait(
      machine, hook, frame: frame, startedNs: machine.machine.lastCallNs, means: means,
      isTrial: !machine.breaker.isClosed)
    wait.begin(token, wish)
    return wait
  }

  /// Judges a wait that has ended.
  func finish(_ wait: HookWait, _ outcome: LuaOutcome) -> HookResult {
    let machine = wait.machine
    let result = wait.judged { judge(outcome, machine, wait.hook) }
    machine.noteCall(wait.hook, spentNs: wait.totalNs)
    return conclude(result, machine, wait.hook, wait)
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
