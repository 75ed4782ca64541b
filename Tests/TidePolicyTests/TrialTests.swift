import Testing
import TideCore
import TideDialects

@testable import TidePolicy

/// A breaker that is half open: one call is let through, and all others are answered as `failure` says until it has a result.
@Suite struct TrialTests {
  private static let source = """
    return { on_request = function(ctx)
      if ctx.model == "fails" then error("down") end
      if ctx.model ~= "quick" then tide.sleep("1s") end
      if ctx.model == "fails late" then error("down") end
    end }
    """

  /// A breaker that has opened, and whose time is over.
  private static func halfOpen(_ source: String = source) throws -> WaitingFixture {
    let fixture = try WaitingFixture(source)
    open(fixture)
    return fixture
  }

  private static func open(_ fixture: WaitingFixture) {
    for _ in 0..<PolicyBreaker.errorsMax { _ = fixture.policies.run(model: "fails").runRequest() }
    #expect(fixture.policies.run(model: "quick").runRequest() == .deny(.policyFailed))
    fixture.policies.services.advance(ms: PolicyBreaker.openMs)
  }

  private static func asks(_ fixture: WaitingFixture, _ model: String = "slow") -> PolicyOutcome {
    fixture.policies.run(model: model).runRequest()
  }

  @Test func whileATrialWaitsAllOthersAreRefused() throws {
    let fixture = try Self.halfOpen()
    let trial = fixture.policies.run(model: "slow")
    #expect(trial.runRequest() == .waiting)
    var decided: PolicyOutcome?
    trial.onDecision = { decided = $0 }
    for model in ["slow", "quick", "fails"] { #expect(Self.asks(fixture, model) == .deny(.policyFailed)) }
    #expect(fixture.metrics["on_request"]?.skippedByBreaker == 4)
    fixture.timers.advance(ms: 1_000)
    #expect(decided == .proceed)
    let (first, second) = (fixture.policies.run(model: "slow"), fixture.policies.run(model: "slow"))
    #expect(first.runRequest() == .waiting && second.runRequest() == .waiting)
  }

  @Test func aTrialThatFailsOpensItAgain() throws {
    let fixture = try Self.halfOpen()
    let trial = fixture.policies.run(model: "fails late")
    #expect(trial.runRequest() == .waiting)
    fixture.timers.advance(ms: 1_000)
    #expect(Self.asks(fixture, "quick") == .deny(.policyFailed))
    fixture.policies.services.advance(ms: PolicyBreaker.openMs)
    #expect(Self.asks(fixture, "quick") == .proceed)
    #expect(Self.asks(fixture, "quick") == .proceed)
  }

  @Test func aTrialWhoseClientLeavesFreesThePlace() throws {
    let fixture = try Self.halfOpen()
    let trial = fixture.policies.run(model: "slow")
    #expect(trial.runRequest() == .waiting)
    #expect(Self.asks(fixture, "quick") == .deny(.policyFailed))
    trial.end()
    let next = fixture.policies.run(model: "slow")
    #expect(next.runRequest() == .waiting, "the place is free")
    #expect(Self.asks(fixture, "quick") == .deny(.policyFailed), "and taken again")
    next.end()
    #expect(Self.asks(fixture, "quick") == .proceed)
  }

  /// Who waits since before it opened says nothing about how the policy is now.
  @Test(arguments: ["slow", "fails late"])
  func aResultFromBeforeDecidesNothing(_ model: String) throws {
    let fixture = try WaitingFixture(Self.source)
    let early = fixture.policies.run(model: model)
    #expect(early.runRequest() == .waiting)
    Self.open(fixture)
    fixture.timers.advance(ms: 500)
    let trial = fixture.policies.run(model: "slow")
    #expect(trial.runRequest() == .waiting)
    fixture.timers.advance(ms: 500)
    #expect(Self.asks(fixture, "quick") == .deny(.policyFailed), "the trial still waits")
    fixture.timers.advance(ms: 500)
    #expect(Self.asks(fixture, "quick") == .proceed)
  }

  @Test func aTrialThatHasNoStoreToAskFreesThePlace() throws {
    let limits = ManualLimits()
    let fixture = try WaitingFixture(
      [
        (
          "p",
          """
          return { on_request = function(ctx)
            if ctx.model == "fails" then error("down") end
            if ctx.model == "quick" then return end
            local r, err = tide.limit.take("k", 1, { rate = 1, per = "1s" })
            if err then error(err.message) end
          end }
          """
        )
      ], limits: limits)
    Self.open(fixture)
    let trial = fixture.policies.run(model: "slow")
    #expect(trial.runRequest() == .waiting)
    limits.fail()
    #expect(Self.asks(fixture, "quick") == .proceed)
  }

  @Test(arguments: ["", "on_lane = function() return {} end,"])
  func theFirstTextOfAnAnswerIsTheTrial(_ more: String) throws {
    let fixture = try PolicyFixture([
      ("p", "return { \(more) on_token = function(s, t) if t == 'bad' then error('no') end return t:upper() end }")
    ])
    for _ in 0..<PolicyBreaker.errorsMax {
      var driver = LaneDriver(try #require(fixture.run().lanes))
      _ = driver.answer(["bad"])
    }
    var refused = LaneDriver(try #require(fixture.run().lanes))
    #expect(refused.answer(["a"]) == "" && refused.steps == [.cut])
    fixture.services.advance(ms: PolicyBreaker.openMs)
    var trial = LaneDriver(try #require(fixture.run().lanes))
    #expect(trial.answer(["a", "b"]) == "AB" && trial.steps.isEmpty)
    #expect(fixture.worker.machines[0].breaker.isClosed)
  }

  @Test func aUnitThatWaitsIsTheTrial() throws {
    let fixture = try WaitingFixture(
      """
      return { segment = { unit = "word", wait = true }, on_segment = function(s, t)
        if t == "bad" then error("no") end
        tide.sleep("1s")
        return t:upper()
      end }
      """)
    func answer(_ text: String) throws -> (LaneDriver, PolicyRun) {
      let run = fixture.policies.run()
      var driver = LaneDriver(try #require(run.lanes))
      driver.processor.eventBegins(byteCount: text.utf8.count)
      driver.delta(text)
      return (driver, run)
    }
    for _ in 0..<PolicyBreaker.errorsMax { _ = try answer("bad ") }
    fixture.policies.services.advance(ms: PolicyBreaker.openMs)
    let (trial, _) = try answer("good ")
    #expect(trial.processor.isWaiting)
    let (other, _) = try answer("good ")
    #expect(!other.processor.isWaiting && other.steps == [.cut])
    trial.processor.abandon()
    let (next, _) = try answer("good ")
    #expect(next.processor.isWaiting)
    fixture.timers.advance(ms: 1_000)
    #expect(fixture.policies.worker.machines[0].breaker.isClosed)
  }
}
