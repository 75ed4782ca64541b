import Testing

@testable import TideDialects

/// Whole answers that end at a tool call.
@Suite struct BodyCutTests {
  private static let cut = LaneCut(finishReason: "content_filter", text: " \"Stop\"")

  private func end(_ json: String, _ dialect: Dialect, _ decisions: [ToolDecision], _ cut: LaneCut = cut) -> String? {
    guard let body = ToolBody(bytes(json), dialect), let beginning = body.beginning(decisions) else { return nil }
    let choice = body.calls.dropFirst(decisions.count).first?.choice ?? 0
    return BodyCut.end(beginning, dialect, cut, choice: choice).map { text($0) }
  }

  private static func choice(_ index: Int, _ content: String, _ calls: [String], _ reason: String) -> String {
    let list =
      calls.isEmpty
      ? "null"
      : "["
        + calls.map { #"{"id":"\#($0)","type":"function","function":{"name":"\#($0)","arguments":"{}"}}"# }
        .joined(separator: ",") + "]"
    return
      #"{"index":\#(index),"message":{"role":"assistant","content":\#(content),"tool_calls":\#(list)},"finish_reason":"\#(reason)"}"#
  }

  @Test func chatCompletions() {
    let one = { Self.choice(0, $0, $1, $2) }
    let two = { Self.choice(1, $0, $1, $2) }
    func body(_ choices: String...) -> String { #"{"id":"c","choices":[\#(choices.joined(separator: ","))],"x":1}"# }
    #expect(
      end(body(one("\"Hm.\"", ["a", "b", "c"], "tool_calls")), .openAI, [.pass])
        == body(one(#""Hm. \"Stop\"""#, ["a"], "content_filter")))
    #expect(
      end(body(one("null", ["a", "b"], "tool_calls")), .openAI, [], LaneCut(finishReason: "stop"))
        == body(one("null", [], "stop")))
    #expect(
      end(body(one("null", ["a"], "tool_calls"), two("null", ["b", "c"], "tool_calls")), .openAI, [.pass, .pass])
        == body(one("null", ["a"], "tool_calls"), two(#"" \"Stop\"""#, ["b"], "content_filter")))
    #expect(
      end(body(one("null", ["a", "b"], "tool_calls"), two("\"x\"", ["c"], "tool_calls")), .openAI, [.pass])
        == body(one(#"" \"Stop\"""#, ["a"], "content_filter"), two("\"x\"", [], "content_filter")))
  }

  @Test func messages() {
    let use = { (it: String) in #"{"type":"tool_use","id":"\#(it)","name":"\#(it)","input":{}}"# }
    let said = { (it: String) in #"{"type":"text","text":"\#(it)"}"# }
    func body(_ reason: String, _ blocks: String...) -> String {
      #"{"content":[\#(blocks.joined(separator: ","))],"stop_reason":"\#(reason)","stop_sequence":null}"#
    }
    let stop = said(#" \"Stop\""#)
    #expect(
      end(body("tool_use", said("Hm."), use("a"), said("then"), use("b"), said("never")), .anthropic, [.pass])
        == body("refusal", said("Hm."), use("a"), said("then"), stop))
    #expect(end(body("tool_use", use("a")), .anthropic, []) == body("refusal", stop))
    #expect(
      end(body("tool_use", use("a"), use("b")), .anthropic, [.deny(message: "No.")], LaneCut(finishReason: "length"))
        == body("max_tokens", said("No.")))
  }

  @Test func responses() {
    let call = { (it: String) in
      #"{"type":"function_call","id":"\#(it)","call_id":"\#(it)","name":"\#(it)","arguments":"{}"}"#
    }
    func body(_ status: String, _ details: String, _ output: String...) -> String {
      #"{"id":"r","status":"\#(status)","incomplete_details":\#(details),"output":[\#(output.joined(separator: ","))],"output_text":"Hm."}"#
    }
    let why = #"{"reason":"content_filter"}"#
    #expect(
      end(
        body("completed", "null", call("a"), call("b"), call("c")), .responses, [.pass],
        LaneCut(finishReason: "content_filter"))
        == body("incomplete", why, call("a")))
    let ended = end(body("completed", "null", call("a")), .responses, []) ?? ""
    #expect(!ended.contains("function_call") && JSONText.isValue(bytes(ended)))
    #expect(
      ended.contains(#""output":[{"id":"msg_tidegate","type":"message","status":"incomplete","role":"assistant""#))
    #expect(ended.contains(#""output_text":"Hm. \"Stop\"""#))
    #expect(
      end(#"{"status":"completed","output":[\#(call("a"))]}"#, .responses, [], LaneCut(finishReason: "stop"))
        == #"{"status":"completed","incomplete_details":null,"output":[]}"#)
  }

  @Test func whatCannotBeReadIsNotSent() {
    for dialect in [Dialect.openAI, .anthropic, .responses] {
      for body in ["", "[]", "{}", #"{"choices":[]}"#, #"{"choices":7,"content":1,"#] {
        #expect(BodyCut.end(bytes(body), dialect, Self.cut) == nil, "\(body)")
      }
    }
  }
}
