import TideCore
import TideDialects
import Testing

@testable import TidePolicy

/// Filters as policies declare them.
@Suite struct FilterTests {
  /// The answer that a client sees for one that comes in these pieces.
  private func answer(
    _ policy: String, _ deltas: [String], prompt: String = "hello"
  ) throws -> (text: String, steps: [LaneStep], cut: LaneCut) {
    let fixture = try PolicyFixture([("p", policy)])
    let run = fixture.run(prompt)
    #expect(run.runRequest() == .proceed, "\(fixture.services.log)")
    var driver = LaneDriver(try #require(run.lanes))
    _ = driver.answer(deltas)
    #expect(fixture.services.log.isEmpty, "\(fixture.services.log)")
    return (driver.text, driver.steps, driver.processor.cut)
  }

  /// Expects the same text for every way of cutting `text` in two, and cut after every character.
  private func expectEverywhere(
    _ fixture: PolicyFixture, _ text: String, _ expected: String, prompt: String = "hello",
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    func check(_ deltas: [String]) throws {
      let run = fixture.run(prompt)
      #expect(run.runRequest() == .proceed, sourceLocation: location)
      var driver = LaneDriver(try #require(run.lanes))
      #expect(driver.answer(deltas.filter { !$0.isEmpty }) == expected, "\(deltas)", sourceLocation: location)
    }
    for cut in text.indices { try check([String(text[..<cut]), String(text[cut...])]) }
    try check(text.map(String.init))
    try check([text])
  }

  // MARK: What they do

  @Test func filtersRunWithoutAnyHook() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { filters = {
          tide.filter.mask { kinds = { "email", "card" }, with = "[{kind}]" },
          tide.filter.replace { words = { ["ACME Corp"] = "Contoso" }, ignore_case = true, whole_word = true },
        } }
        """
      )
    ])
    try expectEverywhere(
      fixture, "Mail bob@example.com at acme corp, pay 4111 1111 1111 1111!", "Mail [email] at Contoso, pay [card]!")
    #expect(fixture.services.log.isEmpty)
  }

  @Test func theConfigurationChoosesThem() throws {
    let policy = """
      return { schema = { kinds = { type = "array", items = { type = "string" }, default = { "ip" } },
          words = { type = "map", values = { type = "string" }, default = { a = "b" } } },
        filters = function(cfg) return { tide.filter.mask { kinds = cfg.kinds }, tide.filter.replace { words = cfg.words } } end }
      """
    #expect(try answer(policy, ["a 192.0.2.1 a"]).text == "b [ip] b")
  }

  @Test func theyRunBeforeTheHooksOfTheirPolicyAndPoliciesLastToFirst() throws {
    let first = "return { filters = { tide.filter.replace { words = { two = 'three' } } } }"
    let last = """
      return { filters = { tide.filter.replace { words = { one = 'ten' } } }, segment = { unit = 'word' },
        on_segment = function(s, w) if w == 'ten' then return 'two' end end, on_lane_end = function() return ' one two' end }
      """
    let fixture = try PolicyFixture([("a", first), ("b", last)])
    try expectEverywhere(fixture, "one two", "three three one three")
    let other = try PolicyFixture([("b", last), ("a", first)])
    try expectEverywhere(other, "one two", "two three one two")
  }

  @Test func channelsAreThePolicysUnlessTheFilterSaysItsOwn() throws {
    let policy = """
      return { channels = { "text", "reasoning" }, filters = {
        tide.filter.replace { words = { a = "1" } }, tide.filter.replace { words = { b = "2" }, channels = { "reasoning" } } } }
      """
    let fixture = try PolicyFixture([("p", policy)])
    let processor = try #require(fixture.run().lanes)
    #expect(processor.channels == [.text, .reasoning])
    var driver = LaneDriver(processor)
    driver.delta("ab ")
    driver.delta("ab", channel: .reasoning)
    #expect(driver.text == "1b 12")
  }

  @Test func aBlockEndsTheAnswerBeforeTheMatch() throws {
    let policy = #"return { filters = { tide.filter.block { patterns = { "AKIA[0-9A-Z]{16}" } } } }"#
    let found = try answer(policy, ["the key is AKIA", "IOSFODNN7EXAM", "PLE", " and more"])
    #expect(found.text == "the key is " && found.steps == [.cut] && found.cut.finishReason == "content_filter")
  }

  @Test func aLimitEndsTheAnswerWithLength() throws {
    let policy = "return { filters = { tide.filter.limit { output_tokens = 3 } } }"
    for deltas in [
      ["Hello, world! And more."], ["Hello, ", "world", "! And more."], "Hello, world! And more.".map(String.init),
    ] {
      let found = try answer(policy, deltas)
      #expect(found.text == "Hello, world" && found.steps == [.cut] && found.cut.finishReason == "length")
    }
    #expect(try answer(policy, ["short"]).steps.isEmpty)
  }

  @Test func aLimitLetsGoWhatFiltersHold() throws {
    let policy = """
      return { filters = { tide.filter.limit { output_tokens = 2 }, tide.filter.replace { words = { ["ACME Corp"] = "x" } } } }
      """
    let found = try answer(policy, ["an A", "CME", " Corp"])
    #expect(found.text == "an ACME " && found.cut.finishReason == "length")
  }

  // MARK: on_match

  @Test func onMatchDecides() throws {
    let policy = """
      return {
        on_lane = function(ctx, cfg, lane) return { n = 0 } end,
        filters = {
          tide.filter.mask { kinds = { "email" }, on_match = function(s, match, lane)
            s.n = s.n + 1
            if match.text:find("@example.com", 1, true) then return match.text end
            if s.n > 3 then return tide.cut { reason = "stop", text = " enough" } end
            if s.n == 2 then return match.kind .. s.n .. lane.channel end
          end },
        } }
      """
    let fixture = try PolicyFixture([("p", policy)])
    try expectEverywhere(
      fixture, "a@example.com b@x.de c@x.de d@x.de e@x.de", "a@example.com email2text [email]  enough")
    let found = try answer(policy, ["a@x.de b@x.de c@x.de d@x.de e@x.de"])
    #expect(found.cut == LaneCut(finishReason: "stop") && found.steps == [.cut])
  }

  @Test func aFailingOnMatchActsAsFailureSays() throws {
    func found(_ failure: String, _ body: String) throws -> (text: String, steps: [LaneStep], log: [PolicyLogEntry]) {
      let policy = """
        return { \(failure) filters = { tide.filter.mask { kinds = { "email" }, on_match = function(s, match) \(body) end } } }
        """
      let fixture = try PolicyFixture([("p", policy)])
      var driver = LaneDriver(try #require(fixture.run().lanes))
      _ = driver.answer(["ok ", "a@x.de ", "b@x.de"])
      return (driver.text, driver.steps, fixture.services.log)
    }
    let cut = try found("", "error('no')")
    #expect(cut.text == "ok " && cut.steps == [.cut])
    #expect(cut.log.count == 1 && cut.log[0].message.contains("policy p: filters failed:"))
    let skipped = try found("failure = { filters = 'skip' },", "return 7")
    #expect(skipped.text == "ok [email] [email]" && skipped.steps.isEmpty)
    #expect(skipped.log[0].message.contains("on_match returned a number; it may return nil, a string or tide.cut"))
    #expect(try found("", "return tide.deny(403)").log[0].message.contains("cannot return tide.deny"))
    let looping = try found("failure = { filters = 'skip' },", "while true do end")
    #expect(looping.text == "ok [email] [email]")
  }

  @Test func anOpenBreakerEndsAnswersAtMatchesOnly() throws {
    let policy = """
      return { on_request = function() error('always') end, failure = { on_request = 'skip' },
        filters = { tide.filter.mask { kinds = { "email" }, on_match = function() end }, tide.filter.replace { words = { a = "b" } } } }
      """
    let fixture = try PolicyFixture([("p", policy)])
    for _ in 0..<PolicyBreaker.errorsMax { _ = fixture.run().runRequest() }
    var plain = LaneDriver(try #require(fixture.run().lanes))
    #expect(plain.answer(["a a"]) == "b b")
    var matching = LaneDriver(try #require(fixture.run().lanes))
    #expect(matching.answer(["a ", "a@x.de "]) == "b " && matching.steps == [.cut])
  }

  // MARK: The hold

  @Test func whatWaitsIsLetGoInTime() throws {
    let policy = """
      return { hold = { time = "200ms" }, filters = { tide.filter.replace { words = { ["ACME Corp"] = "Contoso" } } },
        segment = { unit = "word" }, on_segment = function(s, w) return "<" .. w .. ">" end }
      """
    let fixture = try PolicyFixture([("p", policy)])
    let run = fixture.run()
    let processor = try #require(run.lanes)
    var driver = LaneDriver(processor)
    driver.delta("an ")
    #expect(processor.releaseTime == nil)
    driver.delta("AC")
    let time = try #require(processor.releaseTime)
    #expect(time == run.now.advanced(byMs: 200) && driver.text == "<an> ")
    func release(_ at: MonotonicTime) -> (LaneStep, String) {
      var out = ByteQueue()
      let step = processor.laneRelease(LaneID(choice: 0, channel: .text), at: at, into: &out)
      return (step, String(decoding: out.readableBytes, as: UTF8.self))
    }
    fixture.services.advance(ms: 199)
    #expect(release(run.now) == (.proceed, "") && processor.releaseTime == time)
    fixture.services.advance(ms: 1)
    // The hook's unit is not whole yet: it stays with the segmenter.
    #expect(release(run.now) == (.proceed, "") && processor.releaseTime == nil)
    driver.delta("ME Corp")
    driver.end()
    #expect(driver.text == "<an> <ACME> <Corp>")
  }

  @Test func aStrictHoldEndsTheAnswer() throws {
    let policy = """
      return { hold = { bytes = 16, time = 50, strict = true }, filters = { tide.filter.block { patterns = { "<[a-z]{1,60}>" } } } }
      """
    let found = try answer(policy, ["go <abcdefghij", "klmnopqrstuvw", "xyz> on"])
    #expect(found.text == "go " && found.steps == [.cut] && found.cut.finishReason == "content_filter")
    let fixture = try PolicyFixture([("p", policy)])
    let processor = try #require(fixture.run().lanes)
    var driver = LaneDriver(processor)
    driver.delta("go <ab")
    fixture.services.advance(ms: 50)
    var out = ByteQueue()
    let due = try #require(processor.releaseTime)
    #expect(processor.laneRelease(LaneID(choice: 0, channel: .text), at: due, into: &out) == .cut)
    #expect(out.isEmpty && processor.hasCut)
  }

  // MARK: ctx.filters

  @Test func anExchangePutsFiltersOutOfAction() throws {
    func found(_ call: String) throws -> String {
      let policy = """
        return { on_request = function(ctx) \(call) end, filters = {
          tide.filter.mask { kinds = { "email" } }, tide.filter.replace { words = { a = "b" }, name = "house style" },
          tide.filter.limit { output_tokens = 4 } } }
        """
      return try answer(policy, ["a x@y.de a and so on"]).text
    }
    #expect(try found("") == "b [email] b bnd s")
    #expect(try found("ctx.filters:disable { 'mask' }") == "b x@y.de b bnd s")
    #expect(try found("ctx.filters:disable { 'limit', 'house style' }") == "a [email] a and so on")
    #expect(try found("ctx.filters:set { 'house style' }") == "b x@y.de b bnd so on")
    #expect(try found("ctx.filters:disable()") == "a x@y.de a and so on")
  }

  @Test func mistakesWithContextFiltersAreNamed() throws {
    func told(_ policy: String) throws -> String {
      let fixture = try PolicyFixture([("p", policy)])
      let run = fixture.run()
      _ = run.runRequest()
      if let lanes = run.lanes {
        var driver = LaneDriver(lanes)
        _ = driver.answer(["x"])
      }
      return fixture.services.log.first?.message ?? "nothing"
    }
    let filters = "filters = { tide.filter.mask { kinds = { 'email' } } }"
    #expect(
      try told("return { on_request = function(ctx) ctx.filters:disable { 'maks' } end, \(filters) }")
        .contains("ctx.filters:disable: this policy has no filter maks; did you mean mask?; there are mask"))
    for (call, said) in [
      (
        "disable { names = { 'mask' } }",
        "takes a list of names, not a table with the key names: ctx.filters:disable { \"mask\" }"
      ),
      ("disable('mask', 'other')", "ctx.filters:disable takes one list: ctx.filters:disable { \"mask\" }"),
      (".disable { 'mask' }", "call 'disable' with a colon: ctx.filters:disable(...)"),
      ("disable(5)", "ctx.filters:disable takes a list of names, not an integer"),
      ("set()", "ctx.filters:set takes a list of the filters that are to run: ctx.filters:set { \"mask\" }"),
      ("set { names = 'mask' }", "ctx.filters:set takes a list of names, not a table with the key names"),
    ] {
      let message = try told(
        "return { on_request = function(ctx) ctx.filters\(call.hasPrefix(".") ? "" : ":")\(call) end, \(filters) }")
      #expect(message.contains(said), "\(message)")
    }
    #expect(
      try told("return { on_request = function(ctx) ctx.filters:disable() end }").contains(
        "this policy declares no filters"))
    #expect(
      try told("return { on_lane = function(ctx) ctx.filters:disable() end, \(filters) }")
        .contains("ctx.filters can be changed until the first text of the answer, not in on_lane"))
    #expect(
      try told("return { on_request = function(ctx) tide.filter.mask { kinds = { 'ip' } } end }")
        .contains("tide.filter.mask belongs in the policy's filters, not in on_request"))
  }

  // MARK: Prompts

  private func masked(_ call: String, body: String) throws -> (body: String, log: [PolicyLogEntry]) {
    let fixture = try PolicyFixture([("p", "return { on_request = function(ctx) \(call) end }")])
    let run = fixture.run(body: body)
    _ = run.runRequest()
    return (String(decoding: try #require(run.context.chat).body(), as: UTF8.self), fixture.services.log)
  }

  @Test func promptsAreMaskedInPlace() throws {
    let body =
      #"{"model":"m","messages":[{"role":"system","content":"mail root@x.de"},{"role":"user","content":[{"type":"text","text":"I am a@x.de, not <EMAIL_1>"},{"type":"text","text":"b@x.de and a@x.de"}]}],"n":1}"#
    let all = try masked("ctx.prompt:mask { kinds = { 'email' } }", body: body)
    #expect(
      all.body
        == #"{"model":"m","messages":[{"role":"system","content":"mail <EMAIL_2>"},{"role":"user","content":[{"type":"text","text":"I am <EMAIL_3>, not <EMAIL_1>"},{"type":"text","text":"<EMAIL_4> and <EMAIL_3>"}]}],"n":1}"#
    )
    let users = try masked("assert(ctx.prompt:mask { kinds = { 'email' }, roles = { 'user' } } == 3)", body: body)
    #expect(users.body.contains("mail root@x.de") && users.body.contains("I am <EMAIL_2>") && users.log.isEmpty)
    let untouched = try masked("assert(ctx.prompt:mask { kinds = { 'card' } } == 0)", body: body)
    #expect(untouched.body == body && untouched.log.isEmpty)
    #expect(
      try masked("ctx.prompt:mask { kinds = { 'mail' } }", body: body).log[0].message.contains(
        "ctx.prompt:mask: unknown kind mail"))
    #expect(try masked("ctx.prompt:mask { kind = {} }", body: body).log[0].message.contains("did you mean kinds?"))
  }

  // MARK: Loading

  @Test(arguments: [
    ("tide.filter.mask { kind = { 'email' } }", "tide.filter.mask: unknown option kind; did you mean kinds?"),
    ("tide.filter.mask { kinds = { 'emial' } }", "tide.filter.mask: unknown kind emial; did you mean email?"),
    ("tide.filter.mask { kinds = {} }", "tide.filter.mask: kinds is empty"),
    ("tide.filter.mask {}", "tide.filter.mask: kinds must be a list of email, iban"),
    ("tide.filter.mask { kinds = { 'ip' }, with = 3 }", "tide.filter.mask: with must be a string"),
    ("tide.filter.mask { kinds = { 'ip' }, on_match = 3 }", "tide.filter.mask: on_match must be a function"),
    ("tide.filter.mask { kinds = { 'ip' }, channels = { 'txt' } }", "tide.filter.mask: unknown channel txt"),
    ("tide.filter.replace { words = { 'a' } }", "tide.filter.replace: words must be a table such as"),
    ("tide.filter.replace { words = { a = 1 } }", "tide.filter.replace: words[\"a\"] must be a string"),
    ("tide.filter.replace { words = { a = '1', A = '2' }, ignore_case = true }", "are the same word with ignore_case"),
    ("tide.filter.replace { words = { a = '1' }, whole_word = 1 }", "whole_word must be true or false"),
    ("tide.filter.restore {}", "tide.filter.restore: map is missing"),
    (
      "tide.filter.block { patterns = { 'ok', 'a.*b' } }",
      "tide.filter.block: patterns[2]: at character 3 of \"a.*b\": * has no upper bound"
    ),
    ("tide.filter.block { patterns = { '[a' } }", "at character 1 of \"[a\": the class is not closed with ]"),
    ("tide.filter.block { patterns = { 'a+' }, max_len = 0 }", "max_len must be a number of bytes"),
    ("tide.filter.limit { tokens = 3 }", "tide.filter.limit: unknown option tokens"),
    ("tide.filter.limit { output_tokens = 0 }", "tide.filter.limit: output_tokens must be above 0"),
    ("tide.filter.msk {}", "msk"),
    ("'mask'", "filters[1] is a string; make it with tide.filter.mask"),
    ("tide.cut {}", "filters[1] is a userdata; make it with tide.filter.mask"),
    ("tide.filter.replace { words = { [('x'):rep(300)] = 'y' } }", "policy p: filters[1]: replace: the word"),
  ])
  func mistakesAreNamedWhereTheyAre(_ filter: String, _ message: String) {
    for policy in [
      "return { filters = {\n\(filter) } }", "return { filters = function(cfg) return {\n\(filter) } end }",
    ] {
      let found = PolicyFixture.problems(policy).map(\.description)
      #expect(found.contains { $0.contains(message) }, "\(found)")
      if message.hasPrefix("tide.filter.") { #expect(found.contains { $0.contains("p.lua:2:") }, "\(found)") }
    }
  }

  @Test(arguments: [
    ("filters = 3", "filters must be a list, or a function of cfg that returns one, not an integer"),
    ("filters = function() end", "filters must be a list, or a function of cfg that returns one, not a nil"),
    ("filters = function() return { tide.filter.limit { output_tokens = 1 }, false } end", "filters[2] is a boolean"),
    ("hold = { bytes = 64 }", "hold is of no use without filters"),
    (
      "hold = { byte = 64 }, filters = { tide.filter.limit { output_tokens = 1 } }",
      "unknown key hold.byte; did you mean bytes?"
    ),
    (
      "hold = { bytes = 8 }, filters = { tide.filter.limit { output_tokens = 1 } }",
      "hold.bytes must be a size from 16 bytes to 64KiB"
    ),
    ("hold = { time = '2m' }, filters = { tide.filter.limit { output_tokens = 1 } }", "hold.time must be a duration"),
    (
      "hold = { strict = 1 }, filters = { tide.filter.limit { output_tokens = 1 } }",
      "hold.strict must be true or false"
    ),
  ])
  func mistakesInTheManifestAreNamed(_ keys: String, _ message: String) {
    let found = PolicyFixture.problems("return { \(keys) }").map(\.description)
    #expect(found.contains { $0.contains(message) }, "\(found)")
  }

  @Test func filtersDependOnTheConfigurationAlone() throws {
    let policy =
      "local n = 0\nreturn { filters = function() return { tide.filter.limit { output_tokens = math.random(1, 1000000000) } } end }"
    #expect(throws: (any Error).self) { try PolicyFixture([("p", policy)]) }
  }

  @Test func theyAreListedAndCounted() throws {
    let fixture = try PolicyFixture([
      ("p", "return { filters = { tide.filter.mask { kinds = { 'email' } } } }")
    ])
    #expect(fixture.blueprint.descriptions[0].hooks == ["filters"] && fixture.blueprint.seesText(route: "chat"))
    let run = fixture.run()
    run.fixBindings()
    #expect(run.seesText)
    var driver = LaneDriver(try #require(run.lanes))
    _ = driver.answer(["a", "b", "c"])
    #expect(fixture.worker.metrics[0].hook == "filters" && fixture.worker.metrics[0].figures.count == 4)
  }
}
