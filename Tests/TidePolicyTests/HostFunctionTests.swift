import Testing
import TideCore

@testable import TidePolicy

@Suite struct HostFunctionTests {
  // MARK: tide.base64, tide.sha256, tide.hmac

  @Test func base64GoesThereAndBack() throws {
    #expect(
      try values(
        "tide.base64.encode('f\\xFF\\xFE'), tide.base64.encode('f\\xFF\\xFE', { url = true }), tide.base64.encode('')")
        == "Zv/+ Zv_- ")
    #expect(
      try values("tide.base64.decode('Zv/+') == 'f\\xFF\\xFE', tide.base64.decode('Zg', { url = true })") == "true f")
  }

  @Test(arguments: ["'Zg'", "'Zg==='", "'Z g='", "'Zv_-'", "'Zg==', { url = true }", "'Zh', { url = true }"])
  func malformedBase64IsAnError(_ arguments: String) throws {
    #expect(
      try told(
        "local text, err = tide.base64.decode(\(arguments)) return tide.deny(400, { message = tostring(text) .. ' ' .. err.code })"
      ) == "nil bad_base64")
  }

  @Test(arguments: [
    ("tide.base64.encode(nil)", "tide.base64.encode: expected a string, got nil"),
    ("tide.base64.encode({})", "tide.base64.encode: expected a string, got table"),
    ("tide.base64.encode('x', { ulr = true })", "tide.base64.encode: unknown key ulr; did you mean url?"),
    ("tide.base64.decode('x', { url = 1 })", "tide.base64.decode: url must be true or false"),
    ("tide.base64.decode(('x'):rep(1048577))", "tide.base64.decode: the text is longer than 1 MiB"),
    ("tide.sha256(('x'):rep(1048577))", "tide.sha256: the text is longer than 1 MiB"),
    ("tide.hmac('k', ('x'):rep(1048577))", "tide.hmac: the text is longer than 1 MiB"),
    ("tide.hmac(nil, 'x')", "tide.hmac: the key must be a secret or a string of at most 1 MiB"),
    ("tide.glob(('*'):rep(5000), 'x')", "tide.glob: the pattern or the text is too long"),
    ("tide.glob(('*a'):rep(2000), ('a'):rep(100000))", "tide.glob: the pattern or the text is too long"),
    ("tide.uuid('v1')", "tide.uuid: the version must be \"v4\" or \"v7\""),
    ("tide.uuid(4)", "tide.uuid: the version must be \"v4\" or \"v7\""),
    ("tide.log('loud', 'x')", "tide.log: the level must be one of debug, info, warning, error, not loud"),
    ("tide.log('inof', 'x')", "did you mean info?"),
    ("tide.log('notice')", "tide.log: the level comes first, then the message"),
    ("tide.log('info')", "the message must be a string: tide.log(\"info\""),
    ("tide.deny { status = 403, message = 'no' }", "tide.deny: the status comes first, before the table"),
    ("tide.deny('403')", "tide.deny: the status must be a number from 400 to 599"),
    ("tide.log('info', 'x', 'y')", "log: fields must be a table of names and values"),
    ("tide.shared.set('k', 1, { tll = 5 })", "tide.shared: unknown key tll; did you mean ttl?"),
    ("tide.shared.set('k', {})", "tide.shared: keeps strings, numbers and booleans"),
    ("tide.limit.take('k', -1, { rate = 1, per = 1 })", "tide.limit.take: the amount must be an integer from 0"),
    ("tide.limit.take('k', 1, { rate = 1, per = 1, burst = '5' })", "burst must be a whole number above 0, not 5"),
    ("tide.limit.take('k', 1, { rate = 1, per = 1, burst = 1.5 })", "burst must be a whole number above 0, not 1.5"),
    ("tide.limit.take('k', 1, { rate = 1, per = 1, burst = true })", "burst must be a whole number above 0, not true"),
    ("tide.limit.take('k', 1, { rate = 1, per = 1, burst = 0 })", "rate, per and burst must be positive"),
    ("tide.limit.take('k', 1, { rate = '1', per = 1 })", "needs { rate = a whole number, per = a duration }"),
    ("tide.limit.take('k', 1, { rate = 1, per = {} })", "per must be milliseconds or a duration"),
    ("tide.limit.take('k', 1, { rate = 1, per = 1, bust = 5 })", "unknown key bust; did you mean burst?"),
    ("tide.limit.take('k', 1, 'fast')", "tide.limit.take: expected a table, got a string"),
    ("tide.limit.take('k', '1', { rate = 1, per = 1 })", "the amount must be an integer from 0"),
    ("tide.limit.concurrent('k', '1')", "the maximum must be a whole number from 0"),
    ("tide.shared.set('k', 1, { ttl = {} })", "ttl must be milliseconds or a duration"),
    ("tide.shared.set('k', 1, '10s')", "tide.shared: expected a table, got a string"),
    ("tide.shared.incr('k', '1')", "the amount must be an integer"),
    ("tide.limit.concurrent('k')", "tide.limit.concurrent: the maximum must be a whole number from 0"),
    ("tide.limit.concurrent({}, 1)", "tide.limit.concurrent: the key must be a string"),
  ])
  func whatIsWrongIsSaid(_ call: String, _ message: String) throws {
    let text = try told("return \(call)")
    #expect(text.contains(message), "\(text)")
  }

  // MARK: tide.uuid

  @Test func uuidsAreOfTheirVersion() throws {
    let list = try values("tide.uuid(), tide.uuid('v4'), tide.uuid('v7'), tide.uuid('v7'), tide.uuid('v7')")
    let ids = list.split(separator: " ").map(String.init)
    #expect(Set(ids).count == 5)
    for (index, id) in ids.enumerated() {
      let parts = id.split(separator: "-")
      #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
      #expect(id.filter { $0 != "-" }.allSatisfy { $0.isHexDigit && !$0.isUppercase })
      #expect(parts[2].first == (index < 2 ? "4" : "7"))
      #expect("89ab".contains(parts[3].first!))
    }
    // The fixture's clock stands at 1,700,000,000,000 ms.
    #expect(ids[2].hasPrefix("018bcfe5-6800-7"))
    #expect(ids[2] < ids[3] && ids[3] < ids[4])
  }

  @Test func orderedIDsGrowWhateverTheClockDoes() {
    var clock = OrderedIDClock()
    var last: (UInt64, UInt16) = (0, 0)
    for step in 0..<20_000 {
      let next = clock.next(
        ms: step < 9_000 ? 1_000 : step < 12_000 ? 500 : 2_000 + UInt64(step / 100), random: { .max })
      #expect((next.ms, next.counter) > last && next.counter <= 0xFFF)
      last = (next.ms, next.counter)
    }
  }

  // MARK: tide.log

  @Test func logFieldsAreSortedAndBounded() throws {
    let services = FixtureServices()
    _ = try told(
      """
      tide.log("info", "hello", { z = 1, a = true, list = { 1, "two" }, map = { k = "v" }, long = ("ä"):rep(1000) })
      ctx:log("warn", ("m"):rep(5000))
      """, services: services)
    let lines = services.log
    try #require(lines.count == 2)
    #expect(lines[0].fields.map(\.name) == ["a", "list", "long", "map", "z"])
    #expect(lines[0].fields.map(\.value).filter { $0.utf8.count < 100 } == ["true", #"[1,"two"]"#, #"{"k":"v"}"#, "1"])
    #expect(lines[0].fields[2].value == String(repeating: "ä", count: 512))
    #expect(lines[0].exchangeID == "req-1" && lines[0].hook == "on_request")
    #expect(lines[1].level == .warning && lines[1].message.utf8.count == 1024)
    let many = "local t = {} for i = 1, 33 do t['f' .. i] = i end tide.log('info', 'x', t)"
    #expect(try told(many).contains("log: at most 32 fields"))
  }

  // MARK: tide.metrics

  @Test func metricsAddUp() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function(ctx)
          tide.metrics.incr("seen")
          tide.metrics.incr("cost", 0.25, { model = ctx.model, cached = false, tier = 3 })
          tide.metrics.observe("size", 12, { kind = "chat" })
          tide.metrics.observe("size", 1e9, { kind = "chat" })
        end }
        """
      )
    ])
    for _ in 0..<2 { #expect(fixture.run().runRequest() == .proceed) }
    let series = fixture.store.metrics.series
    #expect(series.map(\.name) == ["cost", "seen", "size"])
    #expect(series[0].figure == .counter(0.5))
    #expect(series[0].labels == [.init("cached", "false"), .init("model", "echo"), .init("tier", "3")])
    #expect(series[1].figure == .counter(2) && series[1].binding == "p")
    guard case .distribution(let sizes) = series[2].figure else { throw HostError("no distribution") }
    #expect(sizes.count == 4 && sizes.sum == 2e9 + 24)
    #expect(sizes.counts.last == 2 && sizes.counts[PolicyMetrics.Distribution.bounds.firstIndex(of: 20)!] == 2)
  }

  @Test func labelsOfAClientsMakingAreBounded() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { budgets = { on_request = { cpu = "1s" } }, on_request = function(ctx)
          for i = 1, 2000 do tide.metrics.incr("seen", 1, { user = "u" .. i }) end
          tide.metrics.incr("other", 1, { user = ("ä"):rep(200) })
          tide.metrics.incr("other", 1, { user = "another" })
        end }
        """
      )
    ])
    #expect(fixture.run().runRequest() == .proceed, "\(fixture.services.log)")
    let series = fixture.store.metrics.series
    #expect(series.count == PolicyMetrics.seriesMax + 2)
    let rest = series.first { $0.name == "seen" && $0.labels == PolicyMetrics.overflow }
    #expect(rest?.figure == .counter(1500))
    let warnings = fixture.services.log.filter { $0.level == .warning }
    // Once of each metric, however often it overflows.
    #expect(warnings.map { $0.message.prefix(16) } == ["the metric seen ", "the metric other"], "\(warnings)")
    #expect(warnings.first?.message.contains("500 sets of labels") == true)
    let store = PolicyMetrics()
    #expect(try !store.increment("p", "x", [], by: 1))
    #expect(throws: PolicyMetrics.Refusal.self) { try store.observe("p", "x", [], 1) }
    try store.observe("q", "x", [], 1)
    #expect(store.series.map(\.binding) == ["p", "q"])
  }

  @Test(arguments: [
    ("incr('Seen')", "lower-case letters"), ("incr('1x')", "lower-case letters"), ("incr('')", "lower-case letters"),
    ("incr(('x'):rep(65))", "at most 64 of them"), ("incr('x_total')", "leave out _total"),
    ("observe('x_bucket', 1)", "leave out _bucket"), ("incr('x', -1)", "counters never fall"),
    ("incr('x', 1/0)", "counters never fall"), ("incr('x', '1')", "counters never fall"),
    ("observe('x')", "must be a finite number"), ("observe('x', 0/0)", "must be a finite number"),
    ("incr('x', 1, { policy = 'y' })", "policy cannot be the name of a label"),
    ("incr('x', 1, { le = 'y' })", "le cannot be the name of a label"),
    ("incr('x', 1, { ['a b'] = 'y' })", "a b cannot be the name of a label"),
    ("incr('x', 1, { a = {} })", "the label a must be a string"), ("incr('x', 1, { 'y' })", "labels must be a table"),
    ("incr('x', 1, { a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1 })", "at most 8 labels"),
  ])
  func metricsThatCannotBeShownAreRefused(_ call: String, _ message: String) throws {
    let text = try told("tide.metrics.\(call)")
    #expect(text.contains(message), "\(text)")
  }

  @Test func aPolicyHasSoManyMetrics() throws {
    #expect(try told("for i = 1, 33 do tide.metrics.incr('m' .. i) end").contains("a policy has at most 32 metrics"))
  }

  // MARK: tide.shared

  @Test func sharedStateOutlivesReloadsAndAborts() throws {
    let services = FixtureServices()
    let source = """
      return { failure = { on_request = "skip" }, on_request = function(ctx)
        if ctx.request.headers.boom then tide.shared.incr("boom") while true do end end
        local n = tide.shared.incr("n")
        tide.shared.set("text", "v" .. n, { ttl = "1s" })
        return tide.deny(400, { message = n .. " " .. (tide.shared.get("boom") or 0) .. " " .. tostring(tide.shared.get("text")) })
      end }
      """
    let fixture = try PolicyFixture([("p", source)], services: services)
    func message(_ run: PolicyRun) -> String {
      if case .deny(let denial) = run.runRequest() { return denial.message }
      return "passed"
    }
    #expect(message(fixture.run()) == "1 0 v1")
    #expect(message(fixture.run(headers: [("boom", "1")])) == "passed")
    #expect(services.log.contains { $0.message.contains("time budget exceeded") })
    #expect(message(fixture.run()) == "2 1 v2")
    // A new generation: other machines, the same store.
    let next = try PolicyWorker(blueprint: fixture.blueprint, stores: fixture.store, workerIndex: 0)
    let run = PolicyRun(worker: next, context: fixture.run().context)
    run.begin(route: "chat")
    #expect(message(run) == "3 1 v3")
  }

  @Test func bindingsAreApartUnlessTheyShare() throws {
    let source = """
      return { on_request = function() local n = tide.shared.incr("n")
        if n == 3 then return tide.deny(400, { message = "three" }) end end }
      """
    func outcome(_ share: String?) throws -> PolicyOutcome {
      var bindings = ["a", "b", "c"].map { PolicyBinding(policy: "p", name: $0) }
      for index in bindings.indices { bindings[index].share = share }
      return try PolicyFixture([("p", source)], bindings: bindings).run().runRequest()
    }
    #expect(try outcome(nil) == .proceed)
    #expect(try outcome("all") == .deny(Denial(status: 400, message: "three")))
  }

  @Test func sharedValuesAreComparedAndRemoved() throws {
    #expect(
      try values(
        """
        tide.shared.cas("k", nil, 1), tide.shared.cas("k", nil, 2), tide.shared.cas("k", 1, 2, { ttl = 10 }),
        tide.shared.get("k"), tide.shared.incr("k", 5), tide.shared.del("k"), tide.shared.get("k"),
        tide.shared.set("b", true), tide.shared.get("b"), tide.shared.cas("b", true, nil), tide.shared.get("b")
        """) == "true false true 2 7 nil nil true true true nil")
  }

  // MARK: tide.limit

  @Test func placesAreGivenBackHoweverTheExchangeEnds() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function(ctx)
          local place = tide.limit.concurrent(ctx.model, 2)
          local again = tide.limit.concurrent(ctx.model, 2)
          assert(place.ok == again.ok)
          if not place.ok then return tide.deny(429, { message = "full " .. place.remaining }) end
          if ctx.request.headers.boom then while true do end end
        end }
        """
      )
    ])
    let first = fixture.run()
    var second: PolicyRun? = fixture.run()
    #expect(first.runRequest() == .proceed)
    #expect(second?.runRequest() == .proceed)
    let full = PolicyOutcome.deny(Denial(status: 429, message: "full 0"))
    #expect(fixture.run().runRequest() == full)
    #expect(fixture.run(model: "other").runRequest() == .proceed)
    first.end()
    let third = fixture.run()
    #expect(third.runRequest() == .proceed)
    #expect(fixture.run().runRequest() == full)
    // Ended without a word.
    second = nil
    let aborted = fixture.run(headers: [("boom", "1")])
    #expect(aborted.runRequest() == .deny(.policyFailed))
    #expect(fixture.run().runRequest() == full, "an aborted hook's exchange holds its place until it ends")
    aborted.end()
    let fourth = fixture.run()
    #expect(fourth.runRequest() == .proceed)
    third.log()
    #expect(fixture.run().runRequest() == .proceed, "the last byte has left")
    fourth.end()
    third.end()
    #expect(fixture.store.concurrency.keyCount == 0)
  }

  @Test func anExchangeHoldsSoManyPlaces() throws {
    #expect(
      try told("for i = 1, 33 do tide.limit.concurrent('k' .. i, 1) end").contains(
        "an exchange holds at most 32 places"))
    #expect(try values("tide.limit.concurrent('k', 0).ok, tide.limit.concurrent('k', 5).remaining") == "false 4")
    #expect(
      try told("local _, err = tide.limit.concurrent(('k'):rep(600), 1) return tide.deny(400, { message = err.code })")
        == "bad_value")
  }

  @Test func limitsWaitNowhereButWhereWaitingIsLegal() throws {
    let fixture = try PolicyFixture([("p", "return { on_route = function() tide.limit.concurrent('k', 1) end }")])
    _ = fixture.run().runRoute([RouteTarget(model: "m", cluster: "c")])
    #expect(
      fixture.services.log.last?.message.contains("tide.limit.concurrent may wait, so it cannot be called in this hook")
        == true)
  }
}
