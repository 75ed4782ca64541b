import TideCore
import Testing

@testable import TideGateway

/// Tests of policies: what they see, what they may do, and what they are told when they are wrong.
@Suite struct PolicyTestsTests {
  private static let nothing = "return { version = '1', api = 1 }"

  private func passes(_ policy: String, _ body: String) throws {
    let test = try PolicyTestFolder.run(policy, body)
    #expect(test.failure == nil, "\(test.failure?.message ?? "")")
  }

  private func failure(_ policy: String, _ body: String) throws -> PolicyTestReport.Failure {
    try #require(try PolicyTestFolder.run(policy, body).failure)
  }

  @Test func aChatTellsWhatTheClientGotAndWhatWasSent() throws {
    try passes(
      """
      return { version = "1", api = 1,
        on_request = function(ctx) ctx.prompt:append { role = "user", text = "briefly" } end,
        on_log = function(ctx) ctx:log("info", "done", { model = ctx.model }) end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        for _, stream in ipairs { true, false } do
          local r = g:chat { system = "be kind", text = "hello", model = "m", dialect = dialect, stream = stream,
            upstream = { text = "hi", usage = { input = 3, output = 2 } } }
          t.eq(r.status, 200)
          t.eq(r.text, "hi")
          t.eq(r.finish, "stop")
          t.eq(r.usage, { input = 3, output = 2, cached = 0, total = 5 })
          t.eq(r.sent.model, "m")
          t.eq(r.sent.text, "briefly")
          t.eq(#r.sent.messages, 3)
          t.eq(r.sent.messages[1], { role = "system", content = "be kind" })
          t.eq(r.outcome, "complete")
          t.eq(r.logs[1].message, "done")
          t.eq(r.logs[1].fields.model, "m")
          t.eq(r.error, nil)
        end
      end
      """)
  }

  /// What a policy said when it failed explains a test that expected something else of it.
  @Test func aFailureQuotesWhatThePolicyLogged() throws {
    let failed = try failure(
      "return { version = '1', api = 1,\n  on_request = function(ctx) return ctx.auth.tenant end }",
      "t.eq(t.gateway { { use = 'p' } }:chat {}.status, 413)")
    #expect(failed.message.contains("expected 413"))
    let lines = failed.evidence.logLines(isWhole: false)
    #expect(lines.count == 1 && lines[0].contains("logged (error): policy p: on_request failed: "), "\(lines)")
    #expect(lines[0].contains("p.lua:2: attempt to index a nil value"))
  }

  @Test func metricsAreSeen() throws {
    try passes(
      """
      return { version = "1", api = 1, on_request = function(ctx)
        tide.metrics.incr("seen")
        tide.metrics.incr("asked", 2, { model = ctx.model })
        tide.metrics.observe("size", 7) end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      local first = g:chat { model = "a" }
      local second = g:chat { model = "b" }
      t.eq(first.metrics.seen, 1.0)
      t.eq(second.metrics, { seen = 2.0, asked = 4.0, ['asked{model="a"}'] = 2.0, ['asked{model="b"}'] = 2.0,
        size_sum = 14.0, size_count = 2.0 })
      t.eq(t.gateway { { use = "p" } }:chat {}.metrics.seen, 1.0)
      """)
  }

  /// A service says of what type its answer is, or does not: so does what stands in for it.
  @Test func aMocksBodyHasNoTypeOfItsOwn() throws {
    try passes(
      """
      return { version = "1", api = 1, net = { "x.example" }, on_request = function(ctx)
        local r = tide.http { url = "https://x.example/" }
        return tide.respond { text = tostring(r.headers["content-type"]) .. " " .. type(r.json) .. " " .. r.body } end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      local function told(answer) return g:chat { http = { ["GET https://x.example/"] = answer } }.text end
      t.eq(told { body = '{"a":1}' }, 'nil nil {"a":1}')
      t.eq(told('{"a":1}'), 'nil nil {"a":1}')
      t.eq(told { json = { a = 1 } }, 'application/json table {"a":1}')
      t.eq(told { body = '{"a":1}', headers = { ["Content-Type"] = "application/json" } }, 'application/json table {"a":1}')
      t.eq(told(function() return { json = { a = 1 }, headers = { ["content-type"] = "text/json" } } end), 'text/json table {"a":1}')
      """)
  }

  @Test func upstreamsFailInEveryWay() throws {
    try passes(
      Self.nothing,
      """
      local g = t.gateway { { use = "p" } }
      t.eq(g:chat { upstream = { error = "connect" } }.status, 502)
      t.eq(g:chat { upstream = { error = "reset" } }.status, 502)
      t.eq(g:chat { upstream = { error = "timeout" } }.status, 504)
      local r = g:chat { upstream = { status = 429, error = { message = "slow down", code = "rate" }, headers = { ["retry-after"] = "7" } } }
      t.eq(r.status, 429)
      t.eq(r.error.message, "slow down")
      t.eq(r.headers["retry-after"], "7")
      local cut = g:chat { upstream = { text = "half", error = "truncated" } }
      t.eq(cut.text, "half")
      t.eq(cut.outcome, "upstream_died")
      t.ok(cut.error)
      local second = g:chat { upstream = { { error = "connect" }, "here" } }
      t.eq(second.text, "here")
      t.eq(#second.attempts, 2)
      t.eq(second.attempts[1].connected, false)
      """)
  }

  /// A machine that has little time must not fail a test, nor open a breaker.
  @Test func theProcessorsRealTimeDecidesNothing() throws {
    try passes(
      """
      return { version = "1", api = 1,
        on_request = function(ctx) for i = 1, 2000000 do end end,
        on_token = function(s, text) for i = 1, 50000 do end return text:upper() end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      for i = 1, 12 do
        local r = g:chat { upstream = { chunks = { "a", "b", "c", "d" } } }
        t.eq(r.text, "ABCD")
      end
      """)
  }

  @Test func theClockMovesOnlyWhenTold() throws {
    try passes(
      """
      return { version = "1", api = 1, on_request = function(ctx)
        return tide.respond { text = os.date("%H:%M:%S") .. " " .. math.random(1000) } end }
      """,
      """
      local first = t.gateway { { use = "p" } }
      t.matches(first:chat {}.text, "^00:00:00 ")
      t.advance("90s")
      t.matches(first:chat {}.text, "^00:01:30 ")
      -- Random numbers are the same in every gateway.
      local second = t.gateway { { use = "p" } }
      local a, b = second:chat {}.text, second:chat {}.text
      local third = t.gateway { { use = "p" } }
      t.eq({ third:chat {}.text, third:chat {}.text }, { a, b })
      """)
  }

  @Test func limitsCountOverChatsAndTime() throws {
    try passes(
      """
      return { version = "1", api = 1, on_request = function(ctx)
        local taken = tide.limit.take("all", 1, { rate = 2, per = "1m" })
        if not taken.ok then return tide.deny(429, { code = "slow", message = "slow" }) end end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      local statuses = {}
      for i = 1, 3 do statuses[i] = g:chat {}.status end
      t.eq(statuses, { 200, 200, 429 })
      local refused = g:chat {}
      t.eq(refused.outcome, "denied")
      t.eq(refused.error.code, "slow")
      -- Run again with what came before it: still refused.
      t.invariant(refused)
      t.advance("1m")
      t.eq(g:chat {}.status, 200)
      """)
  }

  @Test func chatsRunSideBySideAndReloadsComeBetween() throws {
    try passes(
      """
      return { version = "1", api = 1, on_segment = function(s, word) return word == "old" and "one" or nil end,
        segment = { unit = "word" } }
      """,
      """
      local g = t.gateway { { use = "p" } }
      t.concurrent(8, function(i)
        local r = g:chat { upstream = { chunks = { "old ", { text = "number " .. i, wait = i .. "s" } } } }
        t.eq(r.text, "one number " .. i)
      end)
      t.reload("p", 'return { version = "2", api = 1, on_lane_end = function() return "!" end }')
      local r = g:chat { upstream = "old" }
      t.eq(r.text, "old!")
      t.invariant(r, { only = { "whole", "deltas" }, dialects = { "openai", "anthropic" } })
      t.raises(function() t.reload("p", "return 1 +") end, "p.lua")
      t.raises(function() t.reload("q", "return {}") end, "no gateway")
      t.eq(g:chat { upstream = "old" }.text, "old!")
      """)
  }

  @Test func clientsLeave() throws {
    try passes(
      Self.nothing,
      """
      local g = t.gateway { { use = "p" } }
      local r = g:chat { leave_after = 2, upstream = { chunks = { "a", { text = "b", wait = "1s" }, "c" } } }
      t.eq(r.outcome, "client_left")
      t.eq(r.text, "a")
      t.eq(r.attempts[1].reset, true)
      """)
  }

  @Test func identitiesAndToolCalls() throws {
    try passes(
      """
      return { version = "1", api = 1, on_request = function(ctx)
        return tide.respond { text = ctx.auth.tenant .. " " .. ctx.client.ip } end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      t.eq(g:chat { auth = { key_id = "k", tenant = "acme" }, ip = "192.0.2.9" }.text, "acme 192.0.2.9")
      local plain = t.gateway {}
      local call = { name = "find", args = { place = "Rome", days = 2 } }
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        local r = plain:chat { dialect = dialect, tools = { "find" }, upstream = { text = "one moment", tool_calls = { call, call } } }
        t.eq(#r.tool_calls, 2)
        t.eq(r.tool_calls[2].args, { place = "Rome", days = 2 })
        t.eq(r.finish, "tool_calls")
      end
      """)
  }

  // MARK: What authors are told

  @Test func aFailureNamesItsLineAndShowsTheDifference() throws {
    let failure = try failure(
      Self.nothing, "local g = t.gateway {}\nt.eq(g:chat { upstream = 'the colour' }.text, 'the color')")
    #expect(failure.line == 3)
    #expect(failure.file.hasSuffix("/p_test.lua"))
    #expect(failure.message.contains("expected \"the color\""))
    #expect(failure.message.contains("but came \"the colour\""))
    #expect(failure.message.contains("^ byte 9"))
  }

  @Test func mistakesAreNamed() throws {
    let wrong = [
      ("t.gateway { { use = 'q' } }", "there is no policy q"),
      ("t.gateway { { use = 'p', confg = {} } }", "did you mean 'config'?"),
      ("t.gateway { { use = 'p', config = { a = 1 } } }", "unknown key config.a"),
      ("t.gateway({}):chat { txt = 'x' }", "did you mean 'text'?"),
      ("t.gateway({}):chat { upstream = { error = 'oops' } }", "'connect', 'timeout'"),
      ("t.gateway({}):chat { dialect = 'latin' }", "openai-responses"),
      ("return t.gateway({}):chat({}).txt", "did you mean 'text'?"),
      ("t.advance('soon')", "expected a time"),
      ("t.invariant({})", "the result of a chat"),
      (
        "t.invariant(t.gateway({}):chat {}, { only = { 'choice' } })",
        "invariant: 'only' knows no 'choice' (did you mean 'choices'? there are deltas, "
      ),
      ("t.invariant(t.gateway({}):chat {}, { except = { 'cut' } })", "'except' knows no 'cut' ("),
      (
        "t.invariant(t.gateway({}):chat {}, { dialects = { 'chat' } })",
        "'dialects' knows no 'chat' (there are openai, "
      ),
      ("t.equal(1, 1)", "equal"),
      ("t.raises(function() end)", "expected an error"),
      ("t.matches('abc', '^b')", "but came \"abc\""),
      ("tide.test('inner', function() end)", "inside another"),
      ("t.eq({ a = { 1, 2 } }, { a = { 1, 3 } })", "at a[2]"),
      ("error('mine')", "mine"),
      ("x = 1", "x"),
    ]
    for (body, said) in wrong {
      let failure = try failure(Self.nothing, body)
      #expect(failure.message.contains(said), "\(body): \(failure.message)")
      #expect(failure.line == 2, "\(body)")
    }
  }

  /// A name that is not there says what is.
  @Test(arguments: [
    ("t.equal(1, 1)", "unknown name 't.equal' (did you mean t.eq?)"), ("t.same(1, 1)", "(did you mean t.eq?)"),
    ("t.mathces('a', 'a')", "(did you mean t.matches?)"), ("t.assert(true)", "(did you mean t.ok?)"),
    ("t.frobnicate()", "(there are t.gateway, t.eq, "),
    ("tide.json.encode {}", "unknown name 'tide.json': a test file has "),
    ("return tide.shared", "in a test what it gets as t: t.gateway, t.eq, "),
  ])
  func unknownNamesSayWhatIsThere(_ body: String, _ said: String) throws {
    let failure = try failure(Self.nothing, body)
    #expect(failure.message.contains(said), "\(failure.message)")
    #expect(failure.line == 2)
  }

  @Test func unknownNamesOutsideOfTestsDoToo() throws {
    let folder = PolicyTestFolder(["p.lua": Self.nothing, "p_test.lua": "local json = tide.json\n"])
    let problem = try #require(try folder.run().files.first?.problem)
    #expect(problem.message.hasPrefix("unknown name 'tide.json': a test file has tide.test and tide.bench"))
    #expect(problem.line == 1)
  }

  @Test func aFileWithoutTestsSaysSo() throws {
    let report = try PolicyTestFolder(["p.lua": Self.nothing, "p_test.lua": "-- later\n"]).run()
    #expect(report.failureCount == 0)
    let lines = PolicyTestText.lines(of: try #require(report.files.first))
    #expect(lines.last == "  declares no test; begin with tide.test(\"what it does\", function(t) ... end)")
  }

  @Test func filesThatCannotBeLoadedAreFailures() throws {
    let folder = PolicyTestFolder([
      "p.lua": Self.nothing, "p_test.lua": "tide.test('x', function(t)\n  t.eq(1,\nend)\n",
    ])
    let report = try folder.run()
    #expect(report.failureCount == 1)
    #expect(report.files.first?.problem?.line == 3)
    #expect(throws: Diagnostic.self) { try PolicyTests(folder: folder.path + "/nowhere") }
  }

  @Test func aFilterChoosesAndJUnitTells() throws {
    let folder = PolicyTestFolder([
      "p.lua": Self.nothing,
      "p_test.lua":
        "tide.test('a < b', function(t) t.eq('<', '\"') end)\ntide.test('other', function(t) print('said') end)",
    ])
    #expect(try folder.run(filter: "oth").testCount == 1)
    let report = try folder.run()
    #expect(report.testCount == 2 && report.failureCount == 1)
    let xml = PolicyTestJUnit.xml(report)
    #expect(xml.contains("name=\"a &lt; b\""))
    #expect(xml.contains("tests=\"2\" failures=\"1\""))
    #expect(!xml.contains("<failure message=\"expected \"\""))
    let text = PolicyTestText.lines(of: report.files[0])
    #expect(text.contains { $0.contains("FAIL  a < b") } && text.contains { $0.contains("| said") })
  }
}
