import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

/// Policies that run away: each is stopped, answered as `failure` says, and costs no other stream a byte.
@Suite(.serialized) struct PolicyFaultTests {
  private static let faults: [(name: String, body: String)] = [
    ("loop", "while true do end"),
    ("memory", "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end"),
    ("pattern", "return string.find(string.rep('a', 5000), string.rep('.-', 12) .. 'b')"),
    ("error", "error('no')"),
  ]

  @Test(arguments: ["loop", "memory", "pattern", "error"]) func aFaultInOnRequestIsAnsweredAsFailureSays(_ name: String)
    throws
  {
    let body = Self.faults.first { $0.name == name }!.body
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      policies:
        - { use: denies, when: { model: lorem-10 } }
        - { use: skips, when: { model: lorem-11 } }
      routes: [ { name: default, cluster: by-model } ]
      """,
      policies: [
        "denies": "return { failure = { on_request = 'deny' }, on_request = function(ctx) \(body) end }",
        "skips": "return { failure = { on_request = 'skip' }, on_request = function(ctx) \(body) end }",
      ], engine: EngineSettings(mode: .lorem, intervalMicroseconds: 2_000))
    let bystanders = (0..<200).map { _ in gateway.client.chat(model: "lorem-60") }
    bystanders[199].wait(forBytes: 100)
    for _ in 0..<3 {
      let denied = gateway.client.chat(model: "lorem-10")
      #expect(denied.finish() == .whole)
      #expect(denied.status == 503)
      #expect(denied.text.contains("\"error\""))
      let skipped = gateway.client.chat(model: "lorem-11")
      #expect(skipped.finish() == .whole)
      #expect(skipped.isDone)
    }
    let text = bystanders[0].finish() == .whole ? bystanders[0].content : ""
    #expect(text.split(separator: " ").count == 60)
    for call in bystanders {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
      #expect(call.content == text)
    }
    gateway.stop()
  }

  @Test(arguments: ["loop", "memory", "pattern", "error"]) func aFaultInOnTokenCutsOrSkips(_ name: String) throws {
    let body = Self.faults.first { $0.name == name }!.body
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      policies:
        - { use: cuts, when: { model: lorem-10 } }
        - { use: skips, when: { model: lorem-11 } }
      routes: [ { name: default, cluster: by-model } ]
      """,
      policies: [
        "cuts": "return { failure = { on_token = 'cut' }, on_token = function(s, text) \(body) end }",
        "skips": "return { failure = { on_token = 'skip' }, on_token = function(s, text) \(body) end }",
      ], engine: EngineSettings(mode: .lorem, intervalMicroseconds: 2_000))
    let bystanders = (0..<200).map { _ in gateway.client.chat(model: "lorem-60") }
    bystanders[199].wait(forBytes: 100)
    for stream in [true, false] {
      let cut = gateway.client.chat(model: "lorem-10", stream: stream)
      #expect(cut.finish() == .whole)
      #expect(!cut.text.contains("lorem "))
      let skipped = gateway.client.chat(model: "lorem-11", stream: stream)
      #expect(skipped.finish() == .whole)
      #expect(skipped.status == 200)
      if stream { #expect(skipped.content.split(separator: " ").count == 11) }
    }
    for call in bystanders {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
      #expect(call.content == bystanders[0].content)
    }
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 && gateway.engine.activeStreams == 0 })
    gateway.stop()
  }
}
