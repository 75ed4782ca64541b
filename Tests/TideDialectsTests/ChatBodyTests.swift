import TideCore
import Testing

@testable import TideDialects

@Suite struct ChatBodyTests {
  static let body =
    #"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"r","content":"a secret \u00e9"},"logprobs":{"x":1},"finish_reason":"stop"}, {"index":1,"message":{"content":"STOP"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#

  @Test func bodiesRunThroughTheSameLanes() {
    let same = ChatBody(options: ChatStreamOptions(processor: RecordingProcessor()))
    #expect(same.transform(bytes(Self.body)) == .body(bytes(Self.body)))
    #expect(same.usage.total == 3)
    #expect(same.finishReasons.map(\.reason) == ["stop", "length"])
    let words = ChatBody(options: ChatStreamOptions(processor: WordReplacer()))
    let expected = Self.body.replacing(#"a secret \u00e9"#, with: "a [x] é").replacing(
      #","logprobs":{"x":1}"#, with: "")
    #expect(words.transform(bytes(Self.body)) == .body(bytes(expected)))
    let cutter = ChatBody(options: ChatStreamOptions(processor: Cutter()))
    let cut = Self.body.replacing("\"STOP\"", with: "\" [cut]\"").replacing("\"length\"", with: "\"content_filter\"")
    #expect(cutter.transform(bytes(Self.body)) == .cut(bytes(cut)))
    #expect(ChatBody(options: ChatStreamOptions(processor: Cutter())).transform(bytes("{")) == .failed(.malformed))
    #expect(ChatBody(options: ChatStreamOptions()).transform(bytes("{")) == .body(bytes("{")))
  }

  @Test func aCutLeavesNoCallBehindIt() {
    let call = #"[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]"#
    func body(_ text: String, _ calls: String, _ reason: String) -> [UInt8] {
      bytes(
        #"{"choices":[{"index":0,"message":{"content":"\#(text)","tool_calls":\#(calls)},"finish_reason":"\#(reason)"}]}"#
      )
    }
    let cutter = ChatBody(options: ChatStreamOptions(processor: Cutter()))
    #expect(cutter.transform(body("STOP", call, "tool_calls")) == .cut(body(" [cut]", "null", "content_filter")))
    let other = ChatBody(options: ChatStreamOptions(processor: Cutter()))
    #expect(other.transform(body("go", call, "tool_calls")) == .body(body("go", call, "tool_calls")))
  }

  @Test func ownAnswersAreReadAsAnUpstreams() {
    let answer = ChatAnswer(
      text: "a \"secret\"", toolCalls: [.init(id: "c1", name: "f", arguments: "{}")], id: "i", model: "m", created: 1)
    var stream = ByteQueue()
    answer.writeStream(.openAI, includeUsage: true, into: &stream)
    let result = run([UInt8](stream.readableBytes), ChatStreamOptions(processor: WordReplacer()))
    #expect(result.progress == .complete)
    #expect(text(result.output).contains("[x]"))
    #expect(result.stream.finishReasons.map(\.reason) == ["tool_calls"])
    var body = ByteQueue()
    answer.writeBody(.openAI, into: &body)
    #expect(JSONText.isValue([UInt8](body.readableBytes)))
  }

  @Test func errorsAndModelsLookLikeTheProviders() {
    #expect(
      text(ErrorShape.openAI(status: 401, message: "No \"key\"."))
        == #"{"error":{"message":"No \"key\".","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#)
    #expect(
      text(ModelList.list([.init(id: "a", ownedBy: "o", created: 1, createdAt: "1970-01-01T00:00:01Z")]))
        == #"{"object":"list","data":[{"id":"a","object":"model","created":1,"owned_by":"o"}]}"#)
  }
}
