import TideCore
import Testing

@testable import TideDialects

/// Arguments of earlier tool calls in a request: their text can be changed, and nothing else changes.
@Suite struct RequestArgumentsTests {
  private func change(_ body: String, _ dialect: Dialect) throws -> (seen: [String], body: String) {
    let request = try ChatRequest.parse(bytes(body), dialect).get()
    var seen: [String] = []
    for message in 0..<request.messageCount {
      request.eachArgument(message: message) { seen.append(text([UInt8]($0))) }
    }
    #expect(!request.isEdited)
    for message in 0..<request.messageCount {
      request.changeArguments(message: message) { $1.append(text([UInt8]($0)).replacing("bob", with: "<\"1\">")) }
    }
    return (seen, text(request.body()))
  }

  @Test func chatCompletions() throws {
    func body(_ one: String, _ two: String, _ three: String) -> String {
      #"{"model":"m","messages":[{"role":"user","content":"bob"},{"role":"assistant","content":"bob","tool_calls":[{"id":"bob","type":"function","function":{"name":"bob","arguments":"\#(one)"}},{"id":"b","type":"custom","custom":{"name":"c","input":"\#(two)"}}],"x":1},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"\#(three)"}}]}"#
    }
    let made = try change(
      body(#"{\"bob\": [\"bob\", 1.0],\"x\":\"\\u0062ob\"}"#, "run bob {", #"{\"x\":\"no\"}"#), .openAI)
    #expect(made.seen == ["bob", "bob", "run bob {", "no"])
    #expect(
      made.body
        == body(
          #"{\"bob\": [\"<\\\"1\\\">\", 1.0],\"x\":\"<\\\"1\\\">\"}"#, #"run <\"1\"> {"#, #"{\"x\":\"no\"}"#))
  }

  @Test func messages() throws {
    func body(_ value: String) -> String {
      #"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"text","text":"bob"},{"input": {"bob":\#(value)},"type":"tool_use","id":"bob","name":"bob"},{"type":"other","input":{"a":"bob"}}]}]}"#
    }
    let made = try change(body(#"["bob",{"x":"bob"}]"#), .anthropic)
    #expect(made.seen == ["bob", "bob"])
    #expect(made.body == body(#"["<\"1\">",{"x":"<\"1\">"}]"#))
  }

  @Test func responses() throws {
    func body(_ one: String, _ two: String) -> String {
      #"{"model":"m","input":[{"role":"user","content":"bob"},{"type":"function_call","call_id":"bob","name":"bob","arguments":"\#(one)"},{"type":"custom_tool_call","call_id":"c","name":"d","input":"\#(two)"},{"type":"function_call_output","call_id":"bob","output":"bob"}]}"#
    }
    let made = try change(body(#"{\"a\":\"bob\"}"#, "bob"), .responses)
    #expect(made.seen == ["bob", "bob"])
    #expect(made.body == body(#"{\"a\":\"<\\\"1\\\">\"}"#, #"<\"1\">"#))
  }

  /// What a model left broken is text.
  @Test func argumentsThatAreNoJSONAreOneValue() throws {
    let request = try ChatRequest.parse(
      bytes(
        #"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"a\":\"bob"}},{"function":{"arguments":""}},{"function":{"arguments":7}},7]},{"role":"assistant","tool_calls":7,"function_call":null}]}"#
      )
    ).get()
    var seen: [String] = []
    for message in 0..<2 { request.eachArgument(message: message) { seen.append(text([UInt8]($0))) } }
    #expect(seen == [#"{"a":"bob"#])
    request.changeArguments(message: 0) { $1.append(text([UInt8]($0)).uppercased()) }
    request.changeArguments(message: 7) { $1.append($0) }
    #expect(text(request.body()).contains(#""arguments":"{\"A\":\"BOB""#))
  }
}
