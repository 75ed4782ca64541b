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
    ("return { schema = { a = { type = 'strin' } } }", "did you mean string?"),
    ("return { schema = { a = { type = 'string', requierd = true } } }", "did you mean required?"),
    ("return { on_load = function(cfg) error('two rules clash', 0) end }", "two rules clash"),
  ])
  func mistakesAreNamed(_ text: String, _ message: String) {
    #expect(messages(text).contains { $0.contains(message) }, "\(messages(text))")
  }

  @Test func everyChannelHasAName() {
    #expect(messages("return { channels = { 'text', 'reasoning', 'refusal', 'tool_args' } }").isEmpty)
    #expect(messages("return { channels = {} }").contains { $0.contains("text, reasoning, refusal, tool_args") })
  }

  @Test func namesInCommentsAndStringsDoNotCount() {
    #expect(messages("-- tide.http\n--[[ tide.tool ]] local s = 'tide.sleep' .. [[tide.re]]\nreturn {}").isEmpty)
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
