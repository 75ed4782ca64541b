import TideCore
import TideHTTP
import Testing

@testable import TideEngine

/// The engine's answers over real loopback connections, the same over both versions of HTTP.
@Suite struct EngineAnswerTests {
  static let versions: [HTTPVersionChoice] = [.http1, .http2]

  private func with(
    _ version: HTTPVersionChoice, _ settings: EngineSettings = EngineSettings(intervalMicroseconds: 100),
    _ body: (EngineClient) throws -> Void
  ) throws {
    let engine = Engine(settings)
    let address = try engine.start()
    let client = EngineClient(address, version)
    try body(client)
    engine.stop()
  }

  private func request(_ model: String, _ more: String = "", text: String = "one two three") -> String {
    #"{"model":"\#(model)","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"\#(text)"}]\#(more)}"#
  }

  /// The chunks of a stream as JSON, each checked to be a whole one, the terminal marker left out.
  private func chunks(_ answer: SeenAnswer) throws -> [JSONValue] {
    try answer.events.filter { $0 != "[DONE]" }.map { try #require(JSONValue($0), "\($0)") }
  }

  private func content(_ chunks: [JSONValue], _ index: Int = 0, _ key: String = "content") -> String {
    chunks.compactMap { chunk in
      guard let choice = chunk["choices"]?[0], choice["index"]?.integer == index else { return nil }
      return choice["delta"]?[key]?.string
    }.joined()
  }

  private func finishReasons(_ chunks: [JSONValue]) -> [String] {
    chunks.compactMap { $0["choices"]?[0]?["finish_reason"]?.string }
  }

  @Test(arguments: versions) func echoStreamsTheLastUserMessage(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let answer = client.post(request("echo", #","stream":true"#, text: #"Hé \"you\"\nthere 🌊"#))
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "text/event-stream; charset=utf-8")
      #expect(answer.events.last == "[DONE]")
      let chunks = try chunks(answer)
      #expect(chunks.first?["choices"]?[0]?["delta"]?["role"]?.string == "assistant")
      #expect(content(chunks) == "Hé \"you\"\nthere 🌊")
      #expect(finishReasons(chunks) == ["stop"])
      #expect(Set(chunks.compactMap { $0["id"]?.string }).count == 1)
      #expect(chunks.allSatisfy { $0["object"]?.string == "chat.completion.chunk" && $0["model"]?.string == "echo" })
      #expect(chunks.allSatisfy { $0["usage"] == nil && $0["due"] == nil })
    }
  }

  @Test(arguments: versions) func usageIsTheLastChunkWhenAskedFor(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let answer = client.post(
        request("lorem-5-reasoning", #","stream":true,"n":2,"stream_options":{"include_usage":true}"#))
      let chunks = try chunks(answer)
      let thoughts = TokenText.reasoning.count
      for index in 0..<2 {
        #expect(content(chunks, index) == "Lorem ipsum dolor sit amet,")
        #expect(content(chunks, index, "reasoning_content") == "The user wants an answer, so I shall give one.")
      }
      #expect(finishReasons(chunks) == ["stop", "stop"])
      let last = try #require(chunks.last)
      #expect(last["choices"]?.count == 0)
      // Five words in all messages; both choices count.
      #expect(last["usage"]?["prompt_tokens"]?.integer == 5)
      #expect(last["usage"]?["completion_tokens"]?.integer == 2 * (5 + thoughts))
      #expect(last["usage"]?["total_tokens"]?.integer == 5 + 2 * (5 + thoughts))
      #expect(last["usage"]?["completion_tokens_details"]?["reasoning_tokens"]?.integer == 2 * thoughts)
      #expect(chunks.dropLast().allSatisfy { $0["usage"] == .null })
    }
  }

  @Test(arguments: versions) func wholeAnswers(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let answer = client.post(request("echo", #","n":2,"max_tokens":2"#))
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "application/json")
      let json = try #require(JSONValue(answer.text))
      #expect(json["choices"]?.count == 2)
      #expect(json["choices"]?[1]?["message"]?["content"]?.string == "one two")
      #expect(json["choices"]?[1]?["finish_reason"]?.string == "length")
      #expect(json["usage"]?["completion_tokens"]?.integer == 4)
    }
  }

  @Test(arguments: versions) func maxTokensCutsAStream(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let chunks = try chunks(client.post(request("lorem-100", #","stream":true,"max_completion_tokens":3"#)))
      #expect(content(chunks) == "Lorem ipsum dolor")
      #expect(finishReasons(chunks) == ["length"])
    }
  }

  @Test(arguments: versions) func scriptComesFromSettingsOrHeader(_ version: HTTPVersionChoice) throws {
    try with(version, EngineSettings(mode: .scripted, intervalMicroseconds: 0, script: ["a \"b\"", "c"])) { client in
      let streamed = try chunks(client.post(request("gpt-4o", #","stream":true"#)))
      #expect(content(streamed) == "a \"b\"\nc")
      let answer = client.post(request("gpt-4o"), headers: [("x-engine-script", "from the header")])
      #expect(JSONValue(answer.text)?["choices"]?[0]?["message"]?["content"]?.string == "from the header")
    }
  }

  @Test(arguments: versions) func toolCallsComeInPieces(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let tools = #","tools":[{"type":"function","function":{"name":"weather","parameters":{}}}]"#
      let streamed = try chunks(client.post(request("tool-call", tools + #","stream":true"#)))
      let calls = streamed.compactMap { $0["choices"]?[0]?["delta"]?["tool_calls"]?[0]?["function"] }
      #expect(calls.first?["name"]?.string == "weather")
      #expect(calls.count > 3)
      let arguments = calls.compactMap { $0["arguments"]?.string }.joined()
      #expect(JSONValue(arguments)?["location"]?.string == "Rotterdam")
      #expect(finishReasons(streamed) == ["tool_calls"])
      let whole = try #require(JSONValue(client.post(request("tool-call", tools)).text))
      #expect(
        whole["choices"]?[0]?["message"]?["tool_calls"]?[0]?["function"]?["arguments"]?.string == arguments)
      #expect(whole["choices"]?[0]?["message"]?["content"] == .null)
      // Without tools there is nothing to call.
      let plain = try chunks(client.post(request("tool-call", #","stream":true"#)))
      #expect(content(plain) == "one two three")
    }
  }

  @Test(arguments: versions) func otherEndpoints(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let models = try #require(JSONValue(client.get("/v1/models").text))
      #expect(models["data"]?[0]?["id"]?.string == "echo")
      #expect(JSONValue(client.get("/v1/models/lorem").text)?["id"]?.string == "lorem")
      #expect(client.get("/v1/models/none").status == 404)
      let text = client.post(#"{"model":"echo","prompt":"a b","stream":true}"#, path: "/v1/completions")
      let pieces = try chunks(text).compactMap { $0["choices"]?[0]?["text"]?.string }
      #expect(pieces.joined() == "a b")
      let whole = client.post(#"{"model":"echo","prompt":["a b"]}"#, path: "/v1/completions")
      #expect(JSONValue(whole.text)?["choices"]?[0]?["text"]?.string == "a b")
      let vectors = client.post(#"{"model":"e","input":["a","b"]}"#, path: "/v1/embeddings")
      #expect(JSONValue(vectors.text)?["data"]?.count == 2)
      #expect(JSONValue(vectors.text)?["data"]?[1]?["embedding"]?.count == 8)
      let missing = client.post("{}", path: "/v1/audio/speech")
      #expect(missing.status == 404)
      #expect(JSONValue(missing.text)?["error"]?["code"]?.string == "unknown_url")
    }
  }

  @Test(arguments: versions) func wrongBodiesAreRefused(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      for body in [
        "", "{", "[]", #"{"model":3}"#, #"{"n":0}"#, #"{"n":1e3}"#, #"{"max_tokens":-1}"#, #"{"messages":{}}"#,
      ] {
        let answer = client.post(body)
        #expect(answer.status == 400, "\(body)")
        #expect(JSONValue(answer.text)?["error"]?["type"]?.string == "invalid_request_error")
      }
      let small = EngineSettings(bodyBytes: 10)
      try with(version, small) { client in #expect(client.post(request("echo")).status == 413) }
    }
  }

  @Test(arguments: versions) func dueInstantsRiseByTheInterval(_ version: HTTPVersionChoice) throws {
    try with(version, EngineSettings(intervalMicroseconds: 250)) { client in
      let before = MonotonicTime.now().nanoseconds
      let answer = client.post(request("lorem-20", #","stream":true"#), headers: [("x-engine-due", "1")])
      let due = try chunks(answer).compactMap { $0["due"]?.integer }
      #expect(due.count == 20)
      #expect(zip(due, due.dropFirst()).allSatisfy { $1 - $0 == 250_000 })
      // The worker's clock is read once a turn, so that the first beat may seem to precede its request by a turn.
      #expect(due[0] > Int(before) - 1_000_000_000 && due[0] <= Int(MonotonicTime.now().nanoseconds))
    }
  }

  @Test(arguments: versions) func largeBurstsWaitForRoom(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let chunks = try chunks(client.post(request("lorem-5000-burst", #","stream":true"#)))
      let words = content(chunks).split(separator: " ").count
      #expect(words == 5000)
      #expect(finishReasons(chunks) == ["stop"])
    }
  }

  @Test(arguments: versions) func lastRequestIsShownAsItCame(_ version: HTTPVersionChoice) throws {
    try with(version) { client in
      let body = request("echo", text: "tell me")
      _ = client.post(body, headers: [("x-one", "1"), ("x-one", "2")])
      let last = try #require(JSONValue(client.get("/engine/last").text))
      #expect(last["path"]?.string == "/v1/chat/completions")
      #expect(last["version"]?.string == (version == .http2 ? "h2" : "http/1.1"))
      #expect(last["body"]?.string == body)
      guard case .array(let headers)? = last["headers"] else { throw Missing.headers }
      #expect(headers.filter { $0[0]?.string == "x-one" }.compactMap { $0[1]?.string } == ["1", "2"])
    }
  }

  private enum Missing: Error { case headers }
}
