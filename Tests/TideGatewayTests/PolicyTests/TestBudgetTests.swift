import TideCore
import Testing

@testable import TideGateway

/// `t.budget`: what a case may cost.
@Suite struct TestBudgetTests {
  private func failure(_ policy: String, _ body: String) throws -> String? {
    try PolicyTestFolder.run(policy, body).failure?.message
  }

  /// Loops `n` times for each request.
  private static let loop = """
    return { version = "1", api = 1, schema = { n = { type = "integer", default = 0 } },
      on_request = function(ctx, cfg) for i = 1, cfg.n do end end }
    """

  @Test func instructionsAreExact() throws {
    let body = """
      local function cost(n)
        local r = t.gateway { { use = "p", config = { n = n } } }:chat {}
        local told = t.raises(function() t.budget(r, { instructions = 0 }) end, "instructions: at most 0, but")
        return tonumber(told:match("took (%d+)"))
      end
      local base = cost(0)
      t.eq(cost(1000), base + 1000)
      t.eq(cost(0), base)
      local r = t.gateway { { use = "p" } }:chat {}
      t.budget(r, { instructions = base })
      t.budget(r, { instructions = base - 1 })
      """
    let told = try #require(try failure(Self.loop, body))
    #expect(told.hasPrefix("budget: instructions: at most "), "\(told)")
  }

  @Test func onlyTheCaseItselfCounts() throws {
    let body = """
      local g = t.gateway { { use = "p", config = { n = 10000 } } }
      g:chat {}
      t.advance("1s")
      t.budget(g:chat {}, { instructions = 10100 })
      """
    #expect(try failure(Self.loop, body) == nil)
  }

  @Test func memoryTakesSizesAndSaysWhoTookIt() throws {
    let policy = """
      return { version = "1", api = 1,
        on_request = function(ctx) ctx.vars.text = ("x"):rep(10000) end }
      """
    let body = """
      local r = t.gateway { { use = "p" }, { use = "p", as = "q" } }:chat {}
      t.budget(r, { memory = "64KiB" })
      t.budget(r, { memory = "4KiB", instructions = 1000000 })
      """
    let told = try #require(try failure(policy, body))
    #expect(told.hasPrefix("budget: memory: at most 4096, but the case took "), "\(told)")
    #expect(told.contains("(p ") && told.contains(", q "), "\(told)")
  }

  @Test func callsAndHeldTextAreCounted() throws {
    let policy = """
      return { version = "1", api = 1, net = { "a.test" }, segment = { unit = "word" },
        on_segment = function(s, word) end,
        on_request = function() tide.http { url = "https://a.test/x" } end }
      """
    let body = """
      local r = t.gateway { { use = "p" } }:chat {
        http = { ["https://a.test/x"] = "ok" }, upstream = { chunks = { "one ", "twen", "ty", "-two three " } } }
      t.eq(r.text, "one twenty-two three ")
      t.budget(r, { http_calls = 1, held_bytes = 6 })
      t.budget(r, { http_calls = 0, held_bytes = 5 })
      """
    let told = try #require(try failure(policy, body))
    #expect(
      told == """
        budget: http_calls: at most 0, but the case took 1
        budget: held_bytes: at most 5, but the case took 6
        """, "\(told)")
  }

  @Test(arguments: [
    ("{ instruction = 1 }", "budget: unknown key 'instruction' (did you mean 'instructions'?)"),
    ("{}", "budget: expected a table with at least one of instructions, memory, http_calls, held_bytes"),
    ("{ instructions = '1k' }", "budget: 'instructions' must be a number from 0 on, not a string"),
    ("{ memory = '1 pound' }", "budget: 'memory' must be a number of bytes or a size such as '64KiB', not a string"),
    ("{ held_bytes = -1 }", "budget: 'held_bytes' must be a number from 0 on, not a number"),
    ("nil", "budget must be a table, not a nil"),
  ])
  func whatItIsGivenIsChecked(argument: String, message: String) throws {
    let told = try failure(Self.loop, "t.budget(t.gateway { { use = 'p' } }:chat {}, \(argument))")
    #expect(told == message)
  }

  @Test func itAsksForAResult() throws {
    #expect(
      try failure(Self.loop, "t.budget({}, { memory = 1 })") == "budget: expected the result of a chat of this test")
  }
}
