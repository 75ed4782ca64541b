import TideCore
import TideEngine
import Testing

@testable import TideGateway

/// What the YAML says about a binding, through a running gateway.
@Suite(.serialized) struct BindingTests {
  private static let echo = EngineSettings(mode: .echo, intervalMicroseconds: 0)

  private static func bound(_ policies: String, _ routes: String = "") -> String {
    """
    clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
    models: [ { id: "*", cluster: engine } ]
    policies:
    \(policies)
    routes:
    \(routes.isEmpty ? "  - { name: default, cluster: by-model }" : routes)
    """
  }

  /// The message of a refusal, else the text of the answer.
  private func answer(_ call: Call) -> String {
    #expect(call.finish() == .whole)
    guard call.status != 200, let start = call.text.firstRange(of: "\"message\":\"") else { return call.content }
    return String(call.text[start.upperBound...].prefix { $0 != "\"" })
  }

  // MARK: Two bindings of one policy

  @Test func variablesBelongToTheBinding() throws {
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: twin, as: first, config: { name: first } }
          - { use: twin, as: last, config: { name: last, tells: true } }
        """, "  - { name: default, cluster: by-model, anonymous: true }"),
      policies: [
        "twin": """
        return {
          schema = { name = { type = "string" }, tells = { type = "boolean" } },
          on_auth = function(ctx, cfg) ctx.vars.seen = cfg.name end,
          on_request = function(ctx, cfg)
            ctx.vars.seen = (ctx.vars.seen or "nothing") .. " " .. cfg.name
            if cfg.tells then return tide.deny(418, { message = ctx.vars.seen }) end
          end,
        }
        """
      ])
    for _ in 0..<2 { #expect(answer(gateway.client.chat()) == "last last") }
    gateway.stop()
  }

  @Test(arguments: [false, true]) func countersAndLimitsAreJoinedByShareAlone(_ isShared: Bool) throws {
    let share = isShared ? ", share: team" : ""
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: count, as: first\(share) }
          - { use: count, as: last\(share), config: { tells: true } }
        """),
      policies: [
        "count": """
        return {
          schema = { tells = { type = "boolean" } },
          on_request = function(ctx, cfg)
            local n = tide.shared.incr("n")
            local rate = tide.limit.take("k", 1, { rate = 10, per = "1h" }).remaining
            local tokens = tide.limit.tokens("k", { tokens = 1000, per = "1h", estimate = 100 }).remaining
            local places = tide.limit.concurrent("k", 5).remaining
            if cfg.tells then
              return tide.deny(418, { message = table.concat({ n, rate, tokens, places }, " ") })
            end
          end,
        }
        """
      ])
    // An exchange that asks one budget, or one limit of places, again has its share already.
    #expect(answer(gateway.client.chat()) == (isShared ? "2 8 900 4" : "1 9 900 4"))
    #expect(answer(gateway.client.chat()) == (isShared ? "4 6 900 4" : "2 8 900 4"))
    gateway.stop()
  }

  @Test(arguments: [false, true]) func placesAndBudgetsOfOneExchangeAreJoinedByShareAlone(_ isShared: Bool) throws {
    let share = isShared ? ", share: team" : ""
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: hold, as: first\(share), when: { model: lorem-400 } }
          - { use: hold, as: last\(share), when: { not: { model: lorem-400 } } }
        """),
      policies: [
        "hold": """
        return { on_request = function(ctx)
          local place = tide.limit.concurrent("k", 1)
          local budget = tide.limit.tokens("b", { tokens = 1000, per = "1h", estimate = 900 })
          if not place.ok or not budget.ok then
            return tide.deny(429, { message = tostring(place.ok) .. " " .. tostring(budget.ok) })
          end
        end }
        """
      ], engine: EngineSettings(mode: .lorem, intervalMicroseconds: 5_000))
    let holder = gateway.client.chat(model: "lorem-400")
    holder.wait(forBytes: 1)
    let other = gateway.client.chat(model: "lorem-5")
    #expect(other.finish() == .whole)
    #expect(other.status == (isShared ? 429 : 200))
    if isShared { #expect(other.text.contains("false false")) }
    gateway.client.cancel(holder)
    gateway.stop()
  }

  @Test func aBreakerOpensForItsBindingAlone() throws {
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: twin, as: broken, config: { breaks: true }, failure: { on_request: skip } }
          - { use: twin, as: sound }
        """),
      policies: [
        "twin": """
        return {
          schema = { breaks = { type = "boolean" } },
          on_request = function(ctx, cfg)
            if cfg.breaks then error("no") end
            return tide.deny(418, { message = "still here" })
          end,
        }
        """
      ])
    for _ in 0..<15 { #expect(answer(gateway.client.chat()) == "still here") }
    let hooks = Dictionary(uniqueKeysWithValues: gateway.figures.hooks.map { ($0.binding, $0.metrics) })
    #expect(hooks["broken"]?.errors == 10)
    #expect(hooks["broken"]?.skippedByBreaker == 5)
    #expect(hooks["sound"]?.count == 15)
    #expect(hooks["sound"]?.skippedByBreaker == 0)
    gateway.stop()
  }

  @Test func filterStateBelongsToTheBinding() throws {
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: twin, as: off, config: { from: red, to: rouge, off: true } }
          - { use: twin, as: on, config: { from: blue, to: bleu } }
        """),
      policies: [
        "twin": """
        return {
          schema = { from = { type = "string" }, to = { type = "string" }, off = { type = "boolean" } },
          filters = function(cfg) return { tide.filter.replace { words = { [cfg.from] = cfg.to } } } end,
          on_request = function(ctx, cfg) if cfg.off then ctx.filters:disable() end end,
        }
        """
      ], engine: Self.echo)
    #expect(answer(gateway.client.chat(model: "echo", prompt: "red and blue")) == "red and bleu")
    gateway.stop()
  }

  @Test func placeholdersBelongToTheBinding() throws {
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: twin, as: first, config: { restores: true, kinds: [email] } }
          - { use: twin, as: second, config: { kinds: [iban] } }
        """),
      policies: [
        "twin": """
        return {
          schema = { restores = { type = "boolean" }, kinds = { type = "array" } },
          filters = function(cfg) return cfg.restores and { tide.filter.restore { map = "pii" } } or {} end,
          on_request = function(ctx, cfg) ctx.prompt:mask { kinds = cfg.kinds, map = "pii" } end,
        }
        """
      ], engine: Self.echo)
    // Both keep a map of that name; only the first one's finds come back.
    #expect(
      answer(gateway.client.chat(model: "echo", prompt: "bob@example.com DE89370400440532013000"))
        == "bob@example.com <IBAN_1>")
    gateway.stop()
  }

  // MARK: Where bindings apply

  private static let tag = """
    return { schema = { tag = { type = "string" } }, segment = { unit = "lane" },
      on_lane = function(ctx, cfg) return cfg end,
      on_segment = function(s, text) return text .. s.tag end }
    """

  @Test func routesLeaveOutBindingsByTheirNames() throws {
    let gateway = try GatewayHarness(
      Self.bound(
        """
          - { use: tag, config: { tag: "+own" } }
          - { use: tag, as: house-style, config: { tag: "+house" } }
        """,
        """
          - { name: all, match: { model: all }, cluster: by-model }
          - { name: by-policy, match: { model: by-policy }, cluster: by-model, without: [tag] }
          - { name: by-as, match: { model: by-as }, cluster: by-model, without: [house-style] }
          - { name: bare, match: { model: bare }, cluster: by-model, without: [house-style, tag, dropped] }
        """),
      policies: [
        "tag": Self.tag,
        "dropped":
          "return { auto = true, segment = { unit = 'lane' }, on_segment = function(s, t) return t .. '+dropped' end }",
      ], engine: Self.echo)
    // The last binding sees an answer first.
    for (model, expected) in [
      ("all", "x+dropped+house+own"), ("by-policy", "x+dropped+house"), ("by-as", "x+dropped+own"), ("bare", "x"),
    ] {
      #expect(answer(gateway.client.chat(model: model, prompt: "x")) == expected, "\(model)")
    }
    gateway.stop()
  }

  @Test(arguments: [true, false]) func droppedInFilesAreBoundUnlessTheConfigurationSaysNo(_ auto: Bool) throws {
    let gateway = try GatewayHarness(
      Self.bound("  - { use: listed, config: { tag: \"+listed\" } }"),
      policies: [
        "listed": Self.tag,
        "dropped":
          "return { auto = true, segment = { unit = 'lane' }, on_segment = function(s, t) return t .. '+dropped' end }",
      ], engine: Self.echo, auto: auto)
    #expect(
      answer(gateway.client.chat(model: "echo", prompt: "x")) == (auto ? "x+dropped+listed" : "x+listed"))
    let state = GatewayState(
      generation: gateway.worker.current.generation, source: "test.yaml", version: "1", stores: gateway.stores)
    let page = state.policiesJSON([gateway.figures])
    #expect(page.contains("\"binding\":\"listed\""))
    #expect(page.contains("\"binding\":\"dropped\"") == auto)
    #expect(page.contains("\"auto\":true") == auto)
    gateway.stop()
  }

  // MARK: Failure

  @Test(arguments: [("skip", "deny", 503), ("deny", "skip", 200), ("deny", "", 503), ("skip", "", 200)])
  func theOperatorsFailureWins(_ files: String, _ operators: String, _ status: Int) throws {
    let gateway = try GatewayHarness(
      Self.bound("  - { use: p\(operators.isEmpty ? "" : ", failure: { on_request: \(operators) }") }"),
      policies: ["p": "return { failure = { on_request = '\(files)' }, on_request = function() error('no') end }"])
    let call = gateway.client.chat(model: "lorem-5")
    #expect(call.finish() == .whole)
    #expect(call.status == status)
    gateway.stop()
  }

  @Test(arguments: [
    (
      "filters", "filters = { tide.filter.replace { words = { two = 'zwei' }, on_match = function() error('no') end } }"
    ),
    ("on_segment", "segment = { unit = 'word' }, on_segment = function(s, w) if w == 'two' then error('no') end end"),
    ("on_token", "on_token = function(s, text) if text:find('two') then error('no') end end"),
    ("on_lane_end", "on_lane_end = function() error('no') end"),
    ("on_lane", "on_lane = function() error('no') end, on_token = function() end"),
    ("on_response_end", "on_response_end = function() error('no') end"),
  ])
  func itWinsInHooksOfTheAnswerToo(_ hook: String, _ code: String) throws {
    for (files, operators) in [("skip", "cut"), ("cut", "skip")] {
      let gateway = try GatewayHarness(
        Self.bound("  - { use: p, failure: { \(hook): \(operators) } }"),
        policies: ["p": "return { failure = { \(hook) = '\(files)' }, \(code) }"], engine: Self.echo)
      let call = gateway.client.chat(model: "echo", prompt: "one two three")
      #expect(call.finish() == .whole)
      #expect(call.text.contains("\"content_filter\"") == (operators == "cut"), "\(hook): \(operators)")
      gateway.stop()
    }
  }
}
