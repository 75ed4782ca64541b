import TideCore
import Testing

@testable import TideDialects

/// Requests in the dialects beside Chat Completions: read as the same prompt, written where the dialect keeps it.
@Suite struct DialectRequestTests {
  static let messages =
    #"{ "model":"claude", "max_tokens": 64, "system" : [{"type":"text","text":"Be brief","cache_control":{"type":"ephemeral"}}], "messages":[ {"role":"user","content":"Hi \u00e9"} , {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"from the tool"}]},{"type":"tool_result","tool_use_id":"u","content":"more"},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a page"}},{"type":"text","text":"go on"}]}], "tools":[{"name":"f","input_schema":{}}], "stop_sequences":["X"], "metadata":{"user_id":"u1"}, "stream":true }"#
  static let responses =
    #"{"model":"gpt","instructions":"Be brief","input":[ {"role":"user","content":"Hi"},{"type":"message","role":"user","content":[{"type":"input_text","text":"one"},{"type":"input_image","image_url":"x"}]}, {"type":"reasoning","id":"rs","summary":[],"encrypted_content":"e"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"from the tool"} ],"max_output_tokens":64,"tools":[{"type":"function","name":"f","parameters":{}},{"type":"web_search"}],"user":"u1","stream":false}"#

  func parse(_ json: String, _ dialect: Dialect) -> ChatRequest? { try? ChatRequest.parse(bytes(json), dialect).get() }

  @Test func messagesAreReadAsAPrompt() throws {
    let request = try #require(parse(Self.messages, .anthropic))
    #expect(request.model == "claude" && request.stream && request.n == 1 && request.maxTokens == 64)
    #expect(request.messages.map(\.role) == ["system", "user", "assistant", "user"])
    #expect(request.messages.map(\.textPartCount) == [1, 1, 0, 4])
    #expect(request.system == "Be brief")
    #expect(request.messages[1].text == "Hi é")
    #expect((0..<4).map { request.messages[3].role(ofPart: $0) } == ["tool", "tool", "user", "user"])
    #expect(request.messages[3].text == "from the tool\nmore\na page\ngo on")
    #expect(request.parameter("stop").map { text($0) } == #"["X"]"#)
    #expect(request.parameter("user").map { text($0) } == #""u1""#)
    #expect(!request.hasParameter("seed") && request.hasTools)
    #expect(!request.injectIncludeUsage())
    #expect(text(request.body()) == Self.messages)
  }

  @Test func responsesAreReadAsAPrompt() throws {
    let request = try #require(parse(Self.responses, .responses))
    #expect(request.model == "gpt" && !request.stream && request.maxTokens == 64)
    #expect(request.messages.map(\.role) == ["system", "user", "user", "assistant", "assistant", "tool"])
    #expect(request.messages.map(\.text) == ["Be brief", "Hi", "one", "", "", "from the tool"])
    #expect(request.parameter("user").map { text($0) } == #""u1""#)
    #expect(!request.hasParameter("stop"))
    #expect(text(request.body()) == Self.responses)
    #expect(parse(#"{"model":"m"}"#, .responses)?.messageCount == 0)
    #expect(parse(#"{"model":"m","input":null,"instructions":null}"#, .responses)?.messageCount == 0)
  }

  @Test func editsKeepEveryOtherByte() throws {
    let messages = try #require(parse(Self.messages, .anthropic))
    messages.setModel("other")
    messages.setSystem("Be long")
    messages.setMessageText(message: 3, part: 0, "[tool]")
    messages.setMessageText(message: 3, part: 3, "stop")
    messages.setParameter("max_tokens", bytes("65"))
    messages.setParameter("stop", bytes("\"Y\""))
    messages.setParameter("user", bytes("\"u2\""))
    #expect(
      text(messages.body())
        == Self.messages.replacing("claude", with: "other").replacing("Be brief", with: "Be long")
        .replacing("from the tool", with: "[tool]").replacing("go on", with: "stop").replacing(" 64", with: " 65")
        .replacing(#"["X"]"#, with: #"["Y"]"#).replacing("u1", with: "u2"))
    let responses = try #require(parse(Self.responses, .responses))
    responses.setSystem("Be long")
    responses.setMessageText(message: 2, "two")
    responses.setMessageText(message: 5, "[tool]")
    responses.setParameter("max_tokens", nil)
    #expect(!responses.setParameter("seed", bytes("1")) && responses.setParameter("seed", nil))
    #expect(!responses.setParameter("input", bytes("1")) && !responses.setParameter("instructions", nil))
    #expect(
      text(responses.body())
        == Self.responses.replacing("Be brief", with: "Be long").replacing("\"one\"", with: "\"two\"")
        .replacing("from the tool", with: "[tool]").replacing(#","max_output_tokens":64"#, with: ""))
  }

  @Test func theSystemPromptGoesWhereTheDialectKeepsIt() throws {
    let bare = #"{"model":"m","messages":[{"role":"user","content":"a"}]}"#
    let added = try #require(parse(bare, .anthropic))
    added.setSystem("S")
    #expect(text(added.body()) == bare.dropLast() + #","system":"S"}"#)
    #expect(added.system == "S")

    let joined = try #require(
      parse(#"{"system":"A","model":"m","messages":[{"role":"user","content":"a"}]}"#, .anthropic))
    joined.appendMessage(ChatMessage(role: "system", text: "B"))
    #expect(text(joined.body()) == #"{"system":"A\n\nB","model":"m","messages":[{"role":"user","content":"a"}]}"#)
    joined.removeMessage(at: 0)
    joined.removeMessage(at: 1)
    #expect(text(joined.body()) == #"{"model":"m","messages":[{"role":"user","content":"a"}]}"#)

    let blocks = try #require(parse(Self.messages, .anthropic))
    blocks.insertMessage(ChatMessage(role: "system", text: "First"), at: 0)
    #expect(
      text(blocks.body())
        == Self.messages.replacing(
          #"[{"type":"text","text":"Be"#, with: #"[{"type":"text","text":"First"},{"type":"text","text":"Be"#))

    let text1 = #"{"model":"m","input":"hi"}"#
    let input = try #require(parse(text1, .responses))
    input.prependSystem("S")
    #expect(text(input.body()) == #"{"model":"m","input":"hi","instructions":"S"}"#)
    input.setMessageText(message: 1, "ho")
    #expect(text(input.body()) == #"{"model":"m","input":"ho","instructions":"S"}"#)
    input.appendMessage(ChatMessage(role: "assistant", text: "x"))
    #expect(
      text(input.body())
        == #"{"model":"m","input":[{"role":"user","content":"ho"},{"role":"assistant","content":"x"}],"instructions":"S"}"#
    )
    let developer = try #require(
      parse(#"{"model":"m","input":[{"role":"developer","content":"D"}]}"#, .responses))
    developer.setSystem("S")
    #expect(text(developer.body()) == #"{"model":"m","input":[{"role":"developer","content":"S"}]}"#)
  }

  @Test func messagesAreInsertedAndRemoved() throws {
    let request = try #require(parse(Self.responses, .responses))
    request.removeMessage(at: 1)
    request.insertMessage(ChatMessage(role: "user", text: "new"), at: 1)
    #expect(
      text(request.body())
        == Self.responses.replacing(#"{"role":"user","content":"Hi"}"#, with: #"{"role":"user","content":"new"}"#))
    request.replaceMessages([])
    let body = text(request.body())
    #expect(JSONText.isValue(bytes(body)) && !body.contains("instructions") && !body.contains("function_call_output"))
  }

  @Test func whatIsAmbiguousIsRefused() {
    for json in [
      #"{"model":"a","messages":[],"model":"b"}"#, #"{"model":"a","messages":[],"\u006dodel":"b"}"#,
      #"{"model":"a","messages":[],"SYSTEM":"x","system":"y"}"#, #"{"model":"a"}"#, #"{"model":"a","messages":"x"}"#,
      #"{"model":"a","messages":[],"system":1}"#, #"{"model":"a","messages":[{"content":"x"}]}"#,
      #"{"model":"a","messages":[{"role":"user","content":"a","content":"b"}]}"#,
      #"{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#,
      #"{"model":"a","messages":[{"role":"user","content":[{"type":"text","type":"x","text":"b"}]}]}"#,
      #"{"model":"a","messages":[{"role":"user","content":[{"type":"tool_result","content":"a","content":"b"}]}]}"#,
      #"{"model":"a","messages":[],"stream":1}"#, #"{"model":"a","messages":[]"#, "",
    ] {
      #expect(throws: RequestProblem.self, "\(json)") { try ChatRequest.parse(bytes(json), .anthropic).get() }
    }
    for json in [
      #"{"model":"a","input":"x","input":"y"}"#, #"{"model":"a","Input":"x","input":"y"}"#,
      #"{"model":"a","input":7}"#, #"{"model":"a","input":[7]}"#, #"{"model":"a","input":[{"content":"x"}]}"#,
      #"{"model":"a","input":[{"type":"function_call_output","output":"a","output":"b"}]}"#,
      #"{"model":"a","input":[{"type":"message","type":"reasoning","role":"user","content":"x"}]}"#,
      #"{"model":"a","input":"x","instructions":"a","instructions":"b"}"#, #"{"input":"x"}"#,
    ] {
      #expect(throws: RequestProblem.self, "\(json)") { try ChatRequest.parse(bytes(json), .responses).get() }
    }
    let deep = { (count: Int) in
      bytes(
        #"{"model":"a","messages":[],"x":"# + String(repeating: "[", count: count)
          + String(repeating: "]", count: count) + "}")
    }
    #expect(throws: Never.self) { try ChatRequest.parse(deep(63), .anthropic).get() }
    #expect(throws: RequestProblem.self) { try ChatRequest.parse(deep(64), .anthropic).get() }
    #expect(throws: RequestProblem.self) {
      try ChatRequest.parse(bytes(#"{"model":"a"#) + [0xC3] + bytes(#"","input":""}"#), .responses).get()
    }
  }

  @Test func mutatedRequestsNeverTrap() {
    var random = SeededNumbers(seed: 13)
    for round in 0..<3000 {
      let dialect: Dialect = round % 2 == 0 ? .anthropic : .responses
      let input = mutated(dialect == .anthropic ? Self.messages : Self.responses, &random)
      guard case .success(let request) = ChatRequest.parse(input, dialect) else { continue }
      #expect(request.body() == input)
      request.setModel("n")
      request.setMessageText(message: 1, "t")
      request.setMessageText(message: 3, part: 1, "t")
      request.setSystem("s")
      request.removeMessage(at: 2)
      request.appendMessage(ChatMessage(role: "system", text: "end"))
      request.setParameter("user", bytes("\"x\""))
      if case .failure(let problem) = ChatRequest.parse(request.body(), dialect) {
        Issue.record("\(problem) \(text(input))")
      }
    }
  }
}
