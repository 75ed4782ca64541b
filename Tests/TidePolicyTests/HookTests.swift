import Testing
import TideCore
import TideDialects

@testable import TidePolicy

@Suite struct HookTests {
  /// What `on_request` put in a denial's message.
  private func told(_ body: String, _ run: (PolicyFixture) -> PolicyRun = { $0.run() }) throws -> String {
    let fixture = try PolicyFixture([
      ("p", "return { on_request = function(ctx, cfg)\n\(body)\nend }")
    ])
    switch run(fixture).runRequest() {
    case .deny(let denial) where denial != .policyFailed: return denial.message
    case .deny: return fixture.services.log.last?.message ?? "no log"
    case let other: return "\(other)"
    }
  }

  @Test func contextFieldsAreResolved() throws {
    let message = try told(
      """
      local r = ctx.request
      return tide.deny(400, { message = table.concat({ ctx.id, ctx.kind, ctx.dialect, ctx.model, tostring(ctx.streaming),
        ctx.client.ip, r.method, r.path, r.query, r.host, r.headers['X-A'], r.headers.missing or 'nil', ctx.route.name,
        tostring(ctx.auth), ctx.prompt.messages[1].text, ctx.prompt.tokens_est, ctx.params.n,
        ctx.params.temperature or 'none' }, ' ') })
      """
    ) { $0.run("hi", headers: [("x-a", "1"), ("x-a", "2")], path: "/v1/chat/completions?q=1") }
    #expect(
      message
        == "req-1 chat openai echo true 192.0.2.7 POST /v1/chat/completions q=1 api.example.com 1, 2 nil chat nil hi 7 1 none"
    )
  }

  @Test func unknownFieldsSuggestAndLaterOnesSaySo() throws {
    #expect(try told("return ctx.modle").contains("ctx has no field modle; did you mean model?"))
    #expect(try told("return ctx.request.pth").contains("ctx.request has no field pth; did you mean path?"))
    #expect(
      try told("return ctx.response.status").contains(
        "ctx.response is not known yet in on_request: it is from on_response_start on"))
    #expect(try told("ctx.model = 'x'").contains("ctx.model is read-only in on_request"))
    #expect(try told("ctx.request.headers.a = 'x'").contains("ctx.request.headers is read-only"))
  }

  @Test func headersCanBeLoopedOver() throws {
    let message = try told(
      "local t = {} for k, v in pairs(ctx.request.headers) do t[#t + 1] = k .. '=' .. v end return tide.deny(400, { message = table.concat(t, ';') })"
    ) { $0.run(headers: [("b", "1"), ("a", "2"), ("b", "3")]) }
    #expect(message == "b=1, 3;a=2")
  }

  @Test func promptAndParametersAreWritten() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function(ctx)
          ctx.params.temperature = 0.5
          ctx.params.max_tokens = 256.0
          for part in ctx.prompt:each_text { roles = { "user" } } do part.text = part.text:upper() end
          ctx.prompt:insert(1, { role = "system", text = "be kind" })
          ctx.prompt:append { role = "user", text = "more" }
          ctx.prompt:replace(3, { role = "user", text = "less" })
        end }
        """
      )
    ])
    let run = fixture.run(body: #"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":1}"#)
    #expect(run.runRequest() == .proceed)
    #expect(
      String(decoding: run.context.chat?.body() ?? [], as: UTF8.self)
        == #"{"model":"m","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"HI"},{"role":"user","content":"less"}],"temperature":0.5,"max_tokens":256}"#
    )
  }

  /// What `each_text` does not understand must not stand for all texts.
  @Test(arguments: [
    (#"{ "user" }"#, "takes roles by name"), (#"{ role = { "user" } }"#, "unknown key role"),
    (#"{ roles = "user" }"#, "roles must be a list of strings"),
    (#"{ roles = { 1 } }"#, "roles must be a list of strings"),
    (#"{ roles = { "user" } }, function() end"#, "takes a table and nothing else"), (#"7"#, "takes a table"),
  ])
  func eachTextRefusesWhatItDoesNotUnderstand(_ arguments: String, _ message: String) throws {
    let said = try told("for part in ctx.prompt:each_text(\(arguments)) do part.text = 'x' end") {
      $0.run(body: #"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}]}"#)
    }
    #expect(said.contains("each_text") && said.contains(message), "\(said)")
  }

  /// A write that changes nothing must not look as if it did.
  @Test(arguments: [
    ("ctx.prompt.messages[1].text = 'x'", "ctx.prompt:replace(index, "),
    ("ctx.prompt.messages[2] = { role = 'user', text = 'x' }", "ctx.prompt.messages is a copy"),
    ("table.insert(ctx.prompt.messages, { role = 'user', text = 'x' })", "ctx.prompt.messages is a copy"),
    ("for _, message in ipairs(ctx.prompt.messages) do message.role = 'system' end", "ctx.prompt.messages is a copy"),
    ("rawset(ctx.prompt.messages[1], 'text', 'x')", "table is read-only"),
    ("local _, first = next(ctx.prompt.messages) first.text = 'x'", "ctx.prompt.messages is a copy"),
    ("ctx.prompt.messages = {}", "ctx.prompt.messages is read-only in on_request: on_request changes them with"),
    ("ctx.prompt.tools[1] = 'x'", "ctx.prompt.tools is a copy"),
    ("ctx.params.stop[1] = 'x'", "ctx.params.stop = { ... }"),
    ("ctx.auth.claims.scope = 'x'", "tide.identity"),
  ])
  func writingToACopySaysWhatToDo(_ script: String, _ message: String) throws {
    let body =
      #"{"model":"m","messages":[{"role":"user","content":"hi"}],"stop":["a"],"tools":[{"type":"function","function":{"name":"f"}}]}"#
    let said = try told(script) {
      let run = $0.run(body: body)
      run.context.auth = Identity(keyID: "k", claims: map(("scope", .string("read"))))
      return run
    }
    #expect(said.contains(message), "\(said)")
  }

  @Test func aCopyReadsAsATable() throws {
    let message = try told(
      """
      local messages, roles = ctx.prompt.messages, {}
      for i, message in ipairs(messages) do roles[i] = message.role .. "=" .. message.text end
      for i, message in pairs(messages) do roles[#roles + 1] = i .. message.role end
      local first, second = table.unpack(messages)
      ctx.params.stop = ctx.params.stop
      return tide.deny(400, { message = table.concat({ #messages, table.concat(roles, ","), second.text, tostring(messages[3]),
        #tide.json.encode(messages), tostring(rawget(first, "name")), tostring(first) }, " ") })
      """
    ) {
      $0.run(
        body: #"{"model":"m","stop":["a"],"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}]}"#)
    }
    #expect(
      message
        == "2 system=s,user=u,1system,2user u nil 57 nil table"
    )
  }

  @Test func whatIsKeptEndsWithItsExchange() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        local kept
        return { failure = { on_request = "deny" }, on_request = function(ctx)
          if not kept then kept = ctx return end
          return tide.deny(400, { message = kept.id })
        end }
        """
      )
    ])
    let first = fixture.run()
    #expect(first.runRequest() == .proceed)
    first.end()
    #expect(fixture.run().runRequest() == .deny(.policyFailed))
    #expect(fixture.services.log.last?.message.contains("used after its exchange ended") == true)
  }

  @Test func varsBelongToBindingAndExchange() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_auth = function(ctx) ctx.vars.seen = (ctx.vars.seen or 0) + 1 return tide.identity { key_id = 'k' } end,
          on_request = function(ctx)
            ctx.vars.seen = (ctx.vars.seen or 0) + 1
            return tide.deny(400, { message = tostring(ctx.vars.seen) })
          end }
        """
      )
    ])
    for _ in 0..<3 {
      let run = fixture.run()
      _ = run.runAuth()
      guard case .deny(let denial) = run.runRequest() else { return }
      #expect(denial.message == "2")
    }
  }

  @Test(arguments: [
    ("on_auth", "tide.cut{}", false), ("on_auth", "tide.deny(403)", true), ("on_auth", "tide.respond{text='x'}", true),
    ("on_auth", "tide.identity{key_id='k'}", true),
    ("on_request", "tide.identity{ user = 'u' }", false), ("on_request", "tide.deny(403)", true),
    ("on_request", "tide.cut{}", false),
    ("on_request", "tide.respond{text='x'}", true), ("on_request", "false", false), ("on_request", "true", false),
    ("on_request", "'text'", false), ("on_request", "{}", false), ("on_request", "nil, false", true),
    ("on_auth", "false", false), ("on_auth", "{ key_id = 'k' }", false),
  ])
  func verdictsAreLegalOnlyWhereTheTableSays(_ hook: String, _ verdict: String, _ isLegal: Bool) throws {
    let fixture = try PolicyFixture([("p", "return { \(hook) = function() return \(verdict) end }")])
    let run = fixture.run()
    _ = hook == "on_auth" ? run.runAuth() : run.runRequest()
    #expect(fixture.services.log.isEmpty == isLegal, "\(fixture.services.log)")
  }

  @Test(arguments: [
    ("on_token", "tide.cut{}", true), ("on_token", "tide.deny(403)", false), ("on_token", "false", false),
    ("on_token", "nil", true), ("on_token", "'x'", true), ("on_token", "7", false),
    ("on_token", "tide.identity{ user = 'u' }", false),
    ("on_lane", "{}", true), ("on_lane", "nil", true), ("on_lane", "'x'", false), ("on_lane", "tide.cut{}", false),
    ("on_lane_end", "'x'", true), ("on_lane_end", "nil", true), ("on_lane_end", "tide.cut{}", false),
    ("on_lane_end", "false", false),
  ])
  func laneHooksReturnOnlyWhatTheTableSays(_ hook: String, _ result: String, _ isLegal: Bool) throws {
    let fixture = try PolicyFixture([("p", "return { \(hook) = function() return \(result) end }")])
    var driver = LaneDriver(try #require(fixture.run().lanes))
    _ = driver.answer(["hello"])
    #expect(fixture.services.log.isEmpty == isLegal, "\(fixture.services.log)")
    #expect(isLegal || driver.steps == [.cut])
  }

  @Test(arguments: [
    ("tide.deny(399)", "from 400 to 599"), ("tide.deny(600)", "from 400 to 599"), ("tide.deny('x')", "from 400 to 599"),
    ("tide.deny(400.5)", "from 400 to 599"), ("tide.deny(429.0)", ""),
    ("tide.deny(400, { mesage = 'x' })", "did you mean message?"),
    ("tide.deny(400, { headers = { ['x a'] = '1' } })", "not the name of a header"),
    ("tide.deny(400, { headers = { a = 'x\\r\\nb: c' } })", "control characters"),
    ("tide.deny(400, { headers = { ['Transfer-Encoding'] = 'chunked' } })", "the host sets transfer-encoding itself"),
    ("tide.deny(400, { headers = { ['content-length'] = '0' } })", "the host sets content-length itself"),
    ("tide.deny(400, { retry_after = 'soon' })", "retry_after"), ("tide.deny(400, { retry_after = '10s' })", ""),
    ("tide.respond{}", "give one of"), ("tide.respond{ text = 'a', json = {} }", "give one of"),
    ("tide.respond{ text = 'a', finish = 'length' }", ""),
    ("tide.respond{ text = 'a', finish = 'because' }", "finish must be one of stop, length"),
    ("tide.respond{ text = 'a', usage = { input = 1, output = 2 } }", ""),
    ("tide.respond{ text = 'a', usage = { output = -2 } }", "usage.output must be a whole number"),
    ("tide.respond{ text = 'a', usage = 7 }", "usage: expected a table"),
    ("tide.respond{ text = 'a', usage = { inptu = 7 } }", "did you mean input?"),
    ("tide.respond{ tool_calls = { { name = 'f', args = { a = 1 } } } }", ""),
    ("tide.cut{ reason = 'because' }", "the reason must be"), ("tide.identity{ kye_id = 'k' }", "did you mean key_id?"),
    ("tide.identity{}", "say who it is: key_id, tenant, user or claims"), ("tide.identity()", "say who it is"),
    ("tide.identity{ claims = 'x' }", "claims must be a table"), ("tide.identity{ claims = {} }", ""),
    ("tide.identity{ tenant = true }", "tenant must be a string"),
  ])
  func verdictsAreValidated(_ code: String, _ message: String) throws {
    let found = try told(
      "local ok, e = pcall(function() return \(code) end)\nreturn tide.deny(400, { message = ok and '' or e })")
    #expect(message.isEmpty ? found.isEmpty : found.contains(message), "\(found)")
  }

  @Test func hostFunctionsAnswer() throws {
    let json = try told(
      #"""
      local value = tide.json.decode('{"a":[1,2.5,null,"\\u00e9"],"b":null}')
      assert(value.b == nil, "b")
      assert(value.a[3] == tide.json.null, "null")
      return tide.deny(400, { message = tide.json.encode(value) })
      """#)
    #expect(json == #"{"a":[1,2.5,null,"é"]}"#)
    #expect(
      try told("local v, e = tide.json.decode('[1,') return tide.deny(400, { message = tostring(v) .. e.code })")
        == "nilbad_json")
    #expect(
      try told(
        "return tide.deny(400, { message = tostring(tide.glob('gpt-*', 'gpt-4')) .. tostring(tide.glob('a', 'b')) })")
        == "truefalse")
    #expect(try told("return tide.deny(400, { message = tostring(tide.now()) })").hasPrefix("1700000000000"))
    #expect(try told("return tide.deny(400, { message = #tide.sha256('x') })") == "64")
    #expect(
      try told(
        """
        tide.shared.set('k', 5) tide.shared.incr('k') tide.shared.incr('k', 4)
        tide.shared.set('t', 'x', { ttl = '1s' })
        local swapped = tide.shared.cas('k', 10, 11)
        return tide.deny(400, { message = tide.shared.get('k') .. tide.shared.get('t') .. tostring(swapped) .. tostring(tide.shared.get('no')) })
        """) == "11xtruenil")
  }

  @Test func logsNamePolicyHookAndExchange() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_request = function(ctx) ctx:log("warning", "odd", { size = 3 }) tide.log("info", "plain") print("a", 1) end }
        """
      )
    ])
    _ = fixture.run().runRequest()
    let log = fixture.services.log
    #expect(log.map(\.message) == ["odd", "plain", "a\t1"])
    #expect(log.allSatisfy { $0.binding == "p" && $0.hook == "on_request" && $0.exchangeID == "req-1" })
    #expect(log[0].fields == [.init(name: "size", value: "3")])
  }

  @Test func limitsAreOnlyForHooksThatMayWait() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { failure = { on_route = "deny" }, on_route = function() tide.limit.take("k", 1, { rate = 1, per = "1s" }) end }
        """
      )
    ])
    #expect(fixture.run().runRoute([]) == .deny(.policyFailed))
  }

  @Test func requestHooksRunInOrderAndVerdictsEndTheChain() throws {
    let note = { (name: String, result: String) in
      (name, "return { on_request = function(ctx) tide.log('info', '\(name)') return \(result) end }")
    }
    let fixture = try PolicyFixture([
      note("a", "nil"), note("b", "tide.respond{ text = 'hi', finish = 'stop' }"), note("c", "nil"),
    ])
    #expect(fixture.run().runRequest() == .respond(PolicyAnswer(text: "hi", finish: "stop")))
    #expect(fixture.services.log.map(\.message) == ["a", "b"])
  }

  @Test func logHooksRunInReverseAndNeverDecide() throws {
    let fixture = try PolicyFixture([
      (
        "a",
        "return { on_log = function(ctx) tide.log('info', 'a' .. ctx.usage.total .. ctx.response.status) return false end }"
      ),
      ("b", "return { on_log = function(ctx) tide.log('info', 'b') error('x') end }"),
    ])
    let run = fixture.run()
    run.fixBindings()
    run.context.usage = TokenUsage(prompt: 2, completion: 3)
    run.context.response = .init(status: 200)
    run.log()
    #expect(fixture.services.log.map(\.message).filter { $0.count < 6 } == ["b", "a5200"])
  }

  @Test func routesAreChosen() throws {
    let fixture = try PolicyFixture([
      ("a", "return { on_route = function(ctx, cfg, t) return { t[2], { model = 'x' } } end }"),
      (
        "b",
        "return { on_route = function(ctx, cfg, t) assert(#t == 2 and t[1].pending == 4) return { t[2], t[1] } end }"
      ),
      ("c", "return { on_route = function(ctx, cfg, t) return {} end }"),
    ])
    let targets = [
      RouteTarget(model: "m", cluster: "one"), RouteTarget(model: "m", cluster: "two", isHealthy: false, pending: 4),
    ]
    #expect(
      fixture.run().runRoute(targets) == .targets([RouteTarget(model: "x", cluster: ""), targets[1]]))
    #expect(fixture.services.log.last?.message.contains("a list of targets that is not empty") == true)
  }

  // MARK: Authentication

  private static let knows = { @Sendable (key: String) in
    "return { on_auth = function(ctx) if ctx.request.credential == '\(key)' then return tide.identity { key_id = '\(key)' } end end }"
  }

  @Test func theFirstIdentityWinsAndNoneIsRefused() throws {
    let fixture = try PolicyFixture(
      [
        ("a", Self.knows("one")), ("b", Self.knows("two")),
        ("c", "return { on_auth = function() return tide.identity { key_id = 'any' } end }"),
      ],
      bindings: [PolicyBinding(policy: "a"), PolicyBinding(policy: "b")],
      routes: ["chat": [], "last": [PolicyBinding(policy: "c")], "open": []], anonymous: ["open"])
    #expect(fixture.run(headers: [("x-api-key", "two")]).runAuth() == .identity(Identity(keyID: "two")))
    #expect(fixture.run(headers: [("x-api-key", "three")]).runAuth() == .deny(.unauthenticated))
    #expect(fixture.run(headers: [("x-api-key", "one")], route: "last").runAuth() == .identity(Identity(keyID: "one")))
    #expect(fixture.run(route: "last").runAuth() == .identity(Identity(keyID: "any")))
    #expect(fixture.run(route: "open").runAuth() == .proceed)
  }

  @Test func authenticationFailsClosed() throws {
    let broken = ("a", "return { on_auth = function(ctx) error('x') end }")
    #expect(try PolicyFixture([broken]).run().runAuth() == .deny(.policyFailed))
    let skipped = try PolicyFixture([broken], bindings: [PolicyBinding(policy: "a", failure: ["on_auth": .skip])])
    #expect(skipped.run().runAuth() == .deny(.unauthenticated))
    let elsewhere = try PolicyFixture(
      [("a", Self.knows("one"))],
      bindings: [PolicyBinding(policy: "a", when: MatchCondition(globs: [.path: [Glob("/admin/*")]]))])
    #expect(elsewhere.run(headers: [("x-api-key", "one")]).runAuth() == .deny(.unauthenticated))
    #expect(try PolicyFixture([("a", "return { on_log = function() end }")]).run().runAuth() == .proceed)
  }

  // MARK: Conditions

  @Test func conditionsDecideOnce() throws {
    let deny = "return { on_request = function() return tide.deny(403) end }"
    let when = MatchCondition(
      globs: [.model: [Glob("gpt-*")], .tenant: [Glob("acme"), Glob("initech")]],
      not: MatchCondition(headers: ["x-raw": [Glob("1")]]))
    let fixture = try PolicyFixture([("p", deny)], bindings: [PolicyBinding(policy: "p", when: when)])
    func isDenied(_ model: String, _ tenant: String?, _ headers: [(String, String)] = []) -> Bool {
      let run = fixture.run(model: model, headers: headers)
      run.context.auth = Identity(tenant: tenant)
      return run.runRequest() != .proceed
    }
    #expect(isDenied("gpt-4", "acme"))
    #expect(isDenied("gpt-4", "initech", [("x-raw", "2")]))
    #expect(!isDenied("gpt-4", "acme", [("X-Raw", "1")]))
    #expect(!isDenied("claude", "acme"))
    #expect(!isDenied("gpt-4", nil))
  }

  @Test func routesLeaveOutAndAdd() throws {
    let fixture = try PolicyFixture(
      [
        ("a", "return { on_request = function() return tide.deny(401) end }"),
        ("b", "return { on_log = function() end }"),
      ],
      bindings: [PolicyBinding(policy: "a")], routes: ["chat": [], "free": [PolicyBinding(policy: "b")]],
      without: ["free": ["a"]])
    #expect(fixture.run().runRequest() != .proceed)
    let free = fixture.run(route: "free")
    #expect(free.runRequest() == .proceed)
    #expect(!free.seesText)
    #expect(fixture.blueprint.seesText(route: "chat") && !fixture.blueprint.seesText(route: "free"))
  }
}
