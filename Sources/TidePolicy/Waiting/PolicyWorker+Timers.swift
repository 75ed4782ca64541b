import TideCore
import TideLua

/// What a worker gives its policies to wait with, and the timers that policies declare.
extension PolicyWorker {
  /// Lets hooks wait. On the worker's thread, before its first exchange.
  ///
  /// - Parameters:
  ///   - limits: where gateways share their limits; nil keeps them in the process.
  ///   - logs: the worker's queue for `on_log`; nil is one of its own.
  public func attach(
    timers: PolicyTimers, fetcher: PolicyFetcher, limits: LimitStore? = nil, logs: PolicyLogQueue? = nil
  ) {
    self.limits = limits
    if let logs { self.logs = logs }
    for machine in machines {
      machine.means = WaitingMeans(timers: timers, fetcher: fetcher)
      machine.host.limits = limits
    }
  }

  /// Starts the policies' timers. On one worker of the process alone, once its generation is the one in use.
  public func startTimers() {
    for machine in machines {
      guard let means = machine.means else { continue }
      for (index, timer) in machine.binding.manifest.timers.enumerated() {
        let running = RunningTimer(machine, index, everyMs: timer.everyMs, means: means)
        runningTimers.append(running)
        running.arm()
      }
    }
  }

  /// Ends the timers with whatever they wait for: the generation is not the one in use any more.
  public func stopTimers() {
    for timer in runningTimers { timer.stop() }
    runningTimers = []
  }
}

/// One of a policy's timers. A run that still waits when its time comes again is left to end.
final class RunningTimer {
  private unowned let machine: BindingMachine
  private let index: Int
  private let everyMs: Int
  private let means: WaitingMeans
  private var token: PolicyTimers.Token?
  private var wait: HookWait?

  init(_ machine: BindingMachine, _ index: Int, everyMs: Int, means: WaitingMeans) {
    self.machine = machine
    self.index = index
    self.everyMs = everyMs
    self.means = means
  }

  deinit { stop() }

  func arm() {
    token = means.timers.after(everyMs) { [unowned self] in
      token = nil
      arm()
      if wait == nil { run() }
    }
  }

  func stop() {
    if let token { means.timers.cancel(token) }
    token = nil
    wait?.cancel()
    wait = nil
  }

  private func run() {
    guard machine.couldRun(.timers), let function = machine.timerFunctions[index], machine.mayRun(.timers) else {
      return
    }
    let begun = BindingMachine.threadTimeNs()
    machine.host.hookBegins(.timers, nil, variables: nil)
    let outcome = machine.machine.call(
      function, arguments: [.reference(machine.config)], budgetNs: machine.binding.manifest.budgets.cpu(.timers),
      mode: .coroutine)
    let spentNs = BindingMachine.threadTimeNs() &- begun
    guard case .yielded(let token) = outcome, let wish = machine.host.wanted else {
      machine.host.hookEnded()
      return ended(outcome, spentNs: spentNs)
    }
    machine.host.wanted = nil
    let waiting = HookWait(
      machine, .timers, frame: machine.host.suspend(), startedNs: spentNs, means: means,
      isTrial: !machine.breaker.isClosed)
    waiting.begin(token, wish)
    if let outcome = waiting.outcome {
      waiting.judged {}
      return ended(outcome, spentNs: waiting.totalNs, waiting)
    }
    wait = waiting
    waiting.onEnd = { [unowned self, unowned waiting] outcome in
      wait = nil
      waiting.judged {}
      ended(outcome, spentNs: waiting.totalNs, waiting)
    }
  }

  private func ended(_ outcome: LuaOutcome, spentNs: UInt64, _ wait: HookWait? = nil) {
    machine.noteCall(.timers, spentNs: spentNs)
    if case .failed(let failure) = outcome {
      machine.failed(
        .timers, failure, exchangeID: "", isOutage: wait?.metOutage ?? false, isTrial: wait?.isTrial ?? true)
    } else {
      machine.succeeded(.timers, isTrial: wait?.isTrial ?? true)
    }
  }
}
