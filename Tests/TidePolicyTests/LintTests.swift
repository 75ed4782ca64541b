import Testing
import TideCore

@testable import TidePolicy

@Suite struct LintTests {
  private func inspect(_ text: String, modules: [String: String] = [:]) -> (PolicyInspection?, [String]) {
    let temporary = TemporaryFolder()
    temporary.write("p/policy.lua", text)
    for (name, text) in modules { temporary.write("p/lib/\(name).lua", text) }
    let (policies, problems) = PolicyCompiler.inspect(
      PolicyFolder(path: temporary.path), services: FixtureServices().services)
    return (policies.first, problems.map { $0.description.replacing(temporary.path + "/", with: "") })
  }

  private func findings(_ text: String) -> [String] { inspect(text).1 }

  @Test func aFindingNamesPlaceRuleAndRemedy() {
    #expect(
      findings("return {\n  on_request = function(ctx)\n    return ctx.modle\n  end,\n}")
        == ["p/policy.lua:3: error: there is no ctx.modle [ctx-field] (did you mean ctx.model?)"])
  }

  @Test(arguments: [
    // Globals and libraries.
    ("return { on_request = function() count = 1 end }", "[global] (write local count"),
    ("return { on_request = function() return tosting(1) end }", "nothing named tosting"),
    ("local total = 0 return { on_log = function() return totl end }", "did you mean total?"),
    ("return { on_log = function() function helper() end end }", "writes the global helper"),
    ("return { on_log = function() return string.fromat('') end }", "did you mean string.format?"),
    ("return { on_log = function() return io end }", "nothing named io"),
    ("return { on_request = function() return tide.denny(400) end }", "did you mean tide.deny?"),
    ("return { on_request = function() return tide.limit.tke('k') end }", "did you mean tide.limit.take?"),
    // Verdicts.
    ("return { on_request = function() tide.deny(400) end }", "write return tide.deny"),
    ("return { on_request = function() return tide.retry {} end }", "on_request cannot return tide.retry"),
    ("local no = tide.cut {} return { on_request = function() return no end }", "on_request cannot return tide.cut"),
    (
      "local function no() return tide.cut {} end return { on_auth = function() return no() end }",
      "cannot return tide.cut"
    ),
    ("return { on_log = function(ctx) return ctx.model and tide.deny(400) end }", "on_log cannot return tide.deny"),
    (
      "return { filters = { tide.filter.block { patterns = { 'a' }, on_match = function() return tide.deny(400) end } } }",
      "filters cannot return tide.deny"
    ),
    ("return { on_request = function() local no = tide.deny no(400) end }", "tide.deny does nothing by itself"),
    // Results.
    ("return { on_request = function()\nreturn 413 end }", "p/policy.lua:2: error: on_request cannot return a number"),
    ("return { on_request = function() return { status = 413 } end }", "it returns nil, tide.deny, tide.respond"),
    ("return { on_request = function() return true end }", "cannot return a boolean [result]"),
    ("return { on_auth = function() if x then return 'no' end end }", "cannot return a string"),
    ("return { segment = { unit = 'word' }, on_segment = function() return false end }", "tide.cut"),
    ("local function f() return 1 end return { on_request = function() return f() end }", "cannot return a number"),
    // Fields.
    ("return { on_auth = function(ctx) return ctx.model end }", "not known yet in on_auth"),
    ("return { on_request = function(c) local p = c.prompt return p.sytem end }", "did you mean ctx.prompt.system?"),
    (
      "local function f(x) return x.clinet end return { on_log = function(ctx) f(ctx) end }", "did you mean ctx.client?"
    ),
    ("return { on_request = function(ctx) ctx.model = 'x' end }", "[ctx-write] (it is read-only everywhere"),
    ("return { on_log = function(ctx) ctx.prompt.system = 'x' end }", "it may be written in on_request"),
    (
      "return { on_route = function(ctx) ctx.prompt:append { role = 'user', text = '' } end }",
      "may not write ctx.prompt.append"
    ),
    ("return { on_response_end = function(ctx) ctx.filters:disable() end }", "may not write ctx.filters.disable"),
    ("return { on_request = function(ctx) ctx.log('info', 'x') end }", "write ctx:log(...)"),
    ("return { on_request = function(ctx) return ctx:model() end }", "ctx.model is no function"),
    (
      "return { on_lane = function(ctx) return { ctx = ctx } end, on_token = function(s) s.ctx.params.seed = 1 end }",
      "on_token may not write ctx.params.seed"
    ),
    (
      "return { on_log = function(ctx) for part in ctx.prompt:each_text {} do part.text = '' end end }",
      "on_log may not write ctx.prompt.each_text"
    ),
    (
      "return { on_request = function(ctx) ctx.prompt.messages[1].text = 'x' end }",
      "writes to a copy of ctx.prompt.messages, which raises [ctx-write] (on_request changes them with ctx.prompt:replace"
    ),
    (
      "return { on_request = function(ctx) for _, m in ipairs(ctx.prompt.messages) do m.text = 'x' end end }",
      "writes to a copy of ctx.prompt.messages"
    ),
    (
      "return { on_request = function(ctx)\nlocal all = ctx.prompt.messages all[1] = nil end }",
      "p/policy.lua:2: error: writes"
    ),
    ("return { on_log = function(ctx) ctx.auth.claims.scope = 'x' end }", "on_auth sets them with tide.identity"),
    ("return { on_request = function(ctx) ctx.prompt.messages = {} end }", "ctx.prompt:replace"),
    // Arguments of functions.
    (
      "return { on_log = function()\ntide.log('info') end }",
      "p/policy.lua:2: error: tide.log needs message [arguments]"
    ),
    ("return { on_log = function() tide.log('notice') end }", "it is tide.log(level, message, fields)"),
    ("return { on_log = function() tide.log('notice', 'x') end }", "tide.log: level cannot be \"notice\""),
    ("return { on_log = function() tide.log('inof', 'x') end }", "did you mean \"info\"?"),
    ("return { on_log = function(ctx) ctx:log('info', 'x', 'y') end }", "ctx:log: fields cannot be a string"),
    ("return { on_log = function(ctx) ctx:log('x') end }", "ctx:log needs message"),
    (
      "return { on_request = function() return tide.deny { status = 403, message = 'no' } end }",
      "tide.deny: status cannot be a table [arguments] (it is tide.deny(status, { code, message, type, headers, retry_after }))"
    ),
    ("return { on_request = function() return tide.deny(403, 'no') end }", "tide.deny: options cannot be a string"),
    ("return { on_request = function() return tide.deny(403, { mesage = 'no' }) end }", "did you mean message?"),
    ("return { on_request = function() return tide.deny(403, { 'no' }) end }", "tide.deny takes its options by name"),
    ("return { on_request = function() return tide.deny() end }", "tide.deny needs status"),
    ("return { on_request = function() return tide.respond 'hi' end }", "it is tide.respond { text, "),
    ("return { on_request = function() return tide.respond { usage = { ouput = 1 } } end }", "did you mean output?"),
    ("return { on_request = function() tide.metrics.incr('x', { a = 1 }) end }", "amount cannot be a table"),
    ("return { on_request = function() tide.limit.take('k', 1, { rate = 5 }) end }", "tide.limit.take needs per"),
    ("local deny = tide.deny return { on_request = function() return deny 'x' end }", "status cannot be a string"),
    (
      "return { on_token = function() return tide.cut { reason = 'filter' } end }",
      "tide.cut: reason cannot be \"filter\" [arguments] (it is one of content_filter, length, stop)"
    ),
    // What else hooks are given.
    (
      "return { on_token = function(s, text, lane) return lane.chanel end }",
      "lane has no chanel [value-field] (did you mean channel?)"
    ),
    ("return { on_lane = function(_, _, lane) return { c = lane.index } end }", "there are choice, block, channel"),
    ("return { on_lane_end = function(s, lane) lane.channel = 'text' end }", "writes lane.channel, which raises"),
    (
      "local function f(l) return l.chois end return { on_lane = function(_, _, lane) return { f(lane) } end }",
      "did you mean choice?"
    ),
    ("return { on_tool_call = function(ctx, cfg, call) print(call.arg) end }", "tool call has no arg"),
    ("return { on_upstream_error = function(_, _, err) print(err.code) end }", "upstream error has no code"),
    (
      "return { filters = { tide.filter.block { patterns = { 'a' }, on_match = function(s, m, lane) print(lane.chanel) end } } }",
      "did you mean channel?"
    ),
    // Configuration.
    (
      "return { schema = { rate = { type = 'integer' } }, on_log = function(ctx, cfg) return cfg.rte end }",
      "did you mean cfg.rate?"
    ),
    (
      "return { schema = { a = { type = 'object', fields = { on = { type = 'boolean' } } } }, on_log = function(_, cfg) return cfg.a.no end }",
      "cfg.a has no no"
    ),
    (
      "return { filters = function(cfg) return { tide.filter.limit { output_tokens = cfg.max } } end }",
      "cfg has no max"
    ),
    ("return { timers = { t = { every = '1s', run = function(cfg) return cfg.x end } } }", "cfg has no x"),
    (
      "return { on_lane = function(_, cfg) return { c = cfg } end, on_token = function(s) return s.c.x end }",
      "cfg has no x"
    ),
    ("return { on_request = function(ctx, cfg) cfg.seen = true end }", "[cfg-write]"),
    // Hooks.
    (
      "local M = {} function M:on_request(ctx, cfg) return ctx.modle end return M",
      "write function M.on_request(ctx, cfg)"
    ),
    ("local M = {} function M:on_request(ctx, cfg) return ctx.modle end return M", "did you mean ctx.model?"),
    ("return { on_request = function(self, ctx) end }", "[colon]"),
    ("return { on_route = function() tide.sleep(1) end }", "tide.sleep waits, which on_route cannot"),
    ("return { on_load = function() tide.limit.take('k', 1, {}) end }", "tide.limit.take waits"),
    (
      "return { segment = { unit = 'word' }, on_segment = function() pcall(tide.http, {}) end }",
      "say segment = { ..., wait = true }"
    ),
    ("return {} -- tide: allow globl", "there is no rule globl to allow [allow] (did you mean global?)"),
  ])
  func mistakesAreFound(_ text: String, _ message: String) {
    let found = findings(text)
    #expect(found.contains { $0.contains(message) }, "\(found)")
  }

  @Test(arguments: [
    "-- tide.denny\nlocal s = 'ctx.modle' return { on_request = function() return nil end }",
    "return { on_request = function(ctx) return ctx.request.headers['x-any'] or ctx.request.headers.host end }",
    "return { on_request = function(ctx) ctx.vars.mine = 1 return ctx.auth and ctx.auth.claims.anything end }",
    "return { on_request = function(ctx) return ctx['model']:lower() == 'x' and tide.deny(400) or nil end }",
    "return { on_load = function(cfg) cfg.known = {} for k in pairs({}) do cfg.known[k] = 1 end end, on_log = function(_, cfg) return cfg.known.x end }",
    "return { on_load = function(cfg) print(cfg.late) local function f() cfg.late = 1 end f() end }",
    "return { on_load = function(cfg) for _, key in ipairs { 'a' } do cfg[key] = 1 end end, on_log = function(_, cfg) return cfg.a end }",
    "local add = require('add') return { on_load = function(cfg) add(cfg) end, on_log = function(_, cfg) return cfg.a end }",
    "return { schema = { m = { type = 'map' } }, on_log = function(_, cfg) return cfg.m.anything.at.all end }",
    "return { on_auth = function(ctx) ctx = ctx or {} return ctx.whatever end }",
    "return { on_request = function(ctx) local deny = tide.deny if ctx.model then return deny(400) end end }",
    "return { segment = { unit = 'word', wait = true }, on_segment = function(s, t) return tide.once(t, 1, function() tide.sleep(1) end) end }",
    "return { on_request = function(ctx) tide.all { function() return tide.http { url = 'x' } end } end }",
    "local M = {} local function log(ctx) ctx:log('info', ctx.usage and 'x') end M.on_log = log return M",
    "local _ENV = { x = 1 } y = x return {}",
    "local function bad(c) return false end return { on_request = function(c) return bad(c) and tide.deny(400) or nil end }",
    "return { on_route = function() return { { model = 'x' } } end, on_lane = function() return {} end, on_log = function() return 1 end }",
    "return { on_token = function() return '' end, on_lane_end = function() return 'x' end, timers = { t = { every = '1s', run = function() return 1 end } } }",
    "return { on_request = function(c) local ok = tide.once('k', 1, function() return true end) return nil end }",
    "return { on_request = function(ctx) count = 1 -- tide: allow global\nend }",
    "return { on_log = function(ctx, cfg) local level = cfg == 1 and 'info' or 'warn' tide.log(level, ctx.id, { a = 1 }) end }",
    "return { on_log = function(...) tide.log(...) tide.log('info', tostring(...)) local f = { 'info', 'x' } tide.log(table.unpack(f)) end }",
    "return { on_request = function(ctx) ctx:log('warn', 5) local key = 'code' return tide.deny(429, { [key] = 'x', retry_after = 5 }) end }",
    "return { on_request = function() return tide.respond { json = 'x', finish = 'stop', usage = { input = 1 } } end }",
    "return { on_request = function() tide.limit.take('k', nil, { rate = 1, per = '1s' }) tide.shared.set('k') tide.shared.get(1) end }",
    "return { on_tool_call = function(ctx, cfg, call) call.seen = true call.args.to = 'x' return call.seen and tide.tool { args = call.args } or nil end }",
    "return { on_route = function(ctx, cfg, targets) targets[1].note = 1 return targets end, on_lane = function(_, _, lane) lane = {} return { x = lane.any } end }",
    "local f f = function(n) return n == 0 and tide.deny(400) or f(n - 1) end return { on_request = function() return f(3) end }",
    "local function f(c, n) if n > 0 then return f(c, n - 1) end return c.model end return { on_log = function(ctx) f(ctx, 9) end }",
  ])
  func whatIsRightPasses(_ text: String) {
    #expect(inspect(text, modules: ["add": "return function(cfg) cfg.a = 1 end"]).1 == [])
  }

  @Test func modulesAreReadToo() {
    let found = inspect("require('m') return {}", modules: ["m": "return function()\n  leak = 1\nend"]).1
    #expect(found.count == 1 && found.first?.hasPrefix("p/lib/m.lua:2: ") == true, "\(found)")
  }

  @Test func theShippedPoliciesAreClean() {
    let root = shippedFolder.dropLast("/Plugins".count)
    for folder in [
      "Plugins", "Examples/block-secrets/Plugins", "Examples/keep-on-topic/Plugins", "Examples/benchmark/policies",
    ] {
      let (policies, problems) = PolicyCompiler.inspect(
        PolicyFolder(path: root + "/" + folder), services: FixtureServices().services)
      #expect(!policies.isEmpty && problems.isEmpty, "\(problems)")
    }
  }

  @Test func abilitiesAreToldFromTheSource() throws {
    let (policy, problems) = inspect(
      """
      return {
        net = { "api.example.com" },
        schema = {
          hook = { type = "url" }, cluster = { type = "string" },
          more = { type = "object", fields = { url = { type = "url" } } }, list = { type = "array", items = { type = "url" } },
        },
        on_request = function(ctx, cfg)
          ctx.params.temperature = 0
          local last
          for part in ctx.prompt:each_text {} do last = part end
          if last then last.text = "" end
          ctx.prompt:mask { kinds = { "email" }, map = "m" }
          tide.http { cluster = cfg.cluster, path = "/" }
          tide.http { cluster = "judges", path = "/" }
        end,
        filters = { tide.filter.restore { map = "m" } },
      }
      """)
    #expect(problems == [])
    #expect(
      policy?.abilities
        == PolicyAbilities(
          writes: ["ctx.params.temperature", "ctx.prompt.each_text", "ctx.prompt.mask"], filters: ["restore"],
          hosts: ["api.example.com"], urlKeys: ["hook", "list[]", "more.url"], clusters: ["config.cluster", "judges"]))
  }

  /// What an author may write to keep a gateway busy: each is looked through, or given up, in a moment.
  @Test(arguments: [
    ("chains", "return { on_log = function(ctx) return tide", ".a", " end }"),
    ("globals", "return { on_log = function() local x = 1 ", " q#()", " end }"),
    ("fields", "return { on_log = function(ctx) ", "ctx.q#()", " end }"),
    ("locals", "local x ", "do local q# = y end ", " return {}"),
    ("clusters", "return { on_log = function() ", "tide.http{cluster='#'}", " end }"),
    ("allowances", "return {}", " -- tide: allow q#\n", ""),
    ("hooks", "local function f() end return { ", "on_log=f,", " }"),
    ("long names", "return { on_log = function(ctx) return ctx.", "aaaaaaaa", " end }"),
    ("operators", "return { on_log = function(ctx) return ctx.id", "..ctx.id", " end }"),
    ("calls", "return { on_log = function(ctx) return ctx", "()", " end }"),
    ("blocks", "", "do ", ""), ("parentheses", "return ", "(", ""), ("tables", "return ", "{", ""),
  ])
  func hostileSourcesAreSoonDoneWith(_ name: String, _ head: String, _ part: String, _ tail: String) throws {
    var text = head
    var number = 0
    while text.utf8.count < 200_000 {
      text += String(part.prefix { $0 != "#" })
      if part.contains("#") { text += "\(number)" + part.drop { $0 != "#" }.dropFirst() }
      number += 1
    }
    text += tail
    var schema = PolicySchema()
    schema.members = (0..<2_000).map { PolicySchema.Member("key\($0)", SchemaField(.string)) }
    let manifest = PolicyManifest(
      name: "p", version: "", auto: false, schema: schema, channels: .text, segment: nil, budgets: HookBudgets(),
      failure: [:], hooks: [])
    let source = PolicySource(name: "p", path: "p.lua", text: Array(text.utf8))
    let lint = PolicyLint(source, manifest, services: FixtureServices().services)
    #expect(lint.problems.count <= 101)
  }

  @Test func aLookThroughThatFailsIsNoError() {
    let deep = "return { on_log = function() local x = " + String(repeating: "(", count: 1_000) + " end }"
    let source = PolicySource(name: "p", path: "p.lua", text: Array(deep.utf8))
    let manifest = PolicyManifest(
      name: "p", version: "", auto: false, schema: PolicySchema(), channels: .text, segment: nil,
      budgets: HookBudgets(), failure: [:], hooks: [])
    let problems = PolicyLint(source, manifest, services: FixtureServices().services).problems
    #expect(problems.map(\.severity) == [.warning])
    #expect(findings("return {} -- tide: allow globl").first?.hasPrefix("p/policy.lua:1: warning: ") == true)
  }

  /// Cut short anywhere, or with any byte damaged, a source is looked through or given up: nothing traps.
  @Test func damagedSourcesAreLookedThrough() throws {
    let text = try PolicyFolder.read(shippedFolder + "/pii-roundtrip.lua")
    let manifest = PolicyManifest(
      name: "p", version: "", auto: false, schema: PolicySchema(), channels: .text, segment: nil,
      budgets: HookBudgets(), failure: [:], hooks: [])
    func look(_ text: [UInt8]) {
      guard let tree = try? SyntaxParser.parse(text) else { return }
      var hooks = HookLint(tree: tree, manifest: manifest)
      hooks.run(PolicyParts(tree))
      _ = NameLint.freeNames(tree)
    }
    for end in stride(from: 0, to: text.count, by: 3) { look(Array(text[..<end])) }
    var state: UInt64 = 7
    for place in stride(from: 0, to: text.count, by: 2) {
      var damaged = text
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      damaged[place] = UInt8(truncatingIfNeeded: state >> 56)
      look(damaged)
    }
  }

  /// Helpers that call helpers, each twice, in ways that differ: followed, but not for ever.
  @Test func followingCallsIsBounded() {
    var text = "local function f0(a, b) return a.x end\n"
    for level in 1...60 {
      text += "local function f\(level)(a, b) f\(level - 1)(a, b) return f\(level - 1)(b, a.prompt or a) end\n"
    }
    #expect(findings(text + "return { on_log = function(ctx, cfg) f60(ctx, cfg) end }").count < 100)
  }

  /// Each helper nests as deep as Lua allows and calls the next.
  @Test(arguments: [("do ", " end", 95), ("g({", "})", 40), ("g(function() ", " end)", 60)])
  func followingDeepHelpersIsBounded(_ opening: String, _ closing: String, _ count: Int) {
    var text = "local g = print\nlocal function f0(c) return c.x end\n"
    for level in 1...60 {
      let call = "f\(level - 1)(c)"
      let nested = String(repeating: opening, count: count) + call + String(repeating: closing, count: count)
      text += "local function f\(level)(c) \(nested) end\n"
    }
    #expect(findings(text + "return { on_log = function(ctx) f60(ctx) end }") == [])
  }
}
