import TideCore
import Testing

@testable import TideDialects

/// Answers that are not streamed, in the dialects beside Chat Completions.
@Suite struct BodyTests {
  func run(_ dialect: Dialect, _ body: String, _ processor: LaneProcessor?) -> BodyOutcome {
    AnswerBody(dialect, options: ChatStreamOptions(processor: processor)).transform(bytes(body))
  }

  static func message(_ content: String, reason: String = "end_turn") -> String {
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\", \"content\":[\(content)],\"model\":\"m\",\"stop_reason\":\"\(reason)\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":2,\"output_tokens\":3}}"
  }

  static let signed = #"{"type":"thinking","thinking":"my secret","signature":"c2ln"}"#
  static let said = #"{"type":"text","text":"a secret \u00e9"}"#
  static let tool = #"{"type":"tool_use","id":"t","name":"f","input":{"q": "secret"}}"#

  @Test func messagesRunThroughTheSameLanes() {
    let body = Self.message([Self.signed, Self.said, Self.tool].joined(separator: ", "), reason: "tool_use")
    let same = AnswerBody(.anthropic, options: ChatStreamOptions(processor: RecordingProcessor()))
    #expect(same.transform(bytes(body)) == .body(bytes(body)))
    #expect(same.usage == TokenUsage(prompt: 7, completion: 3, cached: 2))
    #expect(same.finishReasons == [FinishReason(choice: 0, reason: "tool_use")])
    #expect(run(.anthropic, body, nil) == .body(bytes(body)))
    // Signed thinking that a policy would change is dropped, and its comma with it.
    let edited = Self.message(
      [Self.said.replacing(#"secret \u00e9"#, with: "[x] é"), Self.tool].joined(separator: ", "), reason: "tool_use")
    #expect(run(.anthropic, body, WordReplacer()) == .body(bytes(edited)))
    let arguments = Self.message(
      [Self.said.replacing(#"secret \u00e9"#, with: "[x] é"), Self.tool.replacing("secret", with: "[x]")]
        .joined(separator: ", "), reason: "tool_use")
    #expect(run(.anthropic, body, ArgumentReplacer()) == .body(bytes(arguments)))
    let breaker = ArgumentReplacer()
    breaker.breaksJSON = true
    #expect(run(.anthropic, body, breaker) == .failed(.policy))
    #expect(run(.anthropic, Self.message(Self.said), Dropper()) == .body(bytes(Self.message(""))))
    #expect(run(.anthropic, "{", RecordingProcessor()) == .failed(.malformed))
    #expect(run(.anthropic, "{", nil) == .body(bytes("{")))
    let twice = #"{"content":[{"type":"text","text":"a","text":"b"}]}"#
    #expect(run(.anthropic, twice, RecordingProcessor()) == .failed(.malformed))
  }

  @Test func aCutMessageEndsWithTheCut() {
    let stop = #"{"type":"text","text":"STOP"}"#
    let body = Self.message([Self.said, stop, Self.tool].joined(separator: ","), reason: "tool_use")
    let cut = Self.message(
      Self.said + #",{"type":"text","text":" [cut]"}"#, reason: "refusal")
    #expect(run(.anthropic, body, Cutter()) == .cut(bytes(cut)))
    let thinking = Self.message(Self.signed.replacing("secret", with: "STOP") + "," + Self.said)
    #expect(
      run(.anthropic, thinking, Cutter())
        == .cut(bytes(Self.message(#"{"type":"text","text":" [cut]"}"#, reason: "refusal"))))
  }

  static func response(_ output: String, status: String = "completed", more: String = "") -> String {
    "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"\(status)\",\"incomplete_details\":null, \"output\":[\(output)]\(more),\"usage\":{\"input_tokens\":5,\"output_tokens\":3,\"total_tokens\":8,\"input_tokens_details\":{\"cached_tokens\":2}}}"
  }

  static let annotated = ResponsesTranscripts.part(
    "abc secret end",
    annotations:
      #"{"type":"url_citation","start_index":0,"end_index":3},{"type":"file_citation","index":12},{"type":"odd"}"#,
    logprobs: #"{"token":"abc"}"#)
  static let call = #"{"type":"function_call","call_id":"c","name":"f","arguments":"{\"q\":\"secret\"}"}"#

  @Test func responsesRunThroughTheSameLanes() {
    let thought =
      #"{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"my secret"}],"encrypted_content":"x"}"#
    let output = [thought, ResponsesTranscripts.message(Self.annotated), Self.call].joined(separator: ",")
    let body = Self.response(output, more: #","output_text":"abc secret end""#)
    let same = AnswerBody(.responses, options: ChatStreamOptions(processor: RecordingProcessor()))
    #expect(same.transform(bytes(body)) == .body(bytes(body)))
    #expect(same.usage == TokenUsage(prompt: 5, completion: 3, cached: 2))
    #expect(same.finishReasons == [FinishReason(choice: 0, reason: "completed")])
    #expect(run(.responses, body, nil) == .body(bytes(body)))
    let edited = body.replacing("my secret", with: "my [x]").replacing("abc secret", with: "abc [x]")
      .replacing(#",{"type":"file_citation","index":12},{"type":"odd"}"#, with: "")
      .replacing(#"{"token":"abc"}"#, with: "")
    #expect(run(.responses, body, WordReplacer()) == .body(bytes(edited)))
    #expect(run(.responses, body, ArgumentReplacer()) == .body(bytes(edited.replacing("secret", with: "[x]"))))
    let breaker = ArgumentReplacer()
    breaker.breaksJSON = true
    #expect(run(.responses, body, breaker) == .failed(.policy))
    #expect(run(.responses, "[]", RecordingProcessor()) == .failed(.malformed))
    #expect(run(.responses, "[]", nil) == .body(bytes("[]")))
  }

  @Test func aCutResponseEndsWithTheCut() {
    let parts = ResponsesTranscripts.part("go ") + "," + ResponsesTranscripts.part("STOP") + ","
    let later = ResponsesTranscripts.part("later")
    let body = Self.response(
      ResponsesTranscripts.message(parts + later) + "," + Self.call, more: #","output_text":"go STOPlater""#)
    let cut = Self.response(
      ResponsesTranscripts.message(
        ResponsesTranscripts.part("go ") + "," + ResponsesTranscripts.part(" [cut]"), status: "incomplete"),
      status: "incomplete", more: #","output_text":"go  [cut]""#
    ).replacing(#""incomplete_details":null"#, with: #""incomplete_details":{"reason":"content_filter"}"#)
    #expect(run(.responses, body, Cutter()) == .cut(bytes(cut)))
    let refused = Self.response(
      ResponsesTranscripts.message(#"{"type":"refusal","refusal":"STOP"}"#) + "," + Self.call)
    guard case .cut(let bytes) = run(.responses, refused, Cutter()) else {
      Issue.record("not cut")
      return
    }
    #expect(text(bytes).contains(#""refusal":"""#) && text(bytes).contains(#""text":" [cut]""#))
    #expect(JSONText.isValue(bytes) && !text(bytes).contains("function_call"))
  }

  @Test func ownAnswersAreReadAsAnUpstreams() {
    for dialect in Dialect.allCases {
      for (words, calls) in [
        ("a \"secret\"", [ChatAnswer.ToolCall(id: "c1", name: "f", arguments: #"{"a":1}"#)]), ("", []), ("secret", []),
        ("", [ChatAnswer.ToolCall(id: "c1", name: "f", arguments: "{}")]),
      ] {
        let answer = ChatAnswer(text: words, toolCalls: calls, id: "i", model: "m", created: 1)
        var stream = ByteQueue()
        answer.writeStream(dialect, includeUsage: true, into: &stream)
        for processor in [nil, WordReplacer()] {
          let result = TideDialectsTests.run(
            dialect, [UInt8](stream.readableBytes), ChatStreamOptions(processor: processor))
          #expect(result.progress == .complete)
          #expect(result.stream.finishReasons.count == 1)
          #expect(text(result.output).contains("secret") == (processor == nil && !words.isEmpty))
          if dialect == .anthropic { _ = ReadMessage(result.output) }
          if dialect == .responses { _ = ReadResponse(result.output) }
        }
        var body = ByteQueue()
        answer.writeBody(dialect, into: &body)
        let whole = AnswerBody(dialect, options: ChatStreamOptions(processor: RecordingProcessor()))
        #expect(whole.transform([UInt8](body.readableBytes)) == .body([UInt8](body.readableBytes)))
        #expect(whole.usageSource == .upstream && whole.finishReasons.count == 1)
      }
    }
  }

  @Test func errorsAndModelsLookLikeAnthropics() {
    #expect(
      text(ErrorShape.body(.anthropic, status: 401, message: "No \"key\".", type: "requests", requestID: "r"))
        == #"{"type":"error","error":{"type":"authentication_error","message":"No \"key\"."},"request_id":"r"}"#)
    #expect(
      text(ErrorShape.body(.anthropic, status: 400, message: "Full", type: "overloaded_error"))
        == #"{"type":"error","error":{"type":"overloaded_error","message":"Full"}}"#)
    #expect(
      text(ErrorShape.body(.responses, status: 404, message: "x"))
        == #"{"error":{"message":"x","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#)
    let model = ModelList.Model(id: "a", ownedBy: "o", created: 1, createdAt: "1970-01-01T00:00:01Z")
    #expect(
      text(ModelList.list([model], .anthropic))
        == #"{"data":[{"type":"model","id":"a","display_name":"a","created_at":"1970-01-01T00:00:01Z"}],"has_more":false,"first_id":"a","last_id":"a"}"#
    )
    #expect(
      text(ModelList.list([], .anthropic)) == #"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#)
  }

  @Test func mutatedBodiesNeverTrap() {
    var random = SeededNumbers(seed: 3)
    let bodies: [(Dialect, String)] = [
      (.anthropic, Self.message([Self.signed, Self.said, Self.tool].joined(separator: ", "))),
      (
        .responses,
        Self.response([ResponsesTranscripts.message(Self.annotated), Self.call].joined(separator: ","))
      ),
    ]
    for round in 0..<1500 {
      let (dialect, body) = bodies[round % 2]
      let input = mutated(body, &random)
      let processor = MessagesStreamTests.processors()[round % 7]
      let outcome = AnswerBody(dialect, options: ChatStreamOptions(processor: processor)).transform(input)
      switch outcome {
      case .body(let edited), .cut(let edited): if UTF8Text.validPrefix(input) { #expect(JSONText.isValue(edited)) }
      case .failed: break
      }
    }
  }
}

extension UTF8Text {
  fileprivate static func validPrefix(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { validPrefix($0) } == bytes.count
  }
}
