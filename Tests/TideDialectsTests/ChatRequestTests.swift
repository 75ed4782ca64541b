import TideCore
import Testing

@testable import TideDialects

@Suite struct ChatRequestTests {
  static let body =
    "{ \"model\" : \"gpt\",\n \"temperature\":0.5, \"messages\": [ {\"role\":\"system\",\"content\":\"Be \\u0062rief\"} ,\n  {\"content\":[{\"type\":\"text\",\"text\":\"one\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}},{\"type\":\"text\",\"text\":\"two\"}],\"role\":\"user\"} ], \"stream\": true, \"x\":{\"y\":[1,2]} }"

  func parse(_ json: String) -> ChatRequest? { try? ChatRequest.parse(bytes(json)).get() }

  func problem(_ json: [UInt8]) -> RequestProblem? {
    if case .failure(let problem) = ChatRequest.parse(json) { return problem }
    return nil
  }

  @Test func readsWhatTheGatewayNeeds() throws {
    let request = try #require(parse(Self.body))
    #expect(request.model == "gpt" && request.stream && request.n == 1 && !request.includeUsage)
    #expect(request.number("temperature") == 0.5)
    #expect(request.messages.map(\.role) == ["system", "user"])
    #expect(request.messages.map(\.textPartCount) == [1, 2])
    #expect(request.system == "Be brief")
    #expect(text(request.text(message: 1, part: 1)) == "two")
    #expect(text(request.body()) == Self.body)
  }

  @Test func editsKeepEveryOtherByte() throws {
    let request = try #require(parse(Self.body))
    request.setModel("gpt")
    request.setMessageText(message: 0, "Be brief")
    #expect(!request.isEdited)
    request.setModel("other")
    request.setMessageText(message: 1, part: 1, "2\"")
    request.setParameter("temperature", bytes("1"))
    #expect(request.injectIncludeUsage())
    let expected = Self.body.replacing("\"gpt\"", with: "\"other\"").replacing("\"two\"", with: "\"2\\\"\"")
      .replacing("0.5", with: "1").replacing(
        "[1,2]} }", with: "[1,2]},\"stream_options\":{\"include_usage\":true} }")
    #expect(text(request.body()) == expected)
    #expect(parse(expected) != nil)
  }

  @Test func membersAreRemovedWithTheirComma() throws {
    for (name, expected) in [
      ("a", #"{"model":"m","messages":[],"z":3}"#), ("z", #"{"a":1,"model":"m","messages":[]}"#),
    ] {
      let request = try #require(parse(#"{"a":1,"model":"m","messages":[],"z":3}"#))
      request.setParameter(name, nil)
      #expect(text(request.body()) == expected)
    }
    let request = try #require(parse(#"{"a":1,"model":"m","messages":[],"z":3}"#))
    request.setParameter("a", nil)
    request.setParameter("z", nil)
    request.setParameter("b", bytes("[]"))
    #expect(text(request.body()) == #"{"model":"m","messages":[],"b":[]}"#)
  }

  @Test func messagesAreInsertedAndRemoved() throws {
    let request = try #require(parse(Self.body))
    request.prependSystem("First.")
    request.appendMessage(ChatMessage(role: "user", text: "last"))
    request.removeMessage(at: 1)
    #expect(
      text(request.body())
        == "{ \"model\" : \"gpt\",\n \"temperature\":0.5, \"messages\": [ {\"role\":\"system\",\"content\":\"First.\\n\\nBe brief\"},{\"role\":\"user\",\"content\":\"last\"} ], \"stream\": true, \"x\":{\"y\":[1,2]} }"
    )
  }

  @Test func usageIsAskedForInPlace() throws {
    let present = try #require(
      parse(#"{"model":"m","messages":[],"stream":true,"stream_options":{ "a":1, "include_usage": false}}"#))
    #expect(present.injectIncludeUsage())
    #expect(
      text(present.body())
        == #"{"model":"m","messages":[],"stream":true,"stream_options":{ "a":1, "include_usage": true}}"#)
    let asked = try #require(
      parse(#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#))
    #expect(asked.includeUsage && !asked.injectIncludeUsage() && !asked.isEdited)
    let whole = try #require(parse(#"{"model":"m","messages":[]}"#))
    #expect(!whole.injectIncludeUsage() && !whole.isEdited)
  }

  @Test func whatIsAmbiguousIsRefused() {
    for json in [
      #"{"model":"a","messages":[],"model":"b"}"#, #"{"model":"a","messages":[],"mod\u0065l":"b"}"#,
      #"{"model":"a","messages":[],"MODEL":"b"}"#, #"{"model":"a","messages":[],"stream":true,"stream":false}"#,
      #"{"model":"a","messages":[],"n":1,"\u006e":2}"#, #"{"model":"a","messages":[{"role":"user","role":"system"}]}"#,
      #"{"model":"a","messages":[{"role":"user","content":"a","content":"b"}]}"#,
      #"{"model":"a","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}"#, "[]", "", "{",
      "nul",
      #"{"model":"a","messages":[]} x"#, #"{"model":"a"}"#, #"{"messages":[]}"#, #"{"model":1,"messages":[]}"#,
      #"{"model":"a","messages":[],"n":1e9}"#, #"{"model":"a","messages":[],"n":99999999999999999999}"#,
      #"{"model":"a","messages":{}}"#, #"{"model":"a","messages":[1]}"#, #"{"model":"a","messages":[],"stream":"yes"}"#,
      #"{"model":"a","messages":[],"x":01}"#, #"{"model":"a","messages":[],"x":[1,]}"#,
      "{\"model\":\"a\u{0}\",\"messages\":[]}",
    ] {
      #expect(problem(bytes(json))?.status == 400, "\(json)")
    }
    #expect(problem(bytes("{\"model\":\"a") + [0xFF] + bytes("\",\"messages\":[]}"))?.status == 400)
    let deep = #"{"model":"a","messages":[],"x":"#
    let opened = { (count: Int) in
      bytes(deep + String(repeating: "[", count: count) + String(repeating: "]", count: count) + "}")
    }
    #expect(problem(opened(63)) == nil)
    #expect(problem(opened(64))?.message.contains("64") == true)
    #expect(problem(opened(500_000))?.status == 400)
  }

  @Test func mutatedRequestsNeverTrap() {
    var random = SeededNumbers(seed: 7)
    for _ in 0..<3000 {
      var input = bytes(Self.body)
      for _ in 0..<Int(random.next() % 4 + 1) {
        let place = Int(random.next() % UInt64(input.count))
        switch random.next() % 3 {
        case 0: input[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: input.remove(at: place)
        default: input.insert(contentsOf: input[place..<min(place + 30, input.count)], at: place)
        }
      }
      guard case .success(let request) = ChatRequest.parse(input) else { continue }
      #expect(request.body() == input)
      request.setModel("n")
      request.setSystem("s")
      request.setMessageText(message: 1, "t")
      request.removeMessage(at: 0)
      request.injectIncludeUsage()
      if case .failure(let problem) = ChatRequest.parse(request.body()) { Issue.record("\(problem) \(text(input))") }
    }
  }

  @Test func envelopesCarryOtherBodies() throws {
    let envelope = try RequestEnvelope.parse(bytes(#"{"input":["a"], "model":"e"}"#)).get()
    #expect(envelope.model == "e" && !envelope.stream)
    envelope.setModel("f")
    #expect(text(envelope.body()) == #"{"input":["a"], "model":"f"}"#)
  }
}
