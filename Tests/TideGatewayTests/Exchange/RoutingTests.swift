import Testing
import TideCore
import TideEngine
import TideHTTP

@testable import TideGateway

@Suite(.serialized) struct RoutingTests {
  private static let auth = """
    return { auto = true, on_auth = function(ctx)
      if ctx.request.headers["authorization"] == "Bearer right" then return tide.identity { key_id = "k" } end
      return nil
    end }
    """

  @Test func authenticationComesBeforeTheBody() throws {
    let gateway = try GatewayHarness(policies: ["auth": Self.auth])
    // The body never ends: only the head can have decided.
    let call = gateway.client.send("POST", "/v1/chat/completions", body: Array("{".utf8), ends: false)
    _ = call.waitForHead()
    #expect(call.status == 401)
    call.wait(forBytes: 20)
    #expect(call.text.contains("invalid_api_key"))
    let models = gateway.client.send("GET", "/v1/models")
    #expect(models.finish() == .whole)
    #expect(models.status == 401)
    // Who is known is answered where there is no body to wait for, too.
    let listed = gateway.client.send("GET", "/v1/models", headers: [("authorization", "Bearer right")])
    #expect(listed.finish() == .whole)
    #expect(listed.status == 200)
    let known = gateway.client.chat(headers: [("authorization", "Bearer right")])
    #expect(known.finish() == .whole)
    #expect(known.isDone)
    gateway.stop()
  }

  @Test func anonymousRoutesNeedNoKey() throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: lorem-20, cluster: engine }, { id: lorem-30, cluster: engine } ]
      routes:
        - { name: open, match: { model: lorem-20 }, cluster: by-model, anonymous: true }
        - { name: rest, cluster: by-model }
      """, policies: ["auth": Self.auth])
    let open = gateway.client.chat(model: "lorem-20")
    #expect(open.finish() == .whole)
    #expect(open.status == 200)
    // The head suggests the open route; the model says otherwise.
    let closed = gateway.client.chat(model: "lorem-30")
    #expect(closed.finish() == .whole)
    #expect(closed.status == 401)
    // A request without a model must not pass for one of the open route's.
    let models = gateway.client.send("GET", "/v1/models")
    #expect(models.finish() == .whole)
    #expect(models.status == 401)
    gateway.stop()
  }

  @Test func modelsAreAnsweredFromTheConfiguration() throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: one, cluster: engine }, { id: "gpt-*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let list = gateway.client.send("GET", "/v1/models")
    #expect(list.finish() == .whole)
    #expect(list.text.contains("\"one\""))
    #expect(!list.text.contains("gpt-"))
    let one = gateway.client.send("GET", "/v1/models/one")
    #expect(one.finish() == .whole)
    #expect(one.status == 200)
    for (method, path, status) in [("GET", "/v1/models/none", 404), ("GET", "/v1/models/gpt-4", 404)] {
      let call = gateway.client.send(method, path)
      #expect(call.finish() == .whole)
      #expect(call.status == status)
    }
    let unknown = gateway.client.chat(model: "nobody")
    #expect(unknown.finish() == .whole)
    #expect(unknown.status == 404)
    #expect(unknown.text.contains("model_not_found"))
    #expect(gateway.engine.activeStreams == 0)
    gateway.stop()
  }

  @Test func unparsedPathsFollowTheRoute() throws {
    let reader = "return { on_token = function(s, text) return text end }"
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      routes:
        - { name: denied, match: { path: /denied/* }, cluster: engine, policies: [ { use: reader } ] }
        - { name: relayed, match: { path: /engine/* }, cluster: engine, unparsed: relay, policies: [ { use: reader, as: other } ] }
        - { name: bare, match: { path: /health }, cluster: engine }
        - { name: nowhere, cluster: by-model }
      """, policies: ["reader": reader])
    for (path, status) in [("/denied/x", 404), ("/engine/stats", 200), ("/health", 200), ("/other", 404)] {
      let call = gateway.client.send("GET", path)
      #expect(call.finish() == .whole)
      #expect(call.status == status, "\(path)")
    }
    gateway.stop()
  }

  @Test func malformedRequestsAreRefusedInTheDialect() throws {
    let gateway = try GatewayHarness()
    for body in ["", "{", "[]", "{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}", "{\"messages\":[]}"] {
      let call = gateway.client.send("POST", "/v1/chat/completions", body: Array(body.utf8))
      #expect(call.finish() == .whole)
      #expect(call.status == 400, "\(body)")
      #expect(call.text.contains("\"error\""))
    }
    let path = gateway.client.send("GET", "/a%2fb")
    #expect(path.finish() == .whole)
    #expect(path.status == 400)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    gateway.stop()
  }

  @Test func policiesMayAnswerThemselves() throws {
    let gateway = try GatewayHarness(
      policies: [
        "answers": """
        return { auto = true,
          on_request = function(ctx) return tide.respond { text = "from the policy" } end,
          on_token = function(s, text) return (text:gsub("policy", "script")) end }
        """
      ])
    let streamed = gateway.client.chat()
    #expect(streamed.finish() == .whole)
    #expect(streamed.content == "from the script")
    #expect(streamed.isDone)
    let whole = gateway.client.chat(stream: false)
    #expect(whole.finish() == .whole)
    #expect(whole.text.contains("from the script"))
    #expect(gateway.stop().outcomes == ["complete", "complete"])
  }
}
