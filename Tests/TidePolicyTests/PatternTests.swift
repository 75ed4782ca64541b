import Testing
import TideCore

@testable import TidePolicy

@Suite struct PatternTests {
  @Test(arguments: [
    ("tide.re('b+'):test('abbc'), tide.re('x'):test('abc')", "true false"),
    ("tide.re('b+'):find('abbc')", "2 3"), ("tide.re('(b)(x)?'):find('abc')", "2 2 b false"),
    ("tide.re('x'):find('abc')", "nil"), ("tide.re('x'):match('abc')", "nil"), ("tide.re('b+'):match('abbc')", "bb"),
    ("tide.re('(a)(b)'):match('ab')", "a b"), ("tide.re('a'):find('aXa', 2)", "3 3"),
    ("tide.re('a'):find('aXa', -2)", "3 3"),
    ("tide.re('a'):find('aXa', -100)", "1 1"), ("tide.re('a*'):find('', 1)", "1 0"),
    ("tide.re('a*'):find('b', 2)", "2 1"),
    ("tide.re('a'):find('a', 3)", "nil"), ("tide.re('^a'):find('aa', 2)", "nil"),
    ("tide.re('ä', 'i'):find('xÄ')", "2 3"),
    ("tide.re('a.c', 's'):test('a\\nc'), tide.re('a.c'):test('a\\nc')", "true false"),
    ("tide.re('^b$', 'mi'):find('a\\nB')", "3 3"), ("tide.re('[^\\\\x00-\\\\x7F]+'):match('aäöb')", "äö"),
    ("tide.re('a') == tide.re('a'), tide.re('a') == tide.re('a', 'i')", "true false"),
    ("tide.re('b'):gsub('abcb', 'X')", "aXcX 2"), ("tide.re('b'):gsub('abcb', 'X', 1)", "aXcb 1"),
    ("tide.re('b'):gsub('abcb', 'X', 0)", "abcb 0"), ("tide.re('x'):gsub('abcb', 'X')", "abcb 0"),
    ("tide.re('(a)(b)?'):gsub('ab a', '<%1|%2|%0|%%>')", "<a|b|ab|%> <a||a|%> 2"),
    ("tide.re('a'):gsub('a', '[%1]')", "[a] 1"),
    ("tide.re('\\\\w+'):gsub('hello big world', { hello = 'bye', big = 7, world = false })", "bye 7 world 3"),
    ("tide.re('(\\\\w)(\\\\w*)'):gsub('ab cd', function(a, b) return a:upper() .. b end)", "Ab Cd 2"),
    ("tide.re('a|(b)'):gsub('ab', function(x) return x and 'B' or nil end)", "aB 2"),
    ("tide.re(''):gsub('aä', '-')", "-a-ä- 3"), ("tide.re('a*'):gsub('baac', '-')", "-b-c- 3"),
    ("tide.re('a'):gsub('aaa', function() return tide.re('a'):gsub('a', 'b') end)", "bbb 3"),
  ])
  func patternsDoWhatLuasOwnDo(_ expressions: String, _ wanted: String) throws {
    let text = try values(expressions)
    #expect(text == wanted)
  }

  @Test func matchesAreLoopedOver() throws {
    #expect(
      try told(
        """
        local out = {}
        for key, value in tide.re("(\\\\w+)=(\\\\w*)"):gmatch("a=1, b=, c=3") do out[#out + 1] = key .. ":" .. value end
        for word in tide.re("\\\\w+"):gmatch("x yz") do out[#out + 1] = word end
        for empty in tide.re("q*"):gmatch("aqb") do out[#out + 1] = "<" .. empty .. ">" end
        return tide.deny(400, { message = table.concat(out, " ") })
        """) == "a:1 b: c:3 x yz <> <q> <>")
  }

  @Test(arguments: [
    ("tide.re('a(b')", "p.lua:3: tide.re: the group is never closed at byte 2"),
    ("tide.re('(a)\\\\1')", "tide.re: back-references are not supported at byte 4"),
    ("tide.re('\\xFF')", "tide.re: the pattern is not valid UTF-8"),
    ("tide.re(7)", "tide.re: the pattern must be a string"),
    ("tide.re('a', 'x')", "tide.re: unknown flag x: there are i, m and s"),
    ("tide.re('a', {})", "tide.re: flags are a string such as \"i\""),
    ("tide.re(('a'):rep(1025))", "longer than 1024 bytes; make it while loading, where more is allowed"),
    ("tide.re('a'):test()", "test: expected a text, got nil"),
    ("tide.re('a'):find({})", "find: expected a text, got table"),
    ("tide.re('a'):find('a', 'b')", "the place to begin at must be a whole number"),
    ("tide.re('a'):gsub('a', true)", "gsub: the replacement must be a string, a table or a function, not boolean"),
    ("tide.re('a'):gsub('a', '%2')", "gsub: the pattern has no capture %2"),
    ("tide.re('a'):gsub('a', '%')", "gsub: % in the replacement must be followed by a digit or %"),
    ("tide.re('a'):gsub('a', function() return {} end)", "gsub: a replacement must be a string, not a table"),
    ("tide.re('a'):gsub('a', function() error('boom') end)", "boom"),
    ("tide.re('a'):gsub(('a'):rep(200000), ('x'):rep(1000))", "gsub: the resulting text is longer than 2 MiB"),
    ("tide.re('a').tset", "pattern has no field tset; did you mean test?"),
    ("tide.re('a').test('x', 'a')", "call 'test' with a colon: pattern:test(...)"),
  ])
  func whatIsWrongIsSaid(_ expression: String, _ message: String) throws {
    let text = try told("return \(expression)")
    #expect(text.contains(message), "\(text)")
  }

  @Test func patternsOfTheConfigurationAreCheckedWhereTheyAreWritten() throws {
    let source =
      "return { schema = { deny = { type = 'array', items = { type = 'pattern' } } }, on_request = function() end }"
    let config = ConfigNode(
      .map([
        ConfigNode.Entry(
          key: "deny",
          value: ConfigNode(
            .array([ConfigNode(.string("ok")), ConfigNode(.string("a(b"), line: 9, column: 7)]), line: 8, column: 3))
      ]))
    let problem = try #require(PolicyFixture.problems(source, config: config).first)
    #expect(problem.line == 9 && problem.column == 7)
    #expect(
      problem.message == "policy p: config.deny[2] is not a regular expression: the group is never closed at byte 2")
  }

  // MARK: Bounds

  /// Patterns that are slow elsewhere, over as much text as Lua can hold, end within the hook's budget or with it.
  @Test(arguments: [
    "tide.re('(?:a+)+$'):test(text)", "tide.re('(a*)*c'):match(text)", "tide.re('(?:a|a)*b'):gsub(text, '')",
    "tide.re('(x+x+)+y'):find(text)",
  ])
  func hostileTextsEnd(_ expression: String) throws {
    let text = try values("'done', \(expression)", load: "local text = ('a'):rep(500000) .. '!'")
    #expect(text.hasPrefix("done") || text.contains("time budget exceeded"), "\(text)")
  }

  /// A loop that reads the rest of a long text at every place takes quadratic time: the guard ends it.
  @Test func longSearchesAreStopped() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        local slow, text = tide.re("a.*z|a"), ("a"):rep(1000000)
        return { on_request = function(ctx)
          if ctx.request.headers.loop then pcall(function() for m in slow:gmatch(text) do end end)
          else pcall(slow.gsub, slow, text, "") end
        end }
        """
      )
    ])
    for headers in [[("loop", "1")], []] {
      #expect(fixture.run(headers: headers).runRequest() == .deny(.policyFailed))
      #expect(fixture.services.log.last?.message.contains("time budget exceeded") == true)
    }
    // The machine was replaced; its patterns work.
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
  }

  @Test func abortsPassThroughReplacements() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function(ctx)
          tide.re("a"):gsub("a", function() while true do end end)
        end }
        """
      )
    ])
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
    #expect(fixture.services.log.last?.message.contains("p.lua:2: time budget exceeded") == true)
  }

  @Test func manyPatternsOfAHookPushOutTheOldest() throws {
    #expect(
      try told(
        """
        local first = tide.re("first")
        for i = 1, 300 do
          tide.re("p" .. i)
          if i % 50 == 0 then first:test("x") end
        end
        assert(first:test("first"), "what is used stays")
        for i = 1, 300 do tide.re("q" .. i) end
        assert(kept:test("kept"), "what was made while loading stays")
        first:test("x")
        """, load: "local kept = tide.re('kept')"
      ).contains("this pattern is gone: hooks made many others since"))
  }

  @Test func whatPatternsTakeIsBounded() throws {
    let found = PolicyFixture.problems(
      """
      return { budgets = { memory = "256KiB", on_load = { cpu = "1s" } },
        on_load = function() for i = 1, 1000 do tide.re("[a-z]{1,400}" .. i) end end }
      """
    ).map(\.message)
    #expect(found == ["policy p: tide.re: the policy's patterns take more memory than it may; join them with |"])
    var table = PatternTable(kind: 1, bytesMax: 300_000)
    for index in 0..<40 {
      let key = PatternTable.Key(pattern: "[ab]*a[ab]{14}\(index)", flags: [])
      let handle = try table.handle(key, isLoading: false)
      let found = table.entry(handle)
      let entry = try #require(found)
      let text = (0..<500).map { UInt8(ascii: "a") + UInt8(truncatingIfNeeded: $0 * $0 / 7 % 2) }
      text.withUnsafeBytes { _ = entry.matcher.matches($0, poll: { false }) }
      table.noteUse(of: entry)
      #expect(table.byteCount <= 300_000 + 300_000 + entry.matcher.byteCount)
    }
  }

  @Test func loopsHoldSoMuchText() throws {
    #expect(
      try told("local t = ('a'):rep(1000000) for i = 1, 3 do local f = tide.re('b'):gmatch(t) end").contains(
        "gmatch: the loops of this hook hold too much text"))
  }

  @Test func referencesOfReplacementsAreGivenBack() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        local p = tide.re("a")
        return { budgets = { on_request = { cpu = "1s" } }, on_request = function(ctx)
          for i = 1, 200 do
            p:gsub("a", function() return "b" end)
            pcall(p.gsub, p, "a", { a = function() end })
            pcall(p.gsub, p, function() end, { function() end }, {})
          end
        end }
        """
      )
    ])
    #expect(fixture.run().runRequest() == .proceed)
    let before = fixture.worker.referenceCapacity
    for _ in 0..<5 { #expect(fixture.run().runRequest() == .proceed) }
    #expect(fixture.worker.referenceCapacity == before && before < 64)
  }
}
