import Testing
import TideCore

@testable import TidePolicy

@Suite struct LoadTests {
  private func messages(_ text: String, config: ConfigNode = ConfigNode(.map([]))) -> [String] {
    PolicyFixture.problems(text, config: config).map(\.description)
  }

  @Test func aPolicyNeedsNoMoreThanATable() {
    #expect(messages("return {}").isEmpty)
    #expect(messages("return { version = '1', api = 1, name = 'p', on_log = function() end }").isEmpty)
  }

  @Test(arguments: [
    ("return 7", "must return one table"),
    ("return { on_request = 3 }", "on_request must be a function"),
    ("return { on_reqest = function() end }", "did you mean on_request?"),
    ("return { name = 'q' }", "name must be p"),
    ("return { api = 2 }", "api must be 1"),
    ("return { on_segment = function() end }", "on_segment needs segment"),
    ("return { segment = { unit = 'word' } }", "without on_segment"),
    ("return { segment = { unit = 'wrod' }, on_segment = function() end }", "segment.unit must be"),
    ("return { channels = { 'txet' } }", "unknown channel txet"),
    ("return { keep_text = 1, on_log = function() end }", "keep_text must be true or false"),
    ("return { keep_text = true, on_request = function() end }", "keep_text is of no use without"),
    ("return { failure = { on_request = 'pass' } }", "must be deny, cut or skip"),
    ("return { budgets = { memory = '1TB' } }", "budgets.memory"),
    ("return { budgets = '5ms' }", "budgets must be a table such as"),
    ("return { budgets = { on_request = '5ms' } }", "budgets.on_request must be a table such as"),
    ("return { failure = 'skip' }", "failure must be a table such as"),
    ("return { schema = { a = { type = 'strin' } } }", "did you mean string?"),
    ("return { schema = { a = { type = 'string', requierd = true } } }", "did you mean required?"),
    ("return { schema = { a = { required = true } } }", "schema.a needs a type: one of string"),
    ("return { schema = { a = { type = 'string', required = 'yes' } } }", "schema.a.required must be true or false"),
    ("return { schema = { a = { type = 'string', doc = 7 } } }", "schema.a.doc must be a string"),
    ("return { schema = { a = { type = 'string', deprecated = 7 } } }", "schema.a.deprecated must be what to use"),
    ("return { schema = { a = { type = 'string', min = 1 } } }", "min says nothing about the type string"),
    ("return { schema = { a = { type = 'integer', min_len = 1 } } }", "min_len says nothing about the type integer"),
    ("return { schema = { a = { type = 'integer', min = '1m' } } }", "schema.a.min must be an integer"),
    ("return { schema = { a = { type = 'duration', max = 'soon' } } }", "schema.a.max must be a duration"),
    ("return { schema = { a = { type = 'integer', min = 3, max = 2 } } }", "nothing is from min to max"),
    ("return { schema = { a = { type = 'string', min_len = -1 } } }", "schema.a.min_len must be a whole number"),
    ("return { schema = { a = { type = 'string', min_len = 3, max_len = 2 } } }", "nothing is from min_len to max_len"),
    (
      "return { schema = { a = { type = 'map', items = { type = 'string' } } } }",
      "items says nothing about the type map"
    ),
    ("return { schema = { a = { type = 'array', values = { type = 'string' } } } }", "values says nothing about"),
    ("return { schema = { a = { type = 'string', fields = {} } } }", "fields says nothing about the type string"),
    ("return { schema = { a = { enum = { {} } } } }", "schema.a.enum must be a list of strings"),
    ("return { schema = { a = { type = 'url', enum = { 'x' } } } }", "enum says nothing about the type url"),
    ("return { schema = { a = { type = 'integer', default = 'x' } } }", "schema.a.default must be an integer"),
    ("return { schema = { a = { type = 'integer', max = 5, default = 6 } } }", "schema.a.default must be at most 5"),
    (
      "return { schema = { a = { type = 'array', items = { type = 'url' }, default = { 'x' } } } }",
      "default[1] must be"
    ),
    (
      "return { schema = { a = { type = 'object', fields = { b = { type = 'size', default = 'big' } } } } }",
      "schema.a.fields.b.default must be a size"
    ),
    ("return { on_load = function(cfg) error('two rules clash', 0) end }", "two rules clash"),
  ])
  func mistakesAreNamed(_ text: String, _ message: String) {
    #expect(messages(text).contains { $0.contains(message) }, "\(messages(text))")
  }

  @Test func everyChannelHasAName() {
    #expect(messages("return { channels = { 'text', 'reasoning', 'refusal', 'tool_args' } }").isEmpty)
    #expect(messages("return { channels = {} }").contains { $0.contains("text, reasoning, refusal, tool_args") })
  }

  private static let timed =
    "return { schema = { wait = { type = 'duration', default = 250 }, to = { type = 'url' } }, on_log = function(_, cfg) print(cfg.wait) end }"

  /// What people write in a file needs its unit; Lua's numbers are milliseconds.
  @Test func numbersWithoutAUnitAreNoDurationsInAFile() throws {
    func told(_ key: String, _ value: ConfigNode.Value, line: Int = 3) -> [String] {
      messages(Self.timed, config: ConfigNode(.map([.init(key: key, value: ConfigNode(value, line: line, column: 1))])))
    }
    #expect(told("wait", .integer(5)).first?.hasSuffix("config.wait: 5 has no unit (write 5ms or 5s)") == true)
    #expect(told("wait", .string("5")).first?.hasSuffix("config.wait: 5 has no unit (write 5ms or 5s)") == true)
    #expect(told("wait", .integer(0)).isEmpty && told("wait", .string("5s")).isEmpty)
    #expect(told("wait", .integer(5), line: 0).isEmpty)
    #expect(messages(Self.timed).isEmpty)
    #expect(
      told("to", .string("127.0.0.1:9191")).first?
        .hasSuffix("must be an http or https URL, not \"127.0.0.1:9191\" (write http://127.0.0.1:9191)") == true)
    #expect(told("to", .string("ftp://x/")).first?.hasSuffix("not \"ftp://x/\"") == true)
    #expect(told("to", .string("me:word@host:1")).first?.contains("word") == false)
  }

  @Test func namesInCommentsAndStringsDoNotCount() {
    #expect(messages("-- tide.http\n--[[ tide.tool ]] local s = 'tide.sleep' .. [[tide.re]]\nreturn {}").isEmpty)
  }

  @Test(arguments: [
    ("-- A policy.\nreturn {\n  version = '1',\n  on_segmnt = function() end,\n}", 4, "did you mean on_segment?"),
    (
      "-- A policy.\nreturn {\n  segment = {\n    unit = 'sentense' },\n  on_segment = function() end,\n}", 3,
      "segment.unit must be"
    ),
    (
      "return {\n  schema = {\n    fine = { type = 'string' },\n    service = { type = 'uri' },\n  },\n}", 4,
      "schema.service: unknown type uri"
    ),
    (
      "local M = { version = '1' }\nM.schema = {\n  a = { type = 'array',\n    items = { type = 'strin' } } }\nreturn M",
      4,
      "schema.a.items: unknown type strin"
    ),
    ("return {\n  failure = { on_request = 'pass' },\n}", 2, "must be deny, cut or skip"),
    ("return {\n\n  budgets = { memory = '1TB' },\n}", 3, "budgets.memory"),
    ("local t = {}\nt['on_' .. 'x'] = 1\nreturn t", 1, "unknown key on_x"),
  ])
  func mistakesInTheTableStandOnTheirLine(_ text: String, _ line: Int, _ message: String) {
    let found = PolicyFixture.problems(text)
    #expect(found.contains { $0.line == line && $0.message.contains(message) }, "\(found)")
  }

  @Test func syntaxErrorsNameFileAndLine() {
    let found = PolicyFixture.problems("return {\n  on_request = function(\n}")
    #expect(found.first?.file.hasSuffix("/p.lua") == true)
    #expect(found.first?.line == 3)
  }

  @Test func loadingIsBounded() {
    #expect(messages("while true do end").contains { $0.contains("loading was stopped") })
    #expect(
      messages("local t = {}\nfor i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end\nreturn t").contains {
        $0.contains("memory")
      })
  }

  private static let schema = """
    return { schema = {
      rate = { type = 'integer', required = true, min = 1, max = 100 },
      per = { type = 'duration', default = '1m' },
      size = { type = 'size', default = '2KiB' },
      kinds = { type = 'array', items = { enum = { 'email', 'iban' } }, default = { 'email' } },
      words = { type = 'map', values = { type = 'string' } },
      deep = { type = 'object', fields = { on = { type = 'boolean', default = true } } },
      target = { type = 'url' },
      either = { one_of = { { type = 'integer' }, { type = 'duration' } } },
    } }
    """

  private func node(_ value: ConfigNode.Value, _ line: Int) -> ConfigNode { ConfigNode(value, line: line, column: 9) }

  private func config(_ entries: (String, ConfigNode.Value)...) -> ConfigNode {
    ConfigNode(
      .map(
        entries.enumerated().map { index, entry in
          ConfigNode.Entry(key: entry.0, keyLine: 10 + index, keyColumn: 5, value: node(entry.1, 10 + index))
        }), line: 9, column: 3)
  }

  @Test func configurationErrorsHavePositionsAndSuggestions() {
    func first(_ config: ConfigNode) -> String { messages(Self.schema, config: config).first ?? "" }
    #expect(first(config(("rate", .integer(5)))) == "")
    #expect(
      first(config(("rtae", .integer(5)), ("rate", .integer(1))))
        == "tidegate.yaml:10:5: error: policy p: unknown key config.rtae (did you mean rate?)")
    #expect(
      first(config(("per", .string("1m")))).hasPrefix("tidegate.yaml:9:3: error: policy p: config.rate is required"))
    #expect(
      first(config(("rate", .integer(0)))) == "tidegate.yaml:10:9: error: policy p: config.rate must be at least 1")
    #expect(first(config(("rate", .string("x")))).contains("config.rate must be an integer, not a string"))
    #expect(first(config(("rate", .integer(1)), ("per", .string("1 year")))).contains("tidegate.yaml:11:9"))
    #expect(
      first(config(("rate", .integer(1)), ("kinds", .array([node(.string("emial"), 12)]))))
        == "tidegate.yaml:12:9: error: policy p: config.kinds[1] must be one of email, iban (did you mean email?)")
    #expect(first(config(("rate", .integer(1)), ("target", .string("ftp://x")))).contains("URL"))
    #expect(first(config(("rate", .integer(1)), ("either", .boolean(true)))).contains("an integer, or a duration"))
    #expect(
      first(config(("rate", .integer(1)), ("words", .map([.init(key: "a", value: node(.integer(1), 14))])))).contains(
        "14:9"))
  }

  @Test func defaultsAndUnitsReachThePolicy() throws {
    let text = Self.schema.replacingLast(
      "} }",
      with: """
        }, on_request = function(ctx, cfg)
          return tide.deny(400, { message = tide.json.encode { cfg.rate, cfg.per, cfg.size, cfg.kinds[1], cfg.deep.on, cfg.either } })
        end }
        """)
    let binding = PolicyBinding(policy: "p", config: map(("rate", .number(7)), ("either", .string("3s"))).configNode)
    let fixture = try PolicyFixture([("p", text)], bindings: [binding])
    guard case .deny(let denial) = fixture.run().runRequest() else {
      Issue.record("no verdict")
      return
    }
    #expect(denial.message == #"[7,60000,2048,"email",true,3000]"#)
  }

  @Test func cfgIsReadOnlyAfterOnLoad() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_load = function(cfg) cfg.derived = { 1 } end,
          on_request = function(ctx, cfg)
            assert(cfg.derived[1] == 1)
            local ok, e = pcall(function() cfg.derived[1] = 2 end)
            return tide.deny(400, { message = tostring(ok) .. tostring(e) })
          end }
        """
      )
    ])
    guard case .deny(let denial) = fixture.run().runRequest() else {
      Issue.record("no verdict")
      return
    }
    #expect(denial.message.hasPrefix("false") && denial.message.contains("read-only"))
  }

  @Test func bindingsAreChecked() {
    let temporary = TemporaryFolder()
    temporary.write("word-filter.lua", "return { on_auth = function() end }")
    let folder = PolicyFolder(path: temporary.path)
    func problems(_ bindings: [PolicyBinding], without: [String: Set<String>] = [:]) -> String {
      guard case .failure(let failure) = PolicyFixture.compile(folder, bindings, routes: ["r": []], without: without)
      else {
        return ""
      }
      return failure.diagnostics.map(\.description).joined(separator: "\n")
    }
    #expect(problems([PolicyBinding(policy: "word-fliter")]).contains("did you mean word-filter?"))
    #expect(
      problems([PolicyBinding(policy: "word-filter"), PolicyBinding(policy: "word-filter")]).contains("exists twice"))
    #expect(problems([PolicyBinding(policy: "word-filter", failure: ["on_requst": .skip])]).contains("on_request"))
    let tenant = MatchCondition(globs: [.tenant: [Glob("acme")]])
    #expect(problems([PolicyBinding(policy: "word-filter", when: tenant)]).contains("cannot ask for tenant"))
    #expect(problems([PolicyBinding(policy: "word-filter")], without: ["r": ["word-filtr"]]).contains("did you mean"))
  }

  @Test func foldersHoldFilesDirectoriesAndModules() throws {
    let temporary = TemporaryFolder()
    temporary.write("plain.lua", "return { on_request = function() return tide.deny(400) end }")
    temporary.write("plain_test.lua", "error('a test is no policy')")
    temporary.write("_draft.lua", "broken(")
    temporary.write(".hidden.lua", "broken(")
    temporary.write("big/policy.lua", "local m = require('rules')\nreturn { version = m.version }")
    temporary.write("big/policy_test.lua", "error('a test is no policy')")
    temporary.write("big/lib/rules.lua", "return { version = '9' }")
    let folder = PolicyFolder(path: temporary.path)
    #expect(folder.sources.map(\.name) == ["big", "plain"])
    #expect(folder.problems.isEmpty)
    let blueprint = try PolicyFixture.compile(folder, [PolicyBinding(policy: "big")]).get()
    #expect(blueprint.descriptions.map(\.version) == ["9"])
    #expect(blueprint.watchedFiles.count == 3)
    let before = folder.hash
    temporary.write("big/lib/rules.lua", "return { version = '10' }")
    #expect(PolicyFolder(path: temporary.path).hash != before)
  }

  @Test func automaticPoliciesAreBoundAfterTheListed() throws {
    let temporary = TemporaryFolder()
    temporary.write("zeta.lua", "return { on_log = function() end }")
    temporary.write("alpha.lua", "return { auto = true, on_log = function() end }")
    temporary.write("unused.lua", "return { on_log = function() end }")
    let folder = PolicyFolder(path: temporary.path)
    let bindings = [PolicyBinding(policy: "zeta")]
    let blueprint = try PolicyFixture.compile(folder, bindings, routes: ["chat": []]).get()
    #expect(blueprint.descriptions.map(\.binding) == ["zeta", "alpha"])
    #expect(blueprint.descriptions.map(\.isAutomatic) == [false, true])
    #expect(blueprint.descriptions.map(\.routes) == [["*"], ["*"]])
    #expect(try PolicyFixture.compile(folder, bindings, auto: false).get().descriptions.count == 1)
  }

  /// Each type with what it takes and what it refuses, and what then reaches the policy.
  @Test(arguments: [
    ("{ type = 'string', min_len = 2, max_len = 3 }", PolicyValue.string("äö"), "äö", PolicyValue.string("x")),
    ("{ type = 'number', min = 0.5 }", .number(0.5), "0.5", .integer(0)),
    ("{ type = 'integer' }", .number(3), "3", .number(3.5)),
    ("{ type = 'boolean' }", .boolean(false), "false", .string("false")),
    ("{ type = 'duration', max = '1m' }", .string("1.5s"), "1500", .string("2m")),
    ("{ type = 'duration' }", .integer(250), "250", .string("2 weeks")),
    ("{ type = 'size', min = '1KiB' }", .string("1MiB"), "1048576", .string("1B")),
    ("{ type = 'url' }", .string("https://a.example/x"), "https://a.example/x", .string("a.example")),
    ("{ type = 'pattern' }", .string("a+b"), "a+b", .string("a(")),
    ("{ type = 'enum', enum = { 1, 'two' } }", .string("two"), "two", .integer(2)),
    (
      "{ type = 'array', items = { type = 'integer' }, max_len = 2 }", .array([.integer(1)]), "[1]",
      .array([.string("1")])
    ),
    ("{ type = 'array', min_len = 2 }", .array([.integer(1), .integer(2)]), "[1,2]", .array([.integer(1)])),
    (
      "{ type = 'map', values = { type = 'size' } }", map(("a", .string("1KiB"))), "{\"a\":1024}",
      map(("a", .string("x")))
    ),
    (
      "{ type = 'object', fields = { b = { type = 'integer', required = true } } }", map(("b", .integer(1))),
      "{\"b\":1}", map()
    ),
    (
      "{ one_of = { { type = 'integer' }, { type = 'array', items = { type = 'string' } } } }", .array([.string("x")]),
      "[\"x\"]", .boolean(true)
    ),
  ])
  func eachTypeTakesAndRefuses(_ type: String, _ good: PolicyValue, _ seen: String, _ bad: PolicyValue) throws {
    let show =
      "local v = cfg.a return tide.deny(400, { message = type(v) == 'table' and tide.json.encode(v) or tostring(v) })"
    #expect(try told(show, config: map(("a", good)), schema: "{ a = \(type) }") == seen)
    let problems = messages("return { schema = { a = \(type) } }", config: map(("a", bad)).configNode)
    #expect(
      problems.contains {
        $0.contains("config.a") && $0.contains("must ") || $0.contains("is required") || $0.contains("is not a")
      }, "\(problems)")
  }

  @Test func secretsMayStandInFilesOfTheirOwn() throws {
    let temporary = TemporaryFolder()
    temporary.write(
      "p.lua",
      "return { schema = { token = { type = 'secret', min_len = 2 } }, on_request = function(ctx, cfg) return tide.deny(400, { message = tide.hmac(cfg.token, 'x') }) end }"
    )
    temporary.write("token.txt", "abc\r\n")
    temporary.write("empty.txt", "\n")
    func problems(_ name: String) -> [String] {
      let config = map(("token", .string("file:" + name))).configNode
      let compiled = PolicyFixture.compile(
        PolicyFolder(path: temporary.path), [PolicyBinding(policy: "p", config: config, file: "t.yaml", line: 3)])
      guard case .failure(let failure) = compiled else { return [] }
      return failure.diagnostics.map(\.description)
    }
    let path = temporary.path + "/token.txt"
    let fixture = try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "p", config: map(("token", .string("file:" + path))).configNode)],
      folder: temporary.path)
    guard case .deny(let denial) = fixture.run().runRequest() else {
      Issue.record("no verdict")
      return
    }
    #expect(denial.message == "61626378", "the file's content, without its line's end")
    #expect(fixture.blueprint.watchedFiles.contains(path))
    #expect(problems("/nowhere/token").contains { $0.contains("config.token") && $0.contains("cannot be opened") })
    #expect(problems(temporary.path + "/empty.txt").contains { $0.contains("is empty") })
    // What stands beside the configuration is named relative to it.
    #expect(problems("token").contains { $0.contains("/etc/tide/token") })
  }

  @Test func deprecatedKeysAreWarnedOf() throws {
    let temporary = TemporaryFolder()
    temporary.write(
      "p.lua",
      "return { schema = { old = { type = 'string', deprecated = 'use new' }, inner = { type = 'object', fields = { o = { type = 'string', deprecated = true } } } } }"
    )
    let config = map(("old", .string("x")), ("inner", map(("o", .string("y"))))).configNode
    let blueprint = try PolicyFixture.compile(
      PolicyFolder(path: temporary.path), [PolicyBinding(policy: "p", config: config, file: "t.yaml")]
    ).get()
    #expect(
      blueprint.warnings.map { "\($0.message) (\($0.hint))" }.sorted() == [
        "policy p: config.inner.o is deprecated ()", "policy p: config.old is deprecated (use new)",
      ])
  }

  @Test func secretsAreHiddenAndFilesAreWatched() throws {
    let temporary = TemporaryFolder()
    temporary.write(
      "p.lua",
      """
      return { schema = { token = { type = 'secret' }, list = { type = 'file' } },
        on_request = function(ctx, cfg)
          return tide.deny(400, { message = tide.hmac(cfg.token, 'x') .. tostring(cfg.token):sub(1, 2) .. cfg.list[1] })
        end }
      """)
    let config = map(("token", .string("abc")), ("list", .string("l.json"))).configNode
    let fixture = try PolicyFixture(
      [], bindings: [PolicyBinding(policy: "p", config: config)], folder: temporary.path,
      files: ["/etc/tide/l.json": PolicyValue.array([.string("first")]).configNode])
    #expect(
      fixture.blueprint.descriptions[0].config == map(("list", .string("<file>")), ("token", .string("<hidden>"))))
    #expect(fixture.blueprint.watchedFiles.contains("/etc/tide/l.json"))
    guard case .deny(let denial) = fixture.run().runRequest() else {
      Issue.record("no verdict")
      return
    }
    #expect(denial.message.hasPrefix("61626378") && denial.message.hasSuffix("first"))
    #expect(!denial.message.contains("abc"))
  }
}

extension String {
  fileprivate func replacingLast(_ text: String, with other: String) -> String {
    hasSuffix(text) ? String(dropLast(text.count)) + other : self
  }
}
