import TideCore
import TideEngine
import Testing

@testable import TideGateway

/// Every key of `when`, through a running gateway: each binding notes its name in a store that all share, and the last one tells.
@Suite(.serialized) struct ConditionTests {
  private static let conditions = [
    ("path", "path: /v1/chat/completions"), ("path-glob", "path: \"/v1/*/completions\""),
    ("method", "method: [PUT, POST]"), ("host", "host: \"127.0.0.*\""), ("host-other", "host: other.example"),
    ("header", "header: { X-Team: [blue, \"green-*\"] }"), ("header-two", "header: { x-team: blue, x-raw: \"1\" }"),
    ("route", "route: [main]"), ("listener", "listener: test"), ("listener-other", "listener: \"*:8443\""),
    ("kind", "kind: [embedding, completion]"), ("dialect", "dialect: anthropic"), ("model", "model: \"gpt-*\""),
    ("tenant", "tenant: [acme, \"init*\"]"), ("streaming", "streaming: true"),
    ("whole", "streaming: false"), ("all", "model: \"gpt-*\", streaming: true, tenant: acme"),
    ("not", "not: { header: { x-raw: \"1\" } }"), ("not-all", "not: { model: \"gpt-*\", streaming: true }"),
    ("not-inside", "model: \"gpt-*\", not: { tenant: acme }"),
  ]

  private static var configuration: String {
    let bindings = conditions.map {
      "  - { use: mark, as: \($0), share: marks, when: { \($1) }, config: { name: \($0) } }"
    }
    return """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      routes:
        - { name: side, match: { header: { x-side: "1" } }, cluster: by-model }
        - { name: main, cluster: by-model }
      policies:
        - { use: who }
      \(bindings.joined(separator: "\n"))
        - { use: tell, share: marks }
      """
  }

  private static let policies = [
    "who": """
    return { on_auth = function(ctx) return tide.identity { key_id = "k", tenant = ctx.request.headers["x-tenant"] } end }
    """,
    "mark": """
    return {
      schema = { name = { type = "string" } },
      on_request = function(ctx, cfg)
        tide.shared.set("marks", (tide.shared.get("marks") or "") .. " " .. cfg.name)
      end,
    }
    """,
    "tell": """
    return { on_request = function()
      local marks = tide.shared.get("marks") or ""
      tide.shared.del("marks")
      return tide.deny(418, { message = "matched:" .. marks })
    end }
    """,
  ]

  /// The names of the bindings whose conditions a request met.
  private func matches(_ call: Call) -> Set<String> {
    #expect(call.finish() == .whole)
    #expect(call.status == 418)
    guard let start = call.text.firstRange(of: "matched:") else { return [] }
    return Set(call.text[start.upperBound...].prefix { $0 != "\"" }.split(separator: " ").map(String.init))
  }

  @Test func eachKeyDecides() throws {
    let gateway = try GatewayHarness(Self.configuration, policies: Self.policies)
    let always: Set<String> = ["method", "host", "listener"]
    let chat: Set<String> = ["path", "path-glob"]

    func sent(_ headers: [(String, String)], model: String, stream: Bool) -> Set<String> {
      matches(gateway.client.chat(model: model, stream: stream, headers: headers))
    }
    #expect(
      sent([("x-team", "blue"), ("x-tenant", "acme")], model: "gpt-4", stream: true)
        == always.union(chat).union(["header", "route", "model", "tenant", "streaming", "all", "not"]))
    #expect(
      sent([("x-team", "green-1"), ("x-raw", "1"), ("x-tenant", "initech")], model: "gpt-4", stream: false)
        == always.union(chat).union(["header", "route", "model", "tenant", "whole", "not-all", "not-inside"]))
    #expect(
      sent([("x-team", "blue"), ("x-raw", "1")], model: "lorem-5", stream: true)
        == always.union(chat).union(["header", "header-two", "route", "streaming", "not-all"]))
    #expect(
      sent([("x-side", "1"), ("x-team", "red"), ("x-tenant", "other")], model: "gpt-4", stream: true)
        == always.union(chat).union(["model", "streaming", "not", "not-inside"]))
    gateway.stop()
  }

  @Test func kindsAndDialectsAreTheRequests() throws {
    let gateway = try GatewayHarness(Self.configuration, policies: Self.policies)
    func sent(_ path: String, _ body: String) -> Set<String> {
      matches(gateway.client.send("POST", path, body: Array(body.utf8)))
    }
    let always: Set<String> = ["method", "host", "listener", "route", "not"]
    #expect(
      sent("/v1/embeddings", #"{"model":"m","input":"x"}"#)
        == always.union(["kind", "whole", "not-all"]))
    #expect(
      sent("/v1/completions", #"{"model":"m","prompt":"x"}"#)
        == always.union(["kind", "whole", "not-all"]))
    #expect(
      sent("/v1/messages", #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#)
        == always.union(["dialect", "whole", "not-all"]))
    #expect(
      sent("/v1/responses", #"{"model":"gpt-5","stream":true,"input":"x"}"#)
        == always.union(["model", "streaming", "not-inside"]))
    gateway.stop()
  }

  @Test func aPolicyThatDoesNotMatchDoesNotRun() throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: broken, when: { model: \"gpt-*\" } } ]"),
      policies: [
        "broken": "return { on_request = function() error('ran') end, on_token = function() error('ran') end }"
      ])
    let other = gateway.client.chat(model: "lorem-5")
    #expect(other.finish() == .whole && other.isDone)
    #expect(gateway.figures.hooks.filter { $0.metrics.count > 0 || $0.metrics.errors > 0 }.isEmpty)
    let met = gateway.client.chat(model: "gpt-4")
    #expect(met.finish() == .whole)
    #expect(met.status == 503)
    gateway.stop()
  }
}
