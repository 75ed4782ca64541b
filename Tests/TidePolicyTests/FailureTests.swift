import Testing
import TideCore
import TideDialects

@testable import TidePolicy

/// Policies that do what they must not: each is stopped, named and answered as `failure` says, and nobody else notices.
@Suite struct FailureTests {
  private static let hostile: [(String, String)] = [
    ("loop", "while true do end"),
    ("caught", "while true do pcall(function() while true do end end) end"),
    ("memory", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(4096) .. i end"),
    ("pattern", "for i = 1, 1e9 do (('a'):rep(20000)):find('.-.-.-b') end"),
    ("error", "error('boom')"),
    ("odd", "error(setmetatable({}, { __tostring = function() while true do end end }))"),
  ]

  @Test(arguments: hostile)
  func requestsAreDeniedAndOthersGoOn(_ name: String, _ code: String) throws {
    let fixture = try PolicyFixture(
      [
        ("hostile", "return { on_request = function() \(code) end }"),
        (
          "kind",
          "return { on_request = function(ctx) return tide.deny(418, { message = ctx.model }) end, on_token = function(s, t) return t:upper() end }"
        ),
      ], bindings: [],
      routes: ["bad": [PolicyBinding(policy: "hostile")], "good": [PolicyBinding(policy: "kind")]])
    let bystander = fixture.run(route: "good")
    var driver = LaneDriver(try #require(bystander.lanes))
    driver.delta("one ")
    for _ in 0..<3 { #expect(fixture.run(route: "bad").runRequest() == .deny(.policyFailed)) }
    driver.delta("two")
    driver.end()
    #expect(driver.text == "ONE TWO")
    guard case .deny(let denial) = fixture.run(route: "good").runRequest() else {
      Issue.record("the other policy did not run")
      return
    }
    #expect(denial.status == 418)
    let line = try #require(fixture.services.log.first)
    #expect(
      line.level == .error && line.binding == "hostile" && line.hook == "on_request" && line.exchangeID == "req-1")
    let figures = try #require(fixture.worker.metrics.first { $0.binding == "hostile" }).figures
    #expect(figures.count == 3 && figures.errors == 3)
    #expect((name == "error" || name == "odd" || name == "pattern") || figures.aborts == 3)
  }

  /// What a hook returned is wrong where it ends; where it begins is said, and what it may return.
  @Test func aWrongResultNamesTheHooksLineAndWhatIsRight() throws {
    let fixture = try PolicyFixture([
      ("p", "-- A policy.\nreturn {\n  on_request = function(ctx)\n    local n = 413\n    return n\n  end,\n}")
    ])
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
    let line = try #require(fixture.services.log.first)
    #expect(
      line.message.hasSuffix("p.lua:3: on_request returned a number; it may return nil, tide.deny, tide.respond"),
      "\(line.message)")
    #expect(line.fields.contains { $0.name == "at" && $0.value.hasSuffix("p.lua:3") })
  }

  @Test func aBudgetsEndSaysWhatAllowsMore() throws {
    let fixture = try PolicyFixture([
      ("p", "return { budgets = { on_request = { cpu = '3ms' } }, on_request = function() while true do end end }")
    ])
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
    let said = try #require(fixture.services.log.first).message
    #expect(
      said.hasSuffix("p.lua:1: time budget exceeded (3 ms; budgets = { on_request = { cpu = ... } } allows more)"),
      "\(said)")
  }

  @Test(arguments: hostile)
  func laneHooksCut(_ name: String, _ code: String) throws {
    let fixture = try PolicyFixture([("p", "return { on_token = function(s, t) if t == 'now' then \(code) end end }")])
    var driver = LaneDriver(try #require(fixture.run().lanes))
    #expect(driver.answer(["fine ", "now", "never"]) == "fine ")
    #expect(driver.steps == [.cut])
  }

  @Test func streamsOfTheSamePolicySurviveAnAbort() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_lane = function(ctx) return { mark = ctx.model } end, segment = { unit = "word" },
          on_segment = function(s, w) if w == "now" then while true do end end return s.mark .. w end }
        """
      )
    ])
    var other = LaneDriver(try #require(fixture.run(model: "m-").lanes))
    other.delta("a b")
    var hit = LaneDriver(try #require(fixture.run().lanes))
    #expect(hit.answer(["now "]) == "")
    #expect(hit.steps == [.cut])
    other.delta("c d")
    other.end()
    #expect(other.text == "m-a m-bc m-d")
    #expect(other.steps.isEmpty)
  }

  @Test func aStateOfNoHooksMakingIsMadeAnewAfterAnAbort() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        "return { on_token = function(s, t) if t == 'now' then while true do end end s.n = (s.n or 0) + 1 return s.n .. t end }"
      )
    ])
    var other = LaneDriver(try #require(fixture.run().lanes))
    other.delta("a")
    other.delta("b")
    var hit = LaneDriver(try #require(fixture.run().lanes))
    _ = hit.answer(["now"])
    other.delta("c")
    other.delta("d")
    #expect(other.text == "1a2b1c2d")
    #expect(other.steps.isEmpty)
  }

  @Test func skippedHooksLetTextPassInOrder() throws {
    let source =
      "return { segment = { unit = 'word' }, on_segment = function(s, w) if w == 'bad' then error('x') end return w:upper() end }"
    let fixture = try PolicyFixture(
      [("p", source)], bindings: [PolicyBinding(policy: "p", failure: ["on_segment": .skip])])
    var driver = LaneDriver(try #require(fixture.run().lanes))
    #expect(driver.answer(["one ba", "d two", " three"]) == "ONE bad TWO THREE")
    var loop = LaneDriver(
      try #require(
        try PolicyFixture(
          [("p", "return { on_token = function() while true do end end }")],
          bindings: [PolicyBinding(policy: "p", failure: ["on_token": .skip])]
        ).run().lanes))
    #expect(loop.answer(["a", "b"]) == "ab")
  }

  @Test func denyInALaneIsAnErrorOnlyBeforeTheFirstByte() throws {
    let source = "return { failure = { on_token = 'deny' }, on_token = function() error('x') end }"
    let fixture = try PolicyFixture([("p", source)])
    var whole = LaneDriver(try #require(fixture.run(stream: false).lanes))
    _ = whole.answer(["a"])
    #expect(whole.steps == [.fail])
    var stream = LaneDriver(try #require(fixture.run(stream: true).lanes))
    _ = stream.answer(["a"])
    #expect(stream.steps == [.cut])
  }

  @Test func theOperatorsFailureWins() throws {
    let source = "return { failure = { on_request = 'deny' }, on_request = function() error('x') end }"
    let fixture = try PolicyFixture(
      [("p", source)], bindings: [PolicyBinding(policy: "p", failure: ["on_request": .skip])])
    #expect(fixture.run().runRequest() == .proceed)
  }

  @Test func theBreakerStopsRunningAPolicyThatKeepsFailing() throws {
    let fixture = try PolicyFixture([
      ("p", "return { on_request = function(ctx) if ctx.model ~= 'ok' then error('x') end end }")
    ])
    func figures() -> HookMetrics { fixture.worker.metrics[0].figures }
    for _ in 0..<15 { #expect(fixture.run().runRequest() == .deny(.policyFailed)) }
    #expect(figures().errors == 10 && figures().skippedByBreaker == 5)
    fixture.services.advance(ms: 29_999)
    #expect(fixture.run(model: "ok").runRequest() == .deny(.policyFailed))
    fixture.services.advance(ms: 1)
    #expect(fixture.run(model: "ok").runRequest() == .proceed)
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
    #expect(fixture.run(model: "ok").runRequest() == .proceed)
  }

  @Test func countersSurviveAbortsAndGenerations() throws {
    let source = """
      return { on_request = function(ctx)
        local n = tide.shared.incr("n")
        if ctx.model == "loop" then while true do end end
        return tide.deny(400, { message = tostring(n) })
      end }
      """
    let fixture = try PolicyFixture([("p", source)])
    #expect(fixture.run(model: "loop").runRequest() == .deny(.policyFailed))
    let next = try PolicyWorker(blueprint: fixture.blueprint, stores: fixture.store, workerIndex: 1)
    let run = PolicyRun(worker: next, context: fixture.run().context)
    run.begin(route: "chat")
    #expect(run.runRequest() == .deny(Denial(status: 400, message: "2")))
  }

  @Test func anExchangeEndsOnTheGenerationItBeganWith() throws {
    let temporary = TemporaryFolder()
    let services = FixtureServices()
    let store = SharedStore()
    func worker(_ word: String) throws -> PolicyWorker {
      temporary.write("p.lua", "return { on_token = function(s, t) return '\(word)' end }")
      let folder = PolicyFolder(path: temporary.path)
      let blueprint = try PolicyFixture.compile(folder, [PolicyBinding(policy: "p")], services: services).get()
      return try PolicyWorker(blueprint: blueprint, stores: store, workerIndex: 0)
    }
    func driver(_ worker: PolicyWorker) throws -> LaneDriver {
      let run = PolicyRun(
        worker: worker, context: ExchangeContext(id: "x", request: RequestHead(method: "POST", path: "/")))
      run.begin(route: "r")
      return LaneDriver(try #require(run.lanes))
    }
    var old = try driver(worker("old "))
    old.delta("a")
    var new = try driver(worker("new "))
    new.delta("a")
    old.delta("b")
    #expect(old.text == "old old ")
    #expect(new.text == "new ")
  }

  @Test func exchangesLeaveNothingBehind() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_auth = function(ctx) ctx.vars.a = 1 return tide.identity { key_id = "k" } end,
          on_request = function(ctx) for part in ctx.prompt:each_text{} do part.text = part.text end end,
          on_lane = function(ctx, cfg, lane) return { ctx = ctx } end, segment = { unit = "word" },
          on_segment = function(s, w) if w == "b" then return "c" end end, on_log = function(ctx) end }
        """
      ),
      ("q", "return { on_token = function(s, t) s.n = (s.n or 0) + 1 end }"),
    ])
    func exchange() throws {
      let run = fixture.run()
      _ = run.runAuth()
      _ = run.runRequest()
      var driver = LaneDriver(try #require(run.lanes))
      #expect(driver.answer(["a b", " a"]) == "a c a")
      run.log()
      run.end()
    }
    for _ in 0..<500 { try exchange() }
    let slots = fixture.worker.referenceCapacity
    fixture.worker.relieve(budgetNs: 50_000_000)
    for machine in fixture.worker.machines { machine.machine.collect() }
    let bytes = fixture.worker.byteCount
    for _ in 0..<9_500 { try exchange() }
    #expect(fixture.worker.referenceCapacity == slots)
    for machine in fixture.worker.machines {
      machine.machine.collect()
      #expect(machine.host.contexts.capacity <= 2 && machine.host.parts.capacity <= 2)
    }
    #expect(fixture.worker.byteCount < bytes + 64 << 10)
  }
}
