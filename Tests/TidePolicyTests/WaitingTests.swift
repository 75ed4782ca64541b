import Testing
import TideCore

@testable import TidePolicy

/// Hooks that wait: where they go on, how they end.
struct WaitingTests {
  private static let config = ConfigNode(
    .map([ConfigNode.Entry(key: "url", value: ConfigNode(.string("http://10.1.2.3:8080/judge")))]))
  private static let schema = "schema = { url = { type = 'url' } }"

  @Test func aHookGoesOnWhereItWasAndTheNextBindingFollows() throws {
    let fixture = try WaitingFixture([
      ("a", "return { on_request = function(ctx) tide.sleep(100) ctx.prompt.system = 'one' end }"),
      (
        "b",
        "return { on_request = function(ctx) tide.sleep('200ms') return tide.deny(402, { message = ctx.prompt.system }) end }"
      ),
    ])
    let run = fixture.policies.run()
    #expect(run.runRequest() == .waiting)
    var decided: PolicyOutcome?
    run.onDecision = { decided = $0 }
    fixture.timers.advance(ms: 100)
    #expect(decided == nil)
    fixture.timers.advance(ms: 199)
    #expect(decided == nil)
    fixture.timers.advance(ms: 1)
    #expect(denied(decided)?.status == 402)
    #expect(denied(decided)?.message == "one")
    #expect(fixture.timers.count == 0)
  }

  @Test func manyExchangesWaitAtOnceWithTheirOwnVerdictsAndParts() throws {
    let fixture = try WaitingFixture(
      """
      return { on_request = function(ctx)
        local verdict = tide.deny(400, { message = ctx.prompt.messages[1].text })
        for part in ctx.prompt:each_text { roles = { "user" } } do
          tide.sleep(10)
          part.text = part.text .. "!"
        end
        return verdict
      end }
      """)
    let runs = (0..<200).map { fixture.policies.run("m\($0)") }
    var decisions: [Int: PolicyOutcome] = [:]
    for (index, run) in runs.enumerated() {
      #expect(run.runRequest() == .waiting)
      run.onDecision = { decisions[index] = $0 }
    }
    fixture.timers.advance(ms: 10)
    for (index, run) in runs.enumerated() {
      #expect(denied(decisions[index])?.message == "m\(index)")
      #expect(run.context.chat?.messages.first?.text == "m\(index)!")
      run.end()
    }
    #expect(fixture.policies.worker.machines[0].waits.isEmpty)
  }

  @Test func theWallBudgetEndsAHookAndItsFailureActs() throws {
    let source = "return { budgets = { on_request = { wall = '1s' } }, on_request = function() tide.sleep('5s') end }"
    let closed = try WaitingFixture(source)
    #expect(denied(closed.request { closed.timers.advance(ms: 1_000) }) == .policyFailed)
    #expect(closed.log.last?.contains("wall budget of 1000 ms") == true)
    #expect(closed.timers.count == 0)
    let open = try WaitingFixture(source, failure: ["on_request": .skip])
    #expect(open.request { open.timers.advance(ms: 1_000) } == .proceed)
    #expect(open.metrics["on_request"]?.errors == 1)
  }

  @Test func timeoutsOpenTheBreaker() throws {
    let fixture = try WaitingFixture(
      "return { budgets = { on_request = { wall = '1s' } }, on_request = function() tide.sleep('5s') end }")
    for _ in 0..<PolicyBreaker.errorsMax { _ = fixture.request { fixture.timers.advance(ms: 1_000) } }
    #expect(fixture.policies.run().runRequest() == .deny(.policyFailed))
    #expect(fixture.metrics["on_request"]?.skippedByBreaker == 1)
  }

  @Test func aClientThatLeavesCancelsTheCall() throws {
    let fixture = try WaitingFixture(
      "return { \(Self.schema), on_request = function(ctx, cfg) tide.http { url = cfg.url } error('not reached') end }",
      config: Self.config)
    let run = fixture.policies.run()
    #expect(run.runRequest() == .waiting)
    run.onDecision = { _ in Issue.record("decided after its end") }
    #expect(fixture.fetcher.calls.count == 1)
    run.log()
    run.end()
    #expect(fixture.fetcher.cancelled == 1)
    #expect(fixture.timers.count == 0)
    #expect(fixture.policies.worker.machines[0].waits.isEmpty)
    #expect(fixture.log.isEmpty)
  }

  @Test func anAbortEndsWhatWaitsInTheSameMachine() throws {
    let fixture = try WaitingFixture(
      """
      return { on_request = function(ctx)
        if ctx.model == "loops" then while true do end end
        tide.sleep("1s")
      end }
      """)
    let waiting = fixture.policies.run()
    #expect(waiting.runRequest() == .waiting)
    var decided: PolicyOutcome?
    waiting.onDecision = { decided = $0 }
    #expect(fixture.policies.run(model: "loops").runRequest() == .deny(.policyFailed))
    #expect(decided == nil)
    fixture.timers.advance(ms: 0)
    #expect(decided == .deny(.policyFailed))
    // The new machine serves the next one, and its coroutine does not disturb it.
    #expect(fixture.request { fixture.timers.advance(ms: 1_000) } == .proceed)
  }

  @Test func aCallBringsItsResponseOrAnError() throws {
    let fixture = try WaitingFixture(
      """
      return { \(Self.schema), on_request = function(ctx, cfg)
        local r, err = tide.http { url = cfg.url, json = { input = "x" }, headers = { ["X-Note"] = "n" }, auth = "t0k", timeout = "2s" }
        if err then return tide.deny(503, { code = err.code, message = err.message }) end
        return tide.deny(r.status, { message = r.json.verdict .. " " .. r.headers["content-type"] .. " " .. #r.body })
      end }
      """, config: Self.config)
    let outcome = fixture.request {
      let request = fixture.fetcher.calls[0].request
      #expect(request.method == "POST")
      #expect(String(decoding: request.body, as: UTF8.self) == #"{"input":"x"}"#)
      #expect(request.headers["authorization"] == "Bearer t0k")
      #expect(request.headers["x-note"] == "n")
      #expect(request.timeoutMs == 2_000)
      #expect(request.headers["content-type"] == "application/json")
      fixture.fetcher.answer(status: 418, json: #"{"verdict":"no"}"#)
    }
    #expect(denied(outcome)?.message == "no application/json 16")
    let failed = fixture.request { fixture.fetcher.fail(FetchFailure(.timeout, "late")) }
    #expect(denied(failed)?.code == "timeout")
  }

  @Test func allRunsAtOnce() throws {
    let fixture = try WaitingFixture(
      """
      return { \(Self.schema), on_request = function(ctx, cfg)
        local function ask() return tide.http { url = cfg.url }.json.n end
        local a, b, c = tide.all { ask, function() return nil end, ask }
        return tide.deny(400, { message = a .. tostring(b) .. c })
      end }
      """, config: Self.config)
    let outcome = fixture.request {
      #expect(fixture.fetcher.calls.count == 2)
      fixture.fetcher.answer(1, json: #"{"n":2}"#)
      fixture.fetcher.answer(0, json: #"{"n":1}"#)
    }
    #expect(denied(outcome)?.message == "1nil2")
  }

  @Test func oneThatFailsEndsAll() throws {
    let fixture = try WaitingFixture(
      """
      return { \(Self.schema), on_request = function(ctx, cfg)
        local a, err = tide.all { function() return tide.http { url = cfg.url } end, function() tide.sleep(5) error("broken") end }
        return tide.deny(400, { message = tostring(a) .. " " .. err.code .. " " .. err.message })
      end }
      """, config: Self.config)
    let outcome = fixture.request { fixture.timers.advance(ms: 5) }
    #expect(denied(outcome)?.message.hasPrefix("nil failed") == true)
    #expect(denied(outcome)?.message.hasSuffix("broken") == true)
    #expect(fixture.fetcher.cancelled == 1)
  }

  @Test func onceRunsForEverybodyAndRemembers() throws {
    let fixture = try WaitingFixture(
      """
      return { \(Self.schema), on_request = function(ctx, cfg)
        local list = tide.once("list", "1m", function() return tide.http { url = cfg.url }.json end)
        return tide.deny(400, { message = list.name })
      end }
      """, config: Self.config)
    var decisions: [PolicyOutcome] = []
    let runs = (0..<3).map { _ in fixture.policies.run() }
    for run in runs {
      #expect(run.runRequest() == .waiting)
      run.onDecision = { decisions.append($0) }
    }
    #expect(fixture.fetcher.calls.count == 1)
    // Whoever asked first leaves; the others still get it.
    runs[0].end()
    fixture.fetcher.answer(json: #"{"name":"x"}"#)
    #expect(decisions.map { denied($0)?.message } == ["x", "x"])
    #expect(denied(fixture.request())?.message == "x")
    #expect(fixture.fetcher.calls.isEmpty)
    fixture.policies.services.advance(ms: 60_001)
    let last = fixture.policies.run()
    #expect(last.runRequest() == .waiting)
    #expect(fixture.fetcher.calls.count == 1)
    last.end()
  }

  @Test func onceWithNobodyLeftIsCancelled() throws {
    let fixture = try WaitingFixture(
      "return { \(Self.schema), on_request = function(ctx, cfg) tide.once('k', 1000, function() return tide.http { url = cfg.url }.status end) end }",
      config: Self.config)
    let run = fixture.policies.run()
    #expect(run.runRequest() == .waiting)
    run.end()
    #expect(fixture.fetcher.cancelled == 1)
    #expect(fixture.timers.count == 0)
  }

  @Test(arguments: [
    "while true do tide.once('k' .. tostring({}), 1, function() return nil end) end",
    "while true do tide.all { function() end } end",
    "local function f() return tide.all { f, f } end f()  while true do tide.all { function() end } end",
  ])
  func aHookThatNeverWaitsForLongIsStoppedByItsProcessorBudget(body: String) throws {
    let fixture = try WaitingFixture("return { on_request = function() \(body) end }")
    #expect(denied(fixture.request()) == .policyFailed)
    #expect(fixture.policies.worker.machines[0].waits.isEmpty)
    #expect(fixture.timers.count == 0)
  }

  @Test func waitingIsRefusedWhereNothingMayWait() throws {
    let fixture = try WaitingFixture("return { on_route = function() tide.sleep(1) end }", failure: ["on_route": .deny])
    #expect(fixture.policies.run().runRoute([RouteTarget(model: "m", cluster: "c")]) == .deny(.policyFailed))
    #expect(fixture.log.last?.contains("tide.sleep waits, which on_route cannot") == true)
    let problems = PolicyFixture.problems("tide.sleep(1) return {}")
    #expect(problems.first?.message.contains("tide.sleep waits") == true)
  }

  @Test func nothingIsWaitedForInsideAComparison() throws {
    let fixture = try WaitingFixture(
      "return { on_request = function() table.sort({ 3, 2, 1 }, function(a, b) tide.sleep(1) return a < b end) end }")
    #expect(fixture.request() == .deny(.policyFailed))
    #expect(fixture.log.last?.contains("cannot wait here") == true)
  }

  @Test func theLogOutlivesItsExchange() throws {
    let fixture = try WaitingFixture(
      """
      return { \(Self.schema), on_log = function(ctx, cfg)
        local r = tide.http { url = cfg.url, json = { id = ctx.id } }
        ctx:log("info", "stored " .. r.status)
      end }
      """, config: Self.config)
    do {
      let run = fixture.policies.run()
      run.log()
      run.end()
    }
    #expect(fixture.fetcher.calls.count == 1)
    fixture.fetcher.answer(json: "{}")
    #expect(fixture.log == ["stored 200"])
    #expect(fixture.policies.worker.logWaitCount == 0)
  }

  /// Nothing of a log runs inside its exchange's end, and what it may ask for is there until it has run.
  @Test func theLogRunsOnceTheWorkerComesToIt() throws {
    let fixture = try WaitingFixture(
      "return { on_log = function(ctx) ctx:log('info', ctx.model .. ' ' .. #ctx.prompt.messages) end }")
    let worker = fixture.policies.worker
    var told = 0
    worker.logs.onWork = { told += 1 }
    weak var last: PolicyRun?
    for model in ["one", "two"] {
      let run = fixture.policies.run(model: model)
      run.runLog()
      run.end()
      last = run
    }
    #expect(fixture.log.isEmpty && told == 1 && worker.isLogging && worker.logs.count == 2)
    #expect(worker.logs.runNext())
    #expect(fixture.log == ["one 1"])
    worker.logs.runAll()
    #expect(fixture.log == ["one 1", "two 1"])
    #expect(!worker.isLogging && !worker.logs.runNext())
    #expect(last == nil, "the exchanges are let go")
  }

  @Test func whatTheQueueHasNoRoomForIsDroppedAndCounted() throws {
    let fixture = try WaitingFixture("return { on_log = function() tide.shared.incr('logs') end }")
    let logs = fixture.policies.worker.logs
    for _ in 0..<(PolicyLogQueue.callsMax + 3) {
      let run = fixture.policies.run()
      run.runLog()
      run.end()
    }
    #expect(logs.count == PolicyLogQueue.callsMax)
    #expect(fixture.metrics["on_log"]?.dropped == 3)
    logs.runAll()
    #expect(fixture.metrics["on_log"]?.count == UInt64(PolicyLogQueue.callsMax))
    // Nor for too much of what they keep.
    for _ in 0..<3 {
      let run = fixture.policies.run()
      run.context.requestSize = PolicyLogQueue.byteCountMax / 2
      run.runLog()
      run.end()
    }
    #expect(logs.count == 2)
    #expect(fixture.metrics["on_log"]?.dropped == 4)
    logs.runAll()
    #expect(!fixture.policies.worker.isLogging)
  }

  @Test func tooManyLogsAreDroppedAndCounted() throws {
    let fixture = try WaitingFixture("return { on_log = function() tide.sleep('1s') end }")
    for _ in 0..<(PolicyWorker.logWaitsMax + 3) {
      let run = fixture.policies.run()
      run.log()
      run.end()
    }
    #expect(fixture.metrics["on_log"]?.dropped == 3)
    fixture.timers.advance(ms: 1_000)
    #expect(fixture.policies.worker.logWaitCount == 0)
    #expect(fixture.policies.worker.machines[0].waits.isEmpty)
  }

  @Test func timersRunUntilTheirGenerationGoes() throws {
    let fixture = try WaitingFixture(
      """
      return { timers = { tick = { every = "1s", run = function(cfg)
        tide.shared.incr("ticks") tide.sleep("1500ms") tide.shared.incr("tocks") end } },
        on_request = function() return tide.deny(400, { message = tide.shared.get("ticks") .. "/" .. (tide.shared.get("tocks") or 0) }) end }
      """)
    fixture.policies.worker.startTimers()
    fixture.timers.advance(ms: 1_000)
    #expect(denied(fixture.request())?.message == "1/0")
    // The second run is due while the first one waits: it is left out.
    fixture.timers.advance(ms: 2_000)
    #expect(denied(fixture.request())?.message == "2/1")
    fixture.policies.worker.stopTimers()
    #expect(fixture.timers.count == 0)
    fixture.timers.advance(ms: 5_000)
    #expect(denied(fixture.request())?.message == "2/1")
  }

  // MARK: Shipped policies that wait

  @Test func aShadowIsSentOnceTheClientHasItsAnswer() throws {
    let config = map(
      ("cluster", .string("candidate")), ("model", .string("candidate-8b")), ("percent", .integer(100)))
    let policies = try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "shadow", config: config.configNode)], folder: shippedFolder)
    let fetcher = ManualFetcher()
    policies.worker.attach(timers: ManualTimers(), fetcher: fetcher)
    let run = policies.run("hello")
    #expect(run.runRequest() == .proceed)
    #expect(fetcher.calls.isEmpty)
    run.log()
    run.end()
    let request = try #require(fetcher.calls.first?.request)
    #expect(request.target == .cluster("candidate", path: "/v1/chat/completions"))
    let body = String(decoding: request.body, as: UTF8.self)
    #expect(body.contains("\"model\":\"candidate-8b\"") && body.contains("\"content\":\"hello\""))
    fetcher.answer(json: "{}")
    let line = try #require(policies.services.log.last)
    #expect(line.message == "shadow")
    #expect(line.fields.contains { $0.name == "status" && $0.value == "200" })
  }
}
