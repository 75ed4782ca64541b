import TideCore
import TideHTTP
import Testing

@testable import TideEngine

/// Responses and Messages: the same modes and faults as Chat Completions, in the words of each.
@Suite struct EngineDialectTests {
  static let responses = "/v1/responses"
  static let messages = "/v1/messages"

  private func with(_ body: (EngineClient) throws -> Void) throws {
    let engine = Engine(EngineSettings(intervalMicroseconds: 100))
    let client = EngineClient(try engine.start(), .http2)
    try body(client)
    engine.stop()
  }

  private func request(_ path: String, _ model: String, text: String = "one two three", more: String = "") -> String {
    path == Self.messages
      ? #"{"model":"\#(model)","max_tokens":999,"system":"Be brief.","messages":[{"role":"user","content":"\#(text)"}]\#(more)}"#
      : #"{"model":"\#(model)","instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"\#(text)"}]}]\#(more)}"#
  }

  private func post(
    _ client: EngineClient, _ path: String, _ model: String, text: String = "one two three", more: String = ""
  ) -> SeenAnswer {
    client.post(request(path, model, text: text, more: more), path: path)
  }

  /// The events of a stream as JSON; each name is its event's type.
  private func events(_ answer: SeenAnswer) throws -> [JSONValue] {
    #expect(answer.status == 200)
    let events = try answer.events.map { try #require(JSONValue($0), "\($0)") }
    let names = answer.text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { String($0.dropFirst(7)) }
    #expect(names == events.map { $0["type"]?.string })
    return events
  }

  private func types(_ events: [JSONValue]) -> [String] { events.compactMap { $0["type"]?.string } }

  /// What the deltas of a kind say together.
  private func text(_ events: [JSONValue], _ type: String, _ path: String...) -> String {
    events.filter { $0["type"]?.string == type }.compactMap { event in
      var value: JSONValue? = event
      for name in path { value = value?[name] }
      return value?.string
    }.joined()
  }

  @Test func responsesStream() throws {
    try with { client in
      let events = try events(post(client, Self.responses, "echo-reasoning", text: "a b", more: #","stream":true"#))
      #expect(types(events).first == "response.created" && types(events).last == "response.completed")
      #expect(events.enumerated().allSatisfy { $1["sequence_number"]?.integer == $0 })
      #expect(text(events, "response.output_text.delta", "delta") == "a b")
      let thought = "The user wants an answer, so I shall give one."
      #expect(text(events, "response.reasoning_summary_text.delta", "delta") == thought)
      #expect(text(events, "response.reasoning_summary_text.done", "text") == thought)
      let last = try #require(events.last?["response"])
      #expect(last["status"]?.string == "completed")
      #expect(last["output"]?[0]?["summary"]?[0]?["text"]?.string == thought)
      #expect(last["output"]?[1]?["content"]?[0]?["text"]?.string == "a b")
      #expect(last["usage"]?["input_tokens"]?.integer == 4)
      #expect(last["usage"]?["output_tokens"]?.integer == 2 + TokenText.reasoning.count)
      let short = try self.events(
        post(client, Self.responses, "lorem-9", more: #","stream":true,"max_output_tokens":2"#))
      #expect(types(short).last == "response.incomplete")
      #expect(short.last?["response"]?["incomplete_details"]?["reason"]?.string == "max_output_tokens")
      let empty = try self.events(post(client, Self.responses, "lorem-0", more: #","stream":true"#))
      #expect(types(empty).contains("response.output_text.done"))
    }
  }

  @Test func messagesStream() throws {
    try with { client in
      let events = try events(post(client, Self.messages, "echo-reasoning", text: "a b", more: #","stream":true"#))
      #expect(types(events).first == "message_start" && types(events).last == "message_stop")
      #expect(events[0]["message"]?["usage"]?["input_tokens"]?.integer == 4)
      #expect(text(events, "content_block_delta", "delta", "text") == "a b")
      #expect(
        text(events, "content_block_delta", "delta", "thinking") == "The user wants an answer, so I shall give one.")
      #expect(!text(events, "content_block_delta", "delta", "signature").isEmpty)
      let starts = events.filter { $0["type"]?.string == "content_block_start" }
      #expect(starts.compactMap { $0["index"]?.integer } == [0, 1])
      let end = try #require(events.dropLast().last)
      #expect(end["delta"]?["stop_reason"]?.string == "end_turn")
      #expect(end["usage"]?["output_tokens"]?.integer == 2 + TokenText.reasoning.count)
      #expect(types(events).contains("ping"))
    }
  }

  @Test func toolCalls() throws {
    let tools = #","tools":[{"name":"weather","input_schema":{}}]"#
    try with { client in
      for path in [Self.responses, Self.messages] {
        let events = try events(post(client, path, "tool-call", more: tools + #","stream":true"#))
        let arguments =
          path == Self.messages
          ? text(events, "content_block_delta", "delta", "partial_json")
          : text(events, "response.function_call_arguments.delta", "delta")
        #expect(JSONValue(arguments)?["location"]?.string == "Rotterdam")
        let whole = try #require(JSONValue(post(client, path, "tool-call", more: tools).text))
        if path == Self.messages {
          #expect(whole["content"]?[0]?["input"]?["location"]?.string == "Rotterdam")
          #expect(whole["stop_reason"]?.string == "tool_use")
        } else {
          #expect(whole["output"]?[0]?["arguments"]?.string == arguments)
          #expect(whole["output"]?[0]?["name"]?.string == "weather")
        }
      }
    }
  }

  @Test func wholeAnswers() throws {
    try with { client in
      let response = try #require(JSONValue(post(client, Self.responses, "echo").text))
      #expect(response["output"]?[0]?["content"]?[0]?["text"]?.string == "one two three")
      #expect(response["usage"]?["total_tokens"]?.integer == 8)
      let string = client.post(#"{"model":"echo","input":"just this"}"#, path: Self.responses)
      #expect(JSONValue(string.text)?["output"]?[0]?["content"]?[0]?["text"]?.string == "just this")
      let message = try #require(JSONValue(post(client, Self.messages, "echo-reasoning").text))
      #expect(message["content"]?[0]?["type"]?.string == "thinking")
      #expect(message["content"]?[1]?["text"]?.string == "one two three")
      let count = client.post(request(Self.messages, "echo"), path: "/v1/messages/count_tokens")
      #expect(JSONValue(count.text)?["input_tokens"]?.integer == 5)
    }
  }

  @Test func faults() throws {
    try with { client in
      for (path, end) in [(Self.responses, "response.completed"), (Self.messages, "message_stop")] {
        let ask = { (model: String) in self.post(client, path, model, more: #","stream":true"#) }
        #expect(ask("lorem-9-die-after-2").reset != nil)
        for fault in ["lorem-9-eof-after-2", "lorem-9-no-done"] {
          let answer = ask(fault)
          #expect(answer.reset == nil && answer.status == 200)
          #expect(!(try types(events(answer)).contains(end)))
        }
        let error = try #require(try events(ask("lorem-9-error-after-2")).last)
        #expect(error["type"]?.string == "error" && error["error"]?["message"]?.string != nil)
        #expect(ask("lorem-9-malformed-after-2").events.contains { JSONValue($0) == nil })
        #expect(post(client, path, "lorem-9-error-after-2").status == 500)
      }
    }
  }

  @Test func refusals() throws {
    try with { client in
      let full = post(client, Self.messages, "overloaded-retry-after-3")
      #expect(full.status == 529 && full.headers["retry-after"] == "3")
      #expect(JSONValue(full.text)?["error"]?["type"]?.string == "overloaded_error")
      #expect(JSONValue(full.text)?["type"]?.string == "error")
      let wrong = client.post("{", path: Self.messages)
      #expect(wrong.status == 400 && JSONValue(wrong.text)?["error"]?["type"]?.string == "invalid_request_error")
      let limited = post(client, Self.responses, "rate-limited")
      #expect(limited.status == 429)
      #expect(JSONValue(limited.text)?["error"]?["code"]?.string == "rate_limit_exceeded")
    }
  }
}
