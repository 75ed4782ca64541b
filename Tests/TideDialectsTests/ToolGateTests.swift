import TideCore
import Testing

@testable import TideDialects

/// Tool calls are kept back until they are judged, whatever the cuts, and leave as was decided.
@Suite struct ToolGateTests {
  /// A stream through the gate, in pieces, with a decision for each call that is made at once or `late` pieces later.
  private func run(
    _ dialect: Dialect, _ input: String, size: Int, late: Int = 0, _ decide: (ToolCall) -> ToolDecision
  ) -> (output: String, calls: [ToolCall], failure: StreamFailure?) {
    let gate = ToolGate.make(dialect, scratch: nil)
    let all = Array(input.utf8)
    var calls: [ToolCall] = []
    var waited = 0
    func judge() {
      while let call = gate.call {
        guard waited >= late else {
          waited += 1
          return
        }
        waited = 0
        calls.append(call)
        gate.decide(decide(call))
      }
    }
    for start in stride(from: 0, to: all.count, by: size) {
      all[start..<min(all.count, start + size)].withUnsafeBytes { gate.receive($0) }
      judge()
    }
    gate.receiveEnd()
    waited = late
    while gate.call != nil {
      judge()
      waited = late
    }
    return (String(decoding: gate.output.readableBytes, as: UTF8.self), calls, gate.failure)
  }

  static let chat = """
    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hm. "},"finish_reason":null}]}

    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"one","arguments":""}}]},"finish_reason":null}]}

    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"two","arguments":"{}"}}]},"finish_reason":null}]}

    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\":\\"\\u00e9"}}]},"finish_reason":null}]}

    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Text between.","tool_calls":[{"index":0,"function":{"arguments":"\\"}"}}]},"finish_reason":null}]}

    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

    data: [DONE]


    """

  @Test func aCallIsWholeAndInOrder() {
    for size in [1, 2, 3, 7, 64, 1 << 16] {
      for late in [0, 1, 5] {
        let found = run(.openAI, Self.chat, size: size, late: late) { _ in .pass }
        #expect(found.failure == nil)
        #expect(
          found.calls == [
            ToolCall(choice: 0, index: 0, id: "a", name: "one", arguments: "{\"x\":\"é\"}"),
            ToolCall(choice: 0, index: 1, id: "b", name: "two", arguments: "{}"),
          ], "\(size)")
        #expect(found.output.contains("Text between."))
        #expect(found.output.contains(#""finish_reason":"tool_calls""#))
        #expect(found.output.hasSuffix("data: [DONE]\n\n"))
        let first = found.output.range(of: #""name":"one""#)
        let finish = found.output.range(of: #""finish_reason":"tool_calls""#)
        #expect(first != nil && finish != nil && first!.lowerBound < finish!.lowerBound)
      }
    }
  }

  @Test func whatIsLeftIsNumberedAnew() {
    let found = run(.openAI, Self.chat, size: 5) {
      $0.name == "one" ? .deny(message: "No.") : .replace(name: "three", arguments: "{\"y\":1}")
    }
    #expect(!found.output.contains(#""name":"one""#) && !found.output.contains(#""name":"two""#))
    #expect(
      found.output.contains(
        #""tool_calls":[{"index":0,"id":"b","type":"function","function":{"name":"three","arguments":"{\"y\":1}"}}]"#))
    #expect(found.output.contains(#""delta":{"content":"No."}"#))
    #expect(found.output.contains(#""finish_reason":"tool_calls""#))
  }

  @Test func anAnswerWithoutCallsHasNotFinishedWithThem() {
    let found = run(.openAI, Self.chat, size: 9) { _ in .deny(message: "") }
    #expect(!found.output.contains("one") && !found.output.contains("two"))
    #expect(found.output.contains(#""finish_reason":"stop""#))
  }

  @Test func textFlowsWhileACallIsCollected() {
    let gate = ToolGate.make(.openAI, scratch: nil)
    let until = Self.chat.range(
      of:
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},"
    )!
    Array(Self.chat[..<until.lowerBound].utf8).withUnsafeBytes { gate.receive($0) }
    let output = String(decoding: gate.output.readableBytes, as: UTF8.self)
    #expect(output.contains("Text between.") && !output.contains("one") && gate.call == nil)
  }

  @Test(arguments: [
    #"data: {"choices":[{"index":0,"delta":{"function_call":{"name":"old","arguments":"{}"}}}]}"#,
    #"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"a","name":"b"}}]}}]}"#,
    #"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}],"tool_calls":[{"index":1}]}}]}"#,
    #"data: {"choices":[{"index":0,"delta":{"tool_calls":[7]}}]}"#,
    "data: nonsense", "data:  {\"choices\":",
  ])
  func whatCannotBeJudgedDoesNotPass(_ event: String) {
    let found = run(.openAI, event + "\n\n", size: 11) { _ in .pass }
    #expect(found.failure == .malformed && found.output.isEmpty)
  }

  @Test func argumentsHaveALimit() {
    let delta =
      #"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"a","arguments":""#
      + String(repeating: "x", count: 200_000) + "\"}}]}}]}\n\n"
    let found = run(.openAI, String(repeating: delta, count: 30), size: 1 << 16) { _ in .pass }
    #expect(found.failure == .tooLarge)
  }

  @Test func aTruncatedCallNeverLeaves() {
    let cut = Self.chat.range(of: "Text between.")!.lowerBound
    let found = run(.openAI, String(Self.chat[..<cut]), size: 100) { _ in .pass }
    #expect(found.calls.isEmpty && !found.output.contains("one"))
  }

  // MARK: Whole bodies

  @Test func wholeBodiesAreEditedInPlace() throws {
    let chat =
      #"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"one","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"two","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"x":1}"#
    let body = try #require(ToolBody(Array(chat.utf8), .openAI))
    #expect(body.calls.map(\.name) == ["one", "two"])
    #expect(String(decoding: body.body([.pass, .pass]), as: UTF8.self) == chat)
    let edited = String(
      decoding: body.body([.deny(message: "No."), .replace(name: "t", arguments: "[]")]), as: UTF8.self)
    #expect(
      edited
        == #"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"No.","tool_calls":[{"id":"b","type":"function","function":{"name":"t","arguments":"[]"}}]},"finish_reason":"tool_calls"}],"x":1}"#
    )
    let none = String(decoding: body.body([.deny(message: "No."), .deny(message: "")]), as: UTF8.self)
    #expect(none.contains(#""content":"No.","tool_calls":null},"finish_reason":"stop""#))

    let message =
      #"{"content":[{"type":"text","text":"Hm."},{"type":"tool_use","id":"a","name":"one","input":{"x":1}}],"stop_reason":"tool_use"}"#
    let use = try #require(ToolBody(Array(message.utf8), .anthropic))
    #expect(use.calls.map(\.arguments) == [#"{"x":1}"#])
    #expect(
      String(decoding: use.body([.deny(message: "No.")]), as: UTF8.self)
        == #"{"content":[{"type":"text","text":"Hm."},{"type":"text","text":"No."}],"stop_reason":"end_turn"}"#)

    let response =
      #"{"output":[{"type":"function_call","id":"f","call_id":"a","name":"one","arguments":"{}","status":"completed"}]}"#
    let item = try #require(ToolBody(Array(response.utf8), .responses))
    #expect(item.calls.map(\.id) == ["a"])
    let denied = String(decoding: item.body([.deny(message: "No.")]), as: UTF8.self)
    #expect(denied.contains(#""type":"message""#) && denied.contains(#""text":"No.""#) && !denied.contains("one"))
    for broken in [
      "", "[]", #"{"choices":[{"message":{"function_call":{"name":"x"}}}]}"#, #"{"choices":[],"choices":[]}"#,
    ] {
      #expect(ToolBody(Array(broken.utf8), .openAI) == nil, "\(broken)")
    }
  }
}
