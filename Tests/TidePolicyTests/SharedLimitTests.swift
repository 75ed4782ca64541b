import Testing
import TideCore
import TideDialects
import TideLua

@testable import TidePolicy

/// `tide.limit` where gateways share it: hooks wait for the store, and what an exchange holds there comes back however it ends.
struct SharedLimitTests {
  private let limits = ManualLimits()

  private func fixture(_ body: String) throws -> WaitingFixture {
    try WaitingFixture([("p", "return { on_request = function(ctx) \(body) end }")], limits: limits)
  }

  private static let tokens = """
    local r, err = tide.limit.tokens('k', { tokens = 1000, per = '1h', count = 'output' })
    if not r then error(err.message) end
    if not r.ok then return tide.deny(429) end
    """
  private static let place = """
    local r = tide.limit.concurrent('k', 3)
    if not r.ok then return tide.deny(429) end
    """
  private let key = LimitKey(owner: "binding:p", text: "output/3600000ms/k")
  private var hour: TokenBudget {
    get throws { try #require(TokenBudget(tokens: 1_000, period: .rolling(milliseconds: 3_600_000))) }
  }

  // MARK: Waiting

  @Test func aHookWaitsForItsRateAndGoesOn() throws {
    let fixture = try fixture(
      """
      local r = tide.limit.take('k', 2, { rate = 10, per = '1s', burst = 5 })
      return tide.deny(429, { message = tostring(r.ok) .. ' ' .. r.remaining .. ' ' .. tostring(r.retry_after) })
      """)
    let outcome = fixture.request {
      #expect(
        limits.asked.first?.operation
          == .take(LimitKey(owner: "binding:p", text: "k"), amount: 2, RateLimit(rate: 10, perMs: 1_000, burst: 5)!))
      limits.answer(LimitReply(isAllowed: false, remaining: 1, retryAfterMs: 70))
    }
    #expect(denied(outcome)?.message == "false 1 70")
    #expect(limits.asked.isEmpty && limits.delivered.isEmpty)
  }

  @Test func aStoreThatIsAwayIsAnError() throws {
    let fixture = try fixture(
      """
      local r, err = tide.limit.take('k', 1, { rate = 1, per = '1s' })
      return tide.deny(503, { code = err.code, message = tostring(r) .. ' ' .. err.message })
      """)
    let outcome = fixture.request { limits.fail() }
    #expect(denied(outcome)?.code == "store_unavailable")
    #expect(denied(outcome)?.message == "nil away")
    #expect(denied(fixture.request { limits.fail(.refused) })?.code == "store_refused")
  }

  @Test func keysThatAreTooLongNeverLeave() throws {
    for call in [
      "tide.limit.take(('k'):rep(513), 1, { rate = 1, per = '1s' })", "tide.limit.concurrent(('k'):rep(513), 1)",
      "tide.limit.tokens(('k'):rep(513), { tokens = 1, per = 'day' })",
    ] {
      let fixture = try fixture("local r, err = \(call) return tide.deny(400, { code = err.code })")
      #expect(denied(fixture.request())?.code == "bad_value")
    }
    #expect(limits.asked.isEmpty)
  }

  @Test func failuresForWantOfAStoreOpenNoBreaker() throws {
    let fixture = try fixture(Self.tokens)
    for _ in 0..<3 * PolicyBreaker.errorsMax {
      #expect(fixture.request { limits.fail() } == .deny(.policyFailed))
    }
    #expect(fixture.log.count == 1, "\(fixture.log)")
    #expect(fixture.metrics["on_request"]?.errors == UInt64(3 * PolicyBreaker.errorsMax))
    #expect(fixture.request { limits.grant(16) } == .proceed)
  }

  @Test func timersMayTakeARate() throws {
    let fixture = try WaitingFixture(
      [
        (
          "p",
          """
          return { timers = { t = { every = '1s', run = function()
            local r = tide.limit.take('k', 1, { rate = 1, per = '1s' })
            tide.log('info', tostring(r.ok))
          end } } }
          """
        )
      ], limits: limits)
    fixture.policies.worker.startTimers()
    fixture.timers.advance(ms: 1_000)
    limits.answer(LimitReply(isAllowed: true, remaining: 0))
    #expect(fixture.log == ["true"])
    fixture.policies.worker.stopTimers()
  }

  // MARK: What comes back

  @Test func aClientThatLeavesWhileItWaitsHoldsNothing() throws {
    for (body, reply) in [
      (Self.place, LimitReply(isAllowed: true, remaining: 0)),
      (Self.tokens, LimitReply(isAllowed: true, remaining: 0, debit: .init(slot: 3, tokens: 16))),
    ] {
      let limits = ManualLimits()
      let fixture = try WaitingFixture([("p", "return { on_request = function(ctx) \(body) end }")], limits: limits)
      let run = fixture.policies.run()
      #expect(run.runRequest() == .waiting)
      let operation = try #require(limits.asked.first?.operation)
      run.log()
      run.end()
      #expect(limits.delivered.isEmpty, "the store has not said yet that it was granted")
      limits.answer(reply)
      #expect(limits.delivered == [try #require(operation.undoing(reply))])
    }
  }

  @Test func aRefusalThatComesTooLateNeedsNothing() throws {
    let fixture = try fixture(Self.place)
    let run = fixture.policies.run()
    #expect(run.runRequest() == .waiting)
    run.end()
    limits.answer(LimitReply(isAllowed: false, remaining: 0))
    #expect(limits.delivered.isEmpty)
  }

  @Test func aPlaceIsHeldOnceAndGivenBackAtTheEnd() throws {
    let fixture = try fixture(Self.place + "\n" + Self.place)
    let run = fixture.policies.run()
    let outcome = fixture.decide(run, { $0.runRequest() }) {
      limits.answer(LimitReply(isAllowed: true, remaining: 2))
      limits.answer(LimitReply(isAllowed: true, remaining: 2))
    }
    #expect(outcome == .proceed)
    guard
      case .acquire(let key, 3, let member)? = run.context.places.first.map({
        LimitOperation.acquire($0.shared!, maximum: 3, member: $0.member)
      })
    else {
      Issue.record("no place")
      return
    }
    #expect(run.context.places.count == 1 && member.utf8.count == 32)
    run.end()
    run.end()
    #expect(limits.delivered == [.release(key, member: member)])
  }

  @Test func whatTwoCoroutinesAskForAtOnceIsHeldOnce() throws {
    let fixture = try fixture(
      "tide.all { function() \(Self.place) end, function() \(Self.place) end, function() \(Self.tokens) end, "
        + "function() \(Self.tokens) end }")
    let run = fixture.policies.run()
    let outcome = fixture.decide(run, { $0.runRequest() }) {
      let asked = limits.asked.map(\.operation)
      #expect(asked.count == 4)
      limits.answer(LimitReply(isAllowed: true, remaining: 2))
      limits.answer(LimitReply(isAllowed: true, remaining: 1))
      limits.grant(16)
      limits.grant(16)
      guard case .acquire(let key, _, let member) = asked[1] else { return }
      #expect(limits.delivered.first == .release(key, member: member))
    }
    #expect(outcome == .proceed)
    #expect(run.context.places.count == 1 && run.context.reservations.count == 1)
    #expect(limits.delivered.last == .giveBack(key, try hour, [.init(slot: 7, tokens: 16)]))
    run.end()
    #expect(limits.delivered.count == 4)
  }

  @Test func anExchangeSettles() throws {
    func delivered(_ end: (PolicyRun) -> Void) throws -> [LimitOperation] {
      let limits = ManualLimits()
      let fixture = try WaitingFixture(
        [("p", "return { on_request = function(ctx) \(Self.tokens) end }")], limits: limits)
      let run = fixture.policies.run()
      #expect(fixture.decide(run, { $0.runRequest() }, later: { limits.grant(16, slot: 5) }) == .proceed)
      end(run)
      run.end()
      return limits.delivered
    }
    #expect(try delivered { _ in } == [.giveBack(key, try hour, [.init(slot: 5, tokens: 16)])], "no engine answered")
    let answered: (PolicyRun, Int) -> Void = { run, tokens in
      run.context.response = ExchangeContext.Response(status: 200)
      run.context.usage = TokenUsage(prompt: 3, completion: tokens)
    }
    #expect(try delivered { answered($0, 10) } == [.giveBack(key, try hour, [.init(slot: 5, tokens: 6)])])
    #expect(try delivered { answered($0, 16) } == [])
    #expect(try delivered { answered($0, 40) } == [.charge(key, try hour, tokens: 24)])
    #expect(try delivered { $0.context.response = ExchangeContext.Response(status: 200) } == [], "nobody has counted")
  }

  /// A machine that is broken is replaced, whatever the store was meanwhile: what follows would run in its ruins.
  @Test func anOutageDoesNotHideABrokenMachine() throws {
    let fixture = try fixture("if ctx.model == 'loops' then while true do end end")
    let machine = fixture.policies.worker.machines[0]
    let source = Array("return function() while true do end end".utf8)
    guard
      case .function(let loop) = try machine.machine.load(
        source: source, chunkName: "loop", environment: try machine.machine.makeEnvironment(id: 9)
      ).get()
    else {
      Issue.record("no function")
      return
    }
    _ = machine.machine.call(loop, arguments: [], budgetNs: 2_000_000)
    #expect(machine.machine.isPoisoned)
    let epoch = machine.epoch
    let failure = LuaFailure(kind: .error, message: "no store")
    machine.failed(.onRequest, failure, exchangeID: "e", isOutage: true)
    #expect(machine.epoch == epoch + 1 && !machine.machine.isPoisoned)
    #expect(fixture.metrics["on_request"]?.aborts == 1)
    for _ in 1..<PolicyBreaker.errorsMax { machine.failed(.onRequest, failure, exchangeID: "e") }
    #expect(!machine.breaker.isClosed, "and it counts")
  }

  // MARK: Answers

  /// An exchange whose request has set 16 tokens aside, and its answer's lanes.
  private func answering() throws -> (WaitingFixture, PolicyRun, PolicyLaneProcessor) {
    let fixture = try fixture(Self.tokens)
    let run = fixture.policies.run()
    #expect(fixture.decide(run, { $0.runRequest() }, later: { limits.grant(16, slot: 5) }) == .proceed)
    let lanes = try #require(run.lanes)
    lanes.requestIsDecided(expectsAnswer: true)
    return (fixture, run, lanes)
  }

  private func event(_ lanes: PolicyLaneProcessor, _ text: String, bytes: Int? = nil) -> (String, LaneStep) {
    var text = text
    var out = ByteQueue()
    lanes.eventBegins(byteCount: bytes ?? text.utf8.count)
    let step = text.withUTF8 {
      lanes.laneDelta(LaneID(choice: 0, channel: .text), UnsafeRawBufferPointer($0), into: &out)
    }
    if !lanes.isWaiting { lanes.eventEnded() }
    return (String(decoding: out.readableBytes, as: UTF8.self), step)
  }

  private func wanted(_ place: Int = 0) -> Int? {
    guard limits.asked.indices.contains(place), case .reserve(_, _, let wanted, 1) = limits.asked[place].operation
    else { return nil }
    return wanted
  }

  @Test func tokensAreDrawnAheadAndInSteps() throws {
    let (_, run, lanes) = try answering()
    #expect(lanes.mayWait)
    #expect(wanted() == AnswerAllowance.sharedStep, "before the answer has begun")
    limits.grant(128)
    // 16 and 128 are set aside; 36 pass, and 108 are few.
    #expect(event(lanes, String(repeating: "word", count: 36)) == (String(repeating: "word", count: 36), .proceed))
    #expect(wanted() == 128 && limits.asked.count == 1)
    #expect(event(lanes, "word") == ("word", .proceed), "a draw under way holds nothing")
    #expect(limits.asked.count == 1)
    limits.grant(128, slot: 8)
    #expect(event(lanes, "word") == ("word", .proceed))
    #expect(limits.asked.isEmpty, "enough is here")
    #expect(
      run.context.reservations.first?.debits == [
        .init(slot: 5, tokens: 16), .init(slot: 7, tokens: 128), .init(slot: 8, tokens: 128),
      ])
    run.end()
  }

  @Test func anEventThatIsNotCoveredWaitsForTheBudget() throws {
    let (_, run, lanes) = try answering()
    limits.grant(128)
    var isReady = false
    let text = String(repeating: "word", count: 1_000)
    #expect(event(lanes, text) == ("", .fail))
    #expect(lanes.isWaiting)
    lanes.onReady = { isReady = true }
    #expect(wanted() == 1_000 - 144 + 128)
    limits.grant(1_000 - 144 + 128)
    #expect(isReady)
    #expect(event(lanes, text) == (text, .proceed))
    #expect(!lanes.isWaiting)
    run.end()
  }

  /// Lanes whose hook waits and whose text a shared budget counts.
  private func answeringToAJudge() throws -> (WaitingFixture, PolicyRun, PolicyLaneProcessor) {
    let fixture = try WaitingFixture(
      [
        (
          "p",
          """
          return { on_request = function(ctx) \(Self.tokens) end, segment = { unit = "sentence", wait = true },
            on_segment = function(s, text) tide.sleep("1s") end }
          """
        )
      ], limits: limits)
    let run = fixture.policies.run()
    #expect(fixture.decide(run, { $0.runRequest() }, later: { limits.grant(16, slot: 5) }) == .proceed)
    let lanes = try #require(run.lanes)
    lanes.requestIsDecided(expectsAnswer: true)
    limits.grant(128)
    return (fixture, run, lanes)
  }

  /// An event that a hook has kept waiting is handled twice, and has set its tokens aside the first time.
  @Test func anEventThatAHookKeepsWaitingSetsItsTokensAsideOnce() throws {
    let (fixture, run, lanes) = try answeringToAJudge()
    let text = String(repeating: "word", count: 120) + ". Next"
    #expect(event(lanes, text) == ("", .fail))
    #expect(lanes.isWaiting && limits.asked.isEmpty, "the tokens are here: it is the hook that waits")
    var isReady = false
    lanes.onReady = { isReady = true }
    fixture.timers.advance(ms: 1_000)
    #expect(isReady)
    #expect(event(lanes, text) == (String(repeating: "word", count: 120) + ". ", .proceed))
    #expect(!lanes.isWaiting)
    #expect(limits.asked.count == 1 && wanted() == AnswerAllowance.sharedStep, "drawn ahead once it has passed")
    #expect(run.context.reservations.first?.taken == 144)
    run.end()
  }

  /// The last words of a cut go past the lanes: nothing counts them, and they wait for no tokens, however long they are.
  @Test func theWordsOfACutWaitForNoTokens() throws {
    let words = String(repeating: "word", count: 1_000)
    let (fixture, run, lanes) = try answeringToAJudge()
    let stream = AnswerStream(.openAI, options: ChatStreamOptions(processor: lanes))
    var out = ByteQueue()
    var text = #"data: {"id":"c","model":"m","created":1,"choices":[{"index":0,"delta":{"content":"Held"}}]}"# + "\n\n"
    #expect(text.withUTF8 { stream.receive(UnsafeRawBufferPointer($0), into: &out) } == .streaming)
    let asked = limits.asked.count
    // What the lane holds is judged first; the hook is all that is waited for.
    #expect(stream.cut(LaneCut(text: words), into: &out) == .waiting)
    var isReady = false
    lanes.onReady = { isReady = true }
    fixture.timers.advance(ms: 1_000)
    #expect(isReady)
    #expect(stream.resume(into: &out) == .cut)
    #expect(limits.asked.count == asked)
    let sent = String(decoding: out.readableBytes, as: UTF8.self)
    #expect(sent.contains("Held") && sent.contains(words) && sent.hasSuffix("data: [DONE]\n\n"))
    run.end()
  }

  @Test func anAnswerEndsWhereTheSharedBudgetDoes() throws {
    let (_, run, lanes) = try answering()
    limits.grant(24)
    let text = String(repeating: "word", count: 60)
    #expect(event(lanes, text) == ("", .fail))
    lanes.onReady = {}
    limits.answer(LimitReply(isAllowed: false, remaining: 0))
    #expect(event(lanes, text) == (String(repeating: "word", count: 40), .cut))
    #expect(lanes.cut == LaneCut(finishReason: "length"))
    run.end()
  }

  @Test func aDrawUnderWayIsWaitedForAndThenAnother() throws {
    let (_, run, lanes) = try answering()
    var isReady = false
    #expect(event(lanes, String(repeating: "word", count: 300)) == ("", .fail))
    lanes.onReady = { isReady = true }
    #expect(limits.asked.count == 1)
    limits.grant(128)
    #expect(!isReady)
    #expect(wanted() == 300 - 144 + 128)
    limits.grant(300 - 144 + 128)
    #expect(isReady)
    run.end()
  }

  @Test func anAnswerGoesOnWithoutTheStoreForAWhileAndIsBooked() throws {
    let (_, run, lanes) = try answering()
    limits.fail()
    let most = 16 + AnswerAllowance.overdraftTokens
    #expect(event(lanes, String(repeating: "word", count: most - 1)).1 == .proceed)
    #expect(event(lanes, "wordword") == ("", .fail), "the store is asked once more")
    limits.fail()
    #expect(event(lanes, "wordword") == ("word", .cut))
    run.context.response = ExchangeContext.Response(status: 200)
    run.context.usage = TokenUsage(prompt: 3, completion: most)
    run.log()
    run.end()
    #expect(limits.delivered == [.charge(key, try hour, tokens: AnswerAllowance.overdraftTokens)])
  }

  @Test func aDrawThatComesAfterTheEndGoesBack() throws {
    let (_, run, lanes) = try answering()
    #expect(limits.asked.count == 1)
    run.context.response = ExchangeContext.Response(status: 200)
    run.context.usage = TokenUsage(prompt: 3, completion: 16)
    run.log()
    run.end()
    #expect(limits.delivered.isEmpty)
    limits.grant(128, slot: 9)
    #expect(limits.delivered == [.giveBack(key, try hour, [.init(slot: 9, tokens: 128)])])
    _ = lanes
  }

  @Test func anExchangeThatEndsWhileItsAnswerWaitsIsNotToldMore() throws {
    let (_, run, lanes) = try answering()
    #expect(event(lanes, String(repeating: "word", count: 300)) == ("", .fail))
    lanes.onReady = { Issue.record("told after its end") }
    lanes.abandon()
    run.log()
    run.end()
    limits.grant(128)
    #expect(limits.asked.isEmpty)
    #expect(limits.delivered.last == .giveBack(key, try hour, [.init(slot: 7, tokens: 128)]))
  }

  @Test func aDeniedRequestDrawsNothing() throws {
    let fixture = try fixture(Self.tokens + " return tide.deny(400)")
    let run = fixture.policies.run()
    _ = fixture.decide(run, { $0.runRequest() }, later: { limits.grant(16) })
    run.lanes?.requestIsDecided(expectsAnswer: false)
    #expect(limits.asked.isEmpty)
    run.end()
  }
}
