import TideCore
import TideEngine
import Testing

@testable import TideGateway

/// `tide.respond`: an answer in an upstream's place, which passes whatever an upstream's would.
@Suite(.serialized) struct OwnAnswerTests {
  private static let watcher = """
    return { on_response_start = function(ctx)
      return tide.deny(418, { message = ctx.response.source .. " " .. ctx.response.status })
    end }
    """

  private func gateway(
    _ policies: [(name: String, text: String)], engine: EngineSettings = EngineSettings(mode: .lorem)
  ) throws -> GatewayHarness {
    let bindings = policies.map { "{ use: \($0.name) }" }.joined(separator: ", ")
    return try GatewayHarness(
      GatewayHarness.plain("policies: [ \(bindings) ]"),
      policies: Dictionary(uniqueKeysWithValues: policies.map { ($0.name, $0.text) }), engine: engine)
  }

  @Test(arguments: [
    "on_auth = function() return tide.respond { text = 'own' } end",
    "on_request = function() return tide.respond { text = 'own' } end",
    "on_request = function() tide.sleep(1) return tide.respond { text = 'own' } end",
    "on_route = function() return tide.respond { text = 'own' } end",
    "on_upstream_error = function() return tide.respond { text = 'own' } end",
  ])
  func hooksOfTheAnswerSeeIt(_ hook: String) throws {
    let gateway = try gateway([("answers", "return { \(hook) }"), ("watcher", Self.watcher)])
    for stream in [true, false] {
      let call = gateway.client.chat(model: "lorem-status-500", stream: stream)
      #expect(call.finish() == .whole)
      #expect(call.status == 418)
      #expect(call.text.contains("policy 200"))
    }
    gateway.stop()
  }

  @Test func whatTheyAnswerGoesOutAndIsNotJudgedAgain() throws {
    let gateway = try gateway([
      ("answers", "return { on_request = function() return tide.respond { text = 'first' } end }"),
      (
        "again",
        "return { on_response_start = function(ctx) tide.sleep(1) return tide.respond { text = 'second' } end }"
      ),
    ])
    let call = gateway.client.chat()
    #expect(call.finish() == .whole && call.isDone)
    #expect(call.content == "second")
    #expect(gateway.figures.hooks.first { $0.hook == "on_response_start" }?.metrics.count == 1)
    gateway.stop()
  }

  @Test func thereIsNoOtherAttemptAtIt() throws {
    let gateway = try gateway([
      ("answers", "return { on_request = function() return tide.respond { text = 'own' } end }"),
      ("retries", "return { on_response_start = function() return tide.retry {} end }"),
    ])
    let call = gateway.client.chat()
    #expect(call.finish() == .whole)
    #expect(call.status == 502)
    #expect(call.text.contains("retries_exhausted"))
    gateway.stop()
  }

  /// Whether the client asked for a stream, and which policies see the answer, is known once the body is there.
  @Test(arguments: [false, true]) func anAnswerOfAuthenticationIsStreamedAndPassesTheLanes(_ waits: Bool) throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain(
        """
        policies: [ { use: answers }, { use: shout, when: { model: "lorem-*" } }, { use: never } ]
        """),
      policies: [
        "answers":
          "return { on_auth = function() \(waits ? "tide.sleep(1)" : "") return tide.respond { text = 'come back' } end }",
        "shout": "return { on_token = function(s, text) return text:upper() end }",
        "never": "return { on_request = function() return tide.deny(500) end }",
      ])
    let streamed = gateway.client.chat()
    #expect(streamed.finish() == .whole && streamed.isDone)
    #expect(streamed.content == "COME BACK")
    let whole = gateway.client.chat(stream: false)
    #expect(whole.finish() == .whole)
    #expect(whole.text.contains("\"content\":\"COME BACK\"") && whole.text.contains("chat.completion\""))
    let other = gateway.client.chat(model: "gpt-4")
    #expect(other.finish() == .whole)
    #expect(other.content == "come back")
    #expect(gateway.stop().outcomes == ["complete", "complete", "complete"])
  }

  @Test func itHasAsManyChoicesAsTheClientAskedFor() throws {
    let gateway = try gateway([
      ("answers", "return { on_request = function() return tide.respond { text = 'own' } end }"),
      (
        "count",
        "return { on_lane = function(ctx, cfg, lane) return { n = lane.choice } end, on_token = function(s, t) return t .. s.n end }"
      ),
    ])
    for stream in [true, false] {
      let call = gateway.client.chat(stream: stream, extra: ",\"n\":3")
      #expect(call.finish() == .whole)
      for choice in 0..<3 { #expect(call.text.contains("\"own\(choice)\""), "\(choice)") }
      #expect(call.text.split(separator: "\"finish_reason\":\"stop\"", omittingEmptySubsequences: false).count == 4)
    }
    gateway.stop()
  }

  // MARK: What hooks are told

  @Test func theTimeLeftAndTheProviderAreKnown() throws {
    let gateway = try GatewayHarness(
      """
      clusters:
        - { name: engine, dialect: [openai, anthropic], endpoints: [ { url: "http://{engine}", protocol: h2c } ], timeouts: { total: 90s } }
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      policies: [ { use: p } ]
      """,
      policies: [
        "p": """
        return {
          on_request = function(ctx) ctx.vars.first = ctx.deadline end,
          on_response_start = function(ctx)
            local second = ctx.deadline
            local isSound = ctx.vars.first > 90000 and second > 0 and second <= 90000
            return tide.deny(418, { message = tostring(isSound) .. " " .. ctx.route.cluster .. " " .. ctx.route.provider })
          end,
        }
        """
      ], engine: EngineSettings(mode: .lorem))
    let call = gateway.client.chat()
    #expect(call.finish() == .whole)
    #expect(call.text.contains("true engine openai"))
    let body = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#
    let message = gateway.client.send("POST", "/v1/messages", body: Array(body.utf8))
    #expect(message.finish() == .whole)
    #expect(message.text.contains("true engine anthropic"))
    gateway.stop()
  }
}
