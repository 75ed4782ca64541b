import Testing
import TideCore
import TideDialects

@testable import TidePolicy

/// Budgets of tokens: the books alone, and what `tide.limit.tokens` does with them over an exchange.
struct TokenBudgetTests {
  private static let start = 1_000_000_000

  private func moment(_ ms: Int, wall: Int = 1_700_000_000_000) -> TokenBudget.Moment {
    TokenBudget.Moment(
      monotonic: MonotonicTime(nanoseconds: UInt64(Self.start + ms) * 1_000_000), wallMs: wall + ms)
  }

  private func key(_ store: SharedStore) -> SharedStore.Key { SharedStore.Key(space: store.space("b").id, text: "k") }

  // MARK: Periods

  @Test func noRollingPeriodHoldsMoreThanTheBudget() throws {
    let store = SharedStore()
    let budget = try #require(TokenBudget(tokens: 100, period: .rolling(milliseconds: 3_200)))
    var random = SeededNumbers(seed: 7)
    var spent: [(ms: Int, tokens: Int)] = []
    var ms = 0
    for _ in 0..<4_000 {
      ms += Int(random.next() % 40)
      let wanted = Int(random.next() % 20) + 1
      let decision = try store.take(wanted, atLeast: 1, from: key(store), budget, at: moment(ms))
      if let debit = decision.debit { spent.append((ms, debit.tokens)) }
      let held = spent.filter { $0.ms > ms - 3_200 }.reduce(0) { $0 + $1.tokens }
      #expect(held <= 100)
      if decision.debit == nil {
        let wait = try #require(decision.retryAfterMs)
        #expect(wait > 0 && wait <= 3_300)
        // One slot late at the most: whoever waits as told gets them.
        let again = try store.take(0, atLeast: 0, from: key(store), budget, at: moment(ms + wait))
        #expect(again.remaining >= 1)
        ms += wait
      }
    }
    #expect(spent.reduce(0) { $0 + $1.tokens } > 1_000)
  }

  @Test func calendarsEndWhereTheyEnd() throws {
    // 2024-02-29 23:59:59.000 UTC.
    let leapDay = 1_709_251_199_000
    for (period, wall) in [
      (TokenBudget.Period.hour, leapDay), (.day, leapDay), (.month, leapDay),
    ] {
      let store = SharedStore()
      let budget = try #require(TokenBudget(tokens: 10, period: period))
      func take(_ ms: Int) throws -> TokenBudget.Decision {
        try store.take(10, atLeast: 10, from: key(store), budget, at: moment(ms, wall: wall))
      }
      #expect(try take(0).debit != nil)
      #expect(try take(0).retryAfterMs == 1_000)
      #expect(try take(999).debit == nil)
      #expect(try take(1_000).debit != nil, "\(period)")
    }
  }

  @Test(arguments: [
    (0, 1970 * 12), (1_709_251_199_999, 2024 * 12 + 1), (1_709_251_200_000, 2024 * 12 + 2),
    (1_735_689_599_999, 2024 * 12 + 11), (1_735_689_600_000, 2025 * 12), (4_107_542_400_000, 2100 * 12 + 2),
  ])
  func monthsAreThoseOfTheCalendar(_ ms: Int, _ number: Int) {
    #expect(UTCMonth(milliseconds: ms).number == number)
    let start = UTCMonth(number: number).startMs
    #expect(start <= ms && UTCMonth(milliseconds: start).number == number)
    #expect(start == 0 || UTCMonth(milliseconds: start - 1).number == number - 1)
  }

  @Test func aClockSetBackGivesNothingOut() throws {
    let store = SharedStore()
    let budget = try #require(TokenBudget(tokens: 10, period: .day))
    let day = 86_400_000
    _ = try store.take(10, atLeast: 10, from: key(store), budget, at: moment(0, wall: 20_000 * day))
    #expect(try store.take(1, atLeast: 1, from: key(store), budget, at: moment(0, wall: 19_999 * day)).debit == nil)
  }

  @Test(arguments: [(0, 1_000), (-1, 1_000), (1, 0), (1, -5), (Int.max, 1_000), (1, Int.max)])
  func numbersWithoutSenseAreRefused(_ tokens: Int, _ ms: Int) {
    #expect(TokenBudget(tokens: tokens, period: .rolling(milliseconds: ms)) == nil)
  }

  // MARK: Settling

  @Test func settlingGivesBackAndBooksMore() throws {
    let store = SharedStore()
    let budget = try #require(TokenBudget(tokens: 100, period: .rolling(milliseconds: 3_200)))
    func free(_ ms: Int) throws -> Int {
      try store.take(0, atLeast: 0, from: key(store), budget, at: moment(ms)).remaining
    }
    let first = try #require(try store.take(40, atLeast: 40, from: key(store), budget, at: moment(0)).debit)
    let second = try #require(try store.take(40, atLeast: 40, from: key(store), budget, at: moment(1_600)).debit)
    #expect(try free(1_600) == 20)
    try store.settle([first, second], cost: 30, of: key(store), budget, at: moment(1_700))
    #expect(try free(1_700) == 70)
    try store.settle([], cost: 500, of: key(store), budget, at: moment(1_700))
    #expect(try free(1_700) == 0, "what is spent is booked though the budget has it not")
    #expect(store.keyCount == 1)
    #expect(try free(5_200) == 100)
    try store.settle([first], cost: 0, of: key(store), budget, at: moment(9_000))
    #expect(try free(9_000) == 100, "what no longer counts is not given back")
    #expect(store.keyCount == 0, "an empty ledger is none")
  }

  @Test func budgetsAreExactAcrossThreads() async throws {
    let store = SharedStore()
    let budget = try #require(TokenBudget(tokens: 10_000, period: .day))
    let key = key(store)
    let moment = moment(0)
    let taken = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask {
          (0..<1_000).reduce(0) { sum, _ in
            sum + ((try? store.take(3, atLeast: 1, from: key, budget, at: moment))?.debit?.tokens ?? 0)
          }
        }
      }
      return await group.reduce(0, +)
    }
    #expect(taken == 10_000)
  }

  // MARK: tide.limit.tokens

  @Test func anExchangeReservesOnceAndGivesBack() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function(ctx)
          local r = tide.limit.tokens(ctx.model, { tokens = 50, per = "1h", count = "output" })
          if not r.ok then return tide.deny(429) end
        end }
        """
      )
    ])
    func left() -> Int {
      let run = fixture.run()
      guard run.runRequest() == .proceed else { return 0 }
      let taken = run.context.reservations.reduce(0) { $0 + $1.taken }
      run.end()
      return taken
    }
    let first = fixture.run()
    #expect(first.runRequest() == .proceed)
    #expect(first.context.reservations.first?.taken == BindingHost.answerTokens)
    let second = fixture.run()
    let third = fixture.run()
    #expect(second.runRequest() == .proceed)
    #expect(third.runRequest() == .proceed)
    #expect(fixture.run().runRequest() != .proceed, "three times 16 of 50 are set aside")
    // Its engine never answered.
    first.end()
    #expect(left() == 16)
    // An answer of 30 tokens.
    second.context.response = ExchangeContext.Response(status: 200)
    second.context.usage = TokenUsage(prompt: 10, completion: 30)
    second.log()
    #expect(fixture.run().runRequest() != .proceed)
    // An answer that nobody has counted costs what was set aside.
    third.context.response = ExchangeContext.Response(status: 200)
    third.end()
    #expect(fixture.run(model: "other").runRequest() == .proceed)
    fixture.services.advance(ms: 3_600_000 / 32 * 33)
    #expect(left() == 16)
  }

  @Test(arguments: [
    ("tide.limit.tokens('k')", "needs { tokens = a whole number, per"),
    ("tide.limit.tokens('k', { tokens = 1 })", "needs { tokens = a whole number, per"),
    ("tide.limit.tokens('k', { tokens = 1.5, per = 'day' })", "needs { tokens = a whole number, per"),
    ("tide.limit.tokens('k', { tokens = 0, per = 'day' })", "must be positive"),
    ("tide.limit.tokens('k', { tokens = 1, per = 'week' })", "per must be milliseconds or a duration"),
    ("tide.limit.tokens('k', { tokens = 1, per = 'day', counts = 'input' })", "did you mean count?"),
    ("tide.limit.tokens('k', { tokens = 1, per = 'day', count = 'all' })", "count must be total, input or output"),
    ("tide.limit.tokens('k', { tokens = 1, per = 'day', estimate = 0 })", "estimate must be a whole number above 0"),
    ("tide.limit.tokens({}, { tokens = 1, per = 'day' })", "the key must be a string"),
    ("for i = 1, 33 do tide.limit.tokens('k' .. i, { tokens = 900, per = 'day' }) end", "at most 32 budgets"),
  ])
  func mistakesSayWhatToDo(_ call: String, _ message: String) throws {
    let fixture = try PolicyFixture([("p", "return { on_request = function() \(call) end }")])
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
    #expect(fixture.services.log.last?.message.contains(message) == true, "\(fixture.services.log)")
  }

  @Test func onlyRequestsReserve() throws {
    let fixture = try PolicyFixture([
      ("p", "return { on_auth = function() tide.limit.tokens('k', { tokens = 1, per = 'day' }) end }")
    ])
    #expect(fixture.run().runAuth() != .proceed)
    #expect(fixture.services.log.last?.message.contains("only on_request may reserve tokens") == true)
  }

  @Test func thePeriodsOfOneNameAreBudgetsOfTheirOwn() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function()
          local a = tide.limit.tokens('k', { tokens = 500, per = 'hour', count = 'input', estimate = 100 })
          local b = tide.limit.tokens('k', { tokens = 500, per = 'day', count = 'input', estimate = 100 })
          local c = tide.limit.tokens('k', { tokens = 500, per = 'day', count = 'output', estimate = 100 })
          local d = tide.limit.tokens('k', { tokens = 500, per = 'day', count = 'output', estimate = 300 })
          return tide.deny(400, { message = a.remaining .. ' ' .. b.remaining .. ' ' .. c.remaining .. ' ' .. d.remaining })
        end }
        """
      )
    ])
    #expect(fixture.run().runRequest() == .deny(Denial(status: 400, message: "400 400 400 400")))
  }
}
