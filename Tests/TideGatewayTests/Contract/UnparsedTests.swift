import TideCore
import TideEngine
import Testing

@testable import TideGateway

/// Paths that the gateway does not parse, on routes whose policies would have to see what passes.
@Suite(.serialized) struct UnparsedTests {
  private func status(_ policy: String, _ unparsed: String) throws -> Int? {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      policies: [ { use: p } ]
      routes: [ { name: default, cluster: engine\(unparsed) } ]
      """, policies: ["p": "return { \(policy) }"])
    let call = gateway.client.send("GET", "/health")
    #expect(call.finish() == .whole)
    gateway.stop()
    return call.status
  }

  /// By what they have; each alone is enough.
  @Test(arguments: [
    "on_request = function() end", "filters = { tide.filter.replace { words = { a = 'b' } } }",
    "on_token = function() end", "segment = { unit = 'word' }, on_segment = function() end",
    "on_lane = function() end", "on_lane_end = function() end", "on_tool_call = function() end",
  ])
  func whatMustSeeTextIsNotPassedBy(_ policy: String) throws {
    #expect(try status(policy, "") == 404)
    #expect(try status(policy, ", unparsed: deny") == 404)
    #expect(try status(policy, ", unparsed: relay") == 200)
  }

  @Test(arguments: [
    "on_auth = function() return tide.identity { key_id = 'k' } end", "on_route = function() end",
    "on_log = function() end", "on_upstream_error = function() end", "on_response_start = function() end",
  ])
  func whatDoesNotSeeTextDeniesNothing(_ policy: String) throws {
    #expect(try status(policy, "") == 200)
  }

  /// Legacy completions: their model is read, and their text is not.
  @Test(arguments: [
    ("on_response_end = function() end", 200), ("keep_text = true, on_log = function(ctx) end", 200),
    ("on_request = function() end", 200), ("on_tool_call = function() end", 200), ("on_token = function() end", 404),
    ("filters = { tide.filter.replace { words = { a = 'b' } } }", 404),
  ])
  func aCompletionPassesUnlessItsTextMustBeSeen(_ policy: String, _ status: Int) throws {
    let test = try PolicyTestFolder.run(
      "return { \(policy) }",
      """
      local function ask(unparsed)
        local g = t.gateway { routes = { { name = "default", cluster = "by-model", unparsed = unparsed } }, { use = "p" } }
        return g:chat { path = "/v1/completions", json = { model = "m", prompt = "x" },
          upstream = { json = { choices = { { text = "a" } } } } }.status
      end
      t.eq(ask(), \(status))
      t.eq(ask("relay"), 200)
      """)
    #expect(test.failure == nil, "\(test.failure?.message ?? "")")
  }

  @Test func aRelayedRequestIsStillJudged() throws {
    #expect(
      try status(
        "on_request = function(ctx) if ctx.kind == 'other' and not ctx.prompt then return tide.deny(418) end end",
        ", unparsed: relay") == 418)
  }

  @Test func aPolicyThatDoesNotMatchDeniesNothing() throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      policies: [ { use: p, when: { kind: chat } } ]
      routes: [ { name: default, cluster: engine } ]
      """, policies: ["p": "return { on_request = function() end }"])
    let call = gateway.client.send("GET", "/health")
    #expect(call.finish() == .whole)
    #expect(call.status == 200)
    gateway.stop()
  }

  // MARK: anonymous

  private static let key = """
    return { on_auth = function(ctx)
      local key = ctx.request.credential
      if key == "right" then return tide.identity { key_id = "k" } end
      if key == "banned" then return tide.deny(403) end
    end }
    """

  @Test(arguments: [false, true]) func anonymousClientsPassWhereTheRouteSaysSo(_ isAnonymous: Bool) throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      policies: [ { use: key }, { use: who } ]
      routes: [ { name: default, cluster: by-model, anonymous: \(isAnonymous) } ]
      """,
      policies: [
        "key": Self.key,
        "who": """
        return { on_request = function(ctx)
          return tide.deny(418, { message = "I am " .. (ctx.auth and ctx.auth.key_id or "nobody") })
        end }
        """,
      ])
    func answer(_ key: String?) -> Call {
      let call = gateway.client.chat(headers: key.map { [("authorization", "Bearer " + $0)] } ?? [])
      #expect(call.finish() == .whole)
      return call
    }
    for key in [nil, "wrong"] {
      let call = answer(key)
      #expect(call.status == (isAnonymous ? 418 : 401))
      if isAnonymous { #expect(call.text.contains("I am nobody")) }
    }
    #expect(answer("right").text.contains("I am k"))
    #expect(answer("banned").status == 403)
    gateway.stop()
  }

  /// Whatever its `when` says, a policy that knows credentials is bound: nobody passes because it did not look.
  @Test func aConditionOpensNothing() throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: key, when: { header: { x-ask: \"1\" } } } ]"),
      policies: ["key": Self.key])
    let call = gateway.client.chat(headers: [("authorization", "Bearer right")])
    #expect(call.finish() == .whole)
    #expect(call.status == 401)
    gateway.stop()
  }
}
