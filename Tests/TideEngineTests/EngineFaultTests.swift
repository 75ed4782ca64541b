import TideCore
import TideHTTP
import Testing

@testable import TideEngine

/// What goes wrong on request, over both versions.
@Suite struct EngineFaultTests {
  static let versions: [HTTPVersionChoice] = [.http1, .http2]

  private func with(_ version: HTTPVersionChoice, _ body: (EngineClient, Engine) throws -> Void) throws {
    let engine = Engine(EngineSettings(intervalMicroseconds: 100))
    let client = EngineClient(try engine.start(), version)
    try body(client, engine)
    engine.stop()
  }

  private func request(_ model: String, isStream: Bool = true) -> String {
    #"{"model":"\#(model)","stream":\#(isStream),"messages":[{"role":"user","content":"x"}]}"#
  }

  private func tokenCount(_ answer: SeenAnswer) -> Int {
    answer.events.filter { ($0.range(of: #""content":""#) != nil) && !$0.contains("role") }.count
  }

  @Test(arguments: versions) func dieBreaksTheStreamAfterItsTokens(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      for count in [0, 1, 3, 10] {
        let answer = client.post(request("lorem-10-die-after-\(count)"))
        #expect(answer.status == 200)
        #expect(answer.reset != nil)
        #expect(tokenCount(answer) == count)
        #expect(!answer.text.contains("[DONE]") && !answer.text.contains(#""finish_reason":"stop""#))
      }
    }
  }

  @Test(arguments: versions) func dieBeforeHeadSendsNothing(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      let answer = client.post(request("die-before-head"))
      #expect(answer.status == 0)
      #expect(answer.reset != nil)
    }
  }

  @Test(arguments: versions) func eofEndsWithoutMarker(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      let answer = client.post(request("lorem-10-eof-after-4"))
      #expect(answer.reset == nil)
      #expect(tokenCount(answer) == 4)
      #expect(!answer.text.contains("[DONE]") && !answer.text.contains(#""finish_reason":"stop""#))
      let unmarked = client.post(request("lorem-2-no-done"))
      #expect(unmarked.reset == nil)
      #expect(unmarked.text.contains(#""finish_reason":"stop""#) && !unmarked.text.contains("[DONE]"))
    }
  }

  @Test(arguments: versions) func malformedEventThenTheRest(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      let answer = client.post(request("lorem-6-malformed-after-2"))
      #expect(answer.events.filter { $0 != "[DONE]" && JSONValue($0) == nil }.count == 1)
      #expect(answer.events.last == "[DONE]")
      #expect(tokenCount(answer) == 7)
    }
  }

  @Test(arguments: versions) func errorEventEndsTheStream(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      let answer = client.post(request("lorem-6-error-after-2"))
      #expect(answer.reset == nil)
      #expect(tokenCount(answer) == 2)
      let last = try #require(answer.events.last.flatMap { JSONValue($0) })
      #expect(last["error"]?["code"]?.string == "server_error")
    }
  }

  @Test(arguments: versions) func refusals(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      let limited = client.post(request("gpt-4o-rate-limited"))
      #expect(limited.status == 429)
      #expect(limited.headers["retry-after"] == "1")
      #expect(JSONValue(limited.text)?["error"]?["code"]?.string == "rate_limit_exceeded")
      #expect(client.post(request("overloaded")).status == 503)
      let faulty = client.post(request("gpt-4o"), headers: [("x-engine-faults", "status-401, retry-after-9")])
      #expect(faulty.status == 401)
      #expect(faulty.headers["retry-after"] == "9")
    }
  }

  @Test(arguments: versions) func faultsOfWholeAnswers(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      #expect(client.post(request("lorem-9-die-after-1", isStream: false)).reset != nil)
      #expect(client.post(request("lorem-9-error-after-1", isStream: false)).status == 500)
      let malformed = client.post(request("lorem-9-malformed-after-1", isStream: false))
      #expect(malformed.status == 200)
      #expect(JSONValue(malformed.text) == nil)
    }
  }

  @Test(arguments: versions) func slowFirstStillAnswers(_ version: HTTPVersionChoice) throws {
    try with(version) { client, _ in
      let before = MonotonicTime.now()
      #expect(tokenCount(client.post(request("lorem-2-slow-first-30"))) == 2)
      #expect(MonotonicTime.now().milliseconds(since: before) >= 29)
      #expect(client.post(request("lorem-2-slow-first-5", isStream: false)).status == 200)
    }
  }

  @Test(arguments: versions) func aStalledStreamSeesItsClientLeave(_ version: HTTPVersionChoice) throws {
    try with(version) { client, engine in
      let answer = client.post(request("lorem-9-stall-after-2"), leavingAfter: 3)
      #expect(tokenCount(answer) == 2)
      // The cancel travels after the client has been told; the next question is asked until it has arrived.
      while engine.cancelledStreams == 0 { _ = client.get("/engine/stats") }
      #expect(engine.activeStreams == 0)
      let stats = try #require(JSONValue(client.get("/engine/stats").text))
      #expect(stats["cancelled"]?.integer == 1)
      #expect(stats["requests"]?.integer == 1)
      #expect(stats["active_streams"]?.integer == 0)
    }
  }
}

extension String {
  /// Whether and where `part` stands in the string, without Foundation.
  fileprivate func range(of part: String) -> Range<String.Index>? { ranges(of: part).first }
}
