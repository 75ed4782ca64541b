import Testing
import TideEngine

@testable import TideGateway

/// What the access log says of who ended an exchange's way, and how.
@Suite(.serialized) struct DecisionLogTests {
  /// One policy a model, bound under a name of its own; `waits` decides after waiting.
  private static let policies = [
    "denies": "return { on_request = function() return tide.deny(413) end }",
    "waits": "return { on_request = function() tide.sleep(1) return tide.deny(429) end }",
    "answers": "return { on_request = function() return tide.respond { text = 'hi' } end }",
    "fails": "return { on_request = function(ctx) return ctx.id.x.y end }",
    "routes": "return { on_route = function() return tide.deny(403) end }",
    "cuts": "return { segment = { unit = 'word' }, on_segment = function() return tide.cut {} end }",
    "breaks": "return { on_token = function(s, text) return text.x.y end }",
    "blocks": "return { filters = { tide.filter.limit { output_tokens = 2 } } }",
    "ends": "return { on_response_end = function() return tide.cut {} end }",
    "passes": "return { on_request = function() end }",
  ]

  @Test func policyAndVerdictStandApart() throws {
    let names = Self.policies.keys.sorted()
    let bindings = names.map { "  - { use: \($0), as: my-\($0), when: { model: \"\($0)\" } }" }
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies:\n" + bindings.joined(separator: "\n")), policies: Self.policies,
      engine: EngineSettings(mode: .echo, intervalMicroseconds: 0))
    for name in names {
      let call = gateway.client.chat(model: name)
      #expect(call.finish() == .whole)
    }
    let lines = gateway.stop()
    let expected = [
      "denies": "deny", "waits": "deny", "answers": "respond", "fails": "error", "routes": "deny", "cuts": "cut",
      "breaks": "error", "blocks": "cut", "ends": "cut",
    ]
    #expect(lines.count == names.count)
    for name in names {
      let line = try #require(lines.first { $0.contains("\"model\":\"\(name)\"") })
      if let verdict = expected[name] {
        #expect(line.contains("\"policy\":\"my-\(name)\",\"verdict\":\"\(verdict)\""), "\(line)")
      } else {
        #expect(!line.contains("\"policy\"") && !line.contains("\"verdict\""), "\(line)")
      }
    }
  }
}
