import TideCore
import TideLua
import TidePolicy

/// One test that runs, with everything it started: its clock, its gateways, and the Lua coroutines that wait for them.
final class PolicyTestRun {
  private let machine: LuaMachine
  private let host: PolicyTestHost
  private let helpers: TestHelpers
  private let folder: PolicyFolder
  private let file: String
  private let seed: UInt64
  private let surroundings: RehearsalGateway.Surroundings
  private let deadline: TestDeadline
  private let services: RehearsalServices
  private var gateways: [TestGateway] = []
  /// What went wrong in a function that answers calls of `tide.http`.
  private var callProblem: String?
  /// How often the clock jumped since somebody did something.
  private var jumps = 0
  /// Cases that invariants ran again.
  private(set) var caseCount = 0
  /// The policies that gateways of the test bound, or were to bind.
  private(set) var boundPolicies: Set<String> = []

  init(
    machine: LuaMachine, host: PolicyTestHost, helpers: TestHelpers, folder: PolicyFolder, file: String, seed: UInt64,
    surroundings: RehearsalGateway.Surroundings, deadline: TestDeadline
  ) {
    self.machine = machine
    self.host = host
    self.helpers = helpers
    self.folder = folder
    self.file = file
    self.seed = seed
    services = RehearsalServices(clock: RehearsalClock(), seed: seed, lines: surroundings.lines)
    self.surroundings = surroundings
    self.deadline = deadline
  }

  /// - Returns: what it failed with, and what is known of the case; nil when it passed.
  func run(_ function: LuaFunction) -> (failure: LuaFailure, evidence: CaseEvidence)? {
    defer { host.testEnds() }
    guard var failure = finish([{ [self] in start(helpers.run, function, nil) }])[0] else { return nil }
    var evidence: CaseEvidence?
    if host.raised.hasPrefix(failure.message) {
      failure.message = host.raised
      evidence = host.evidence
    }
    failure.message = UnknownTestName.explained(failure.message)
    if failure.kind == .timeAbort, deadline.hasPassed { failure.message = deadline.problem.message }
    return (failure, evidence ?? CaseEvidence(log: services.log))
  }

  private func start(_ run: LuaFunction, _ function: LuaFunction, _ index: Int?) -> LuaOutcome {
    var arguments: [LuaArgument] = [.reference(function.reference)]
    if let index { arguments.append(.integer(Int64(index))) }
    return machine.call(run, arguments: arguments, budgetNs: deadline.callNs, mode: .coroutine)
  }

  // MARK: Coroutines

  /// A coroutine that waits for an exchange.
  private struct Waiting {
    var index: Int
    var token: LuaToken
    var gateway: TestGateway
    var chat: ChatCase
    var place: Int
    var client: RehearsalClient
  }

  /// Runs coroutines side by side until each has ended.
  private func finish(_ starts: [() -> LuaOutcome]) -> [LuaFailure?] {
    var failures = [LuaFailure?](repeating: nil, count: starts.count)
    var waiting: [Waiting] = []
    for (index, start) in starts.enumerated() {
      failures[index] = proceed(start(), index, &waiting)
    }
    while !waiting.isEmpty {
      if deadline.hasPassed {
        for one in waiting { failures[one.index] = stop(one.token) }
        return failures
      }
      if let done = waiting.firstIndex(where: { $0.client.isOver }) {
        let one = waiting.remove(at: done)
        one.gateway.live.settle()
        failures[one.index] = proceed(goOn(one), one.index, &waiting)
      } else if !turn() {
        let one = waiting.removeFirst()
        failures[one.index] = proceed(
          machine.resume(
            one.token, raising: "the exchange does not end: nobody has anything left to do", budgetNs: deadline.callNs),
          one.index, &waiting)
      }
    }
    return failures
  }

  /// Ends a coroutine that the deadline left waiting, so that it cannot wait again.
  private func stop(_ token: LuaToken) -> LuaFailure {
    machine.cancel(token)
    return LuaFailure(kind: .timeAbort, message: deadline.problem.message)
  }

  private func goOn(_ one: Waiting) -> LuaOutcome {
    var problem = callProblem
    callProblem = nil
    if let call = one.client.unexpectedCalls.first {
      problem = "a policy called \(call.method) \(call.url), which nothing in 'http' answers"
    }
    if let problem {
      host.keep(TestProblem(problem))
      return machine.resume(one.token, raising: problem, budgetNs: deadline.callNs)
    }
    let result = TestResult(one.gateway, one.chat, one.place, one.client)
    return machine.resume(one.token, arguments: [.object(host.handle(result))], budgetNs: deadline.callNs)
  }

  /// What a function of the test answers to a call of `tide.http`. Between turns' steps, when no Lua stands on the stack.
  private func reply(of function: LuaFunction, to call: RehearsalCall) -> UpstreamReply {
    let outcome = machine.call(function, arguments: [.value(call.value.luaValue)], budgetNs: deadline.callNs)
    do throws(TestProblem) {
      switch outcome {
      case .returned(let value): return try UpstreamReply(value, "the answer to \(call.method) \(call.url)")
      case .failed(let failure):
        throw deadline.hasStopped(failure) ? deadline.problem : TestProblem(failure.description)
      case .yielded(let token):
        machine.cancel(token)
        throw TestProblem("a function of 'http' cannot wait")
      }
    } catch {
      callProblem = callProblem ?? error.message
      var reply = UpstreamReply()
      reply.failure = .reset
      return reply
    }
  }

  /// One turn of every gateway; when nothing happens in any, the clock goes on to the next deadline of all.
  private func turn() -> Bool {
    var hasActed = false
    for gateway in gateways where gateway.live.turn() { hasActed = true }
    if hasActed {
      jumps = 0
      return true
    }
    let deadline = gateways.map(\.live.nextDeadline).min() ?? .distantFuture
    jumps += 1
    guard deadline != .distantFuture, jumps < RehearsalGateway.jumpLimit else { return false }
    services.clock.advance(to: deadline)
    for gateway in gateways { gateway.live.clockMoved() }
    return true
  }

  /// Performs what a coroutine asks for until it waits for an exchange or has ended.
  private func proceed(_ first: LuaOutcome, _ index: Int, _ waiting: inout [Waiting]) -> LuaFailure? {
    var outcome = first
    while true {
      switch outcome {
      case .returned: return nil
      case .failed(let failure): return failure
      case .yielded(let token):
        guard let operation = host.operation else { preconditionFailure("a test waits for nothing") }
        host.operation = nil
        if deadline.hasPassed { return stop(token) }
        do throws(TestProblem) {
          if case .chat(let gateway, let value) = operation {
            let chat = try ChatCase(value) { [unowned self] in reply(of: $0, to: $1) }
            let (client, place) = gateway.begin(chat)
            waiting.append(
              Waiting(index: index, token: token, gateway: gateway, chat: chat, place: place, client: client))
            return nil
          }
          let value = try perform(operation)
          outcome = machine.resume(token, arguments: [value], budgetNs: deadline.callNs)
        } catch {
          host.keep(error)
          outcome = machine.resume(token, raising: error.message, budgetNs: deadline.callNs)
        }
      }
    }
  }

  // MARK: Operations

  private func perform(_ operation: PolicyTestHost.Operation) throws(TestProblem) -> LuaArgument {
    switch operation {
    case .chat: return .nilValue
    case .gateway(let value):
      boundPolicies.formUnion((value.entries ?? []).compactMap { $0.value["use"]?.text })
      // Each has numbers of its own: two exchanges of a test never share an identifier.
      let gateway = try TestGateway(
        value, folder: folder, file: file, services: services, seed: seed, number: gateways.count,
        surroundings: surroundings)
      gateways.append(gateway)
      return .object(host.handle(gateway))
    case .matches(let text, let pattern, let message):
      guard try matches(text, pattern) else { throw TestProblem(message) }
    case .raises(let function, let pattern):
      guard let failure = finish([{ [self] in start(helpers.call, function, nil) }])[0] else {
        throw TestProblem("expected an error, but the function returned")
      }
      let text = failure.message
      if let pattern, try !matches(.value(.text(text)), .value(.text(pattern))) {
        throw TestProblem("expected an error that matches \"\(pattern)\"\n  but came \(text)")
      }
      return .value(.text(text))
    case .advance(let ms): try advance(ms)
    case .reload(let name, let source):
      guard gateways.contains(where: { $0.policyNames.contains(name) }) else {
        throw TestProblem("reload: no gateway of this test has the policy \(name)")
      }
      for gateway in gateways { try gateway.reload(name, source) }
    case .concurrent(let count, let function):
      let starts = (1...count).map { number -> () -> LuaOutcome in
        { [self] in start(helpers.call, function, number) }
      }
      if let failure = finish(starts).compactMap(\.self).first { throw TestProblem(failure.description) }
    case .invariant(let result, let options):
      var invariant = Invariant(result, options, deadline)
      defer { caseCount += invariant.caseCount }
      try invariant.check()
    case .budget(let result, let budget):
      try budget.check(try result.gateway.cost(of: result.place, result.chat.delivery))
    }
    return .nilValue
  }

  private func matches(_ text: LuaArgument, _ pattern: LuaArgument) throws(TestProblem) -> Bool {
    switch machine.call(helpers.find, arguments: [text, pattern], budgetNs: deadline.callNs) {
    case .returned(let found): return found.booleanValue == true
    case .failed(let failure): throw deadline.hasStopped(failure) ? deadline.problem : TestProblem(failure.message)
    case .yielded: return false
    }
  }

  /// Moves the clock, stopping wherever something is due.
  private func advance(_ ms: Int) throws(TestProblem) {
    let goal = services.clock.now.advanced(byMs: ms)
    while true {
      if deadline.hasPassed { throw deadline.problem }
      let next = min(gateways.map(\.live.nextDeadline).min() ?? .distantFuture, goal)
      services.clock.advance(to: next)
      for gateway in gateways {
        gateway.live.clockMoved()
        gateway.live.settle()
      }
      if next >= goal { return }
    }
  }
}
