import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

/// Streams that a policy holds while every other stream flows.
@Suite(.serialized) struct HeldStreamTests {
  private static let classifier = """
    return { schema = { url = { type = "url" } }, segment = { unit = "word", wait = true },
      on_segment = function(s, text)
        s.n = (s.n or 0) + 1
        if s.n % 5 ~= 0 then return end
        local r, err = tide.http { url = CFG.url, body = text }
        if err then error(err.message) end
        if r.json.verdict == "cut" then return tide.cut { text = "[cut]" } end
        if r.json.verdict == "replace" then return "<" .. s.n .. ">" end
      end }
    """

  /// Lane hooks have no `cfg`; the address is put into the source.
  private static func policy(_ judge: Judge, _ source: String = classifier) -> [String: String] {
    ["classify": "local CFG = { url = \"\(judge.url)\" }\n" + source]
  }

  private static func bound(_ judge: Judge, _ more: String = "") -> String {
    GatewayHarness.plain("policies: [ { use: classify, config: { url: \"\(judge.url)\" }\(more) } ]")
  }

  @Test(arguments: [HTTPVersionChoice.http2, .http1])
  func aSlowClassifierHoldsItsOwnStream(_ version: HTTPVersionChoice) throws {
    let judge = Judge(#"{"verdict":"pass"}"#)
    let gateway = try GatewayHarness(
      Self.bound(judge, ", when: { header: { x-judge: \"1\" } }"), policies: Self.policy(judge), client: version)
    let held = gateway.client.chat(model: "lorem-60", headers: [("x-judge", "1")])
    judge.questions.wait { $0.count == 1 }
    if version == .http2 {
      // Fifty streams run from beginning to end while the held one stands still.
      let others = (0..<50).map { _ in gateway.client.chat(model: "lorem-60") }
      for other in others { #expect(other.finish() == .whole && other.isDone) }
      // The fifth word is being judged; the four before it may or may not have arrived when the question had.
      #expect("Lorem ipsum dolor sit ".hasPrefix(held.content), "\(held.content)")
      #expect(held.state.current.end == nil)
    }
    judge.release(1_000)
    #expect(held.finish() == .whole && held.isDone)
    #expect(judge.questions.current.count >= 10)
    judge.stop()
    gateway.stop()
  }

  @Test(arguments: [true, false])
  func nothingIsLostOrJudgedTwice(streams: Bool) throws {
    let judge = Judge(#"{"verdict":"replace"}"#)
    judge.release(10_000)
    let gateway = try GatewayHarness(Self.bound(judge), policies: Self.policy(judge))
    let plain = try GatewayHarness()
    let judged = gateway.client.chat(model: "lorem-40", stream: streams)
    let unjudged = plain.client.chat(model: "lorem-40", stream: streams)
    judged.finish()
    unjudged.finish()
    let words = Self.text(unjudged, streams).split(separator: " ")
    let expected = words.enumerated().map { index, word in
      (index + 1) % 5 == 0 ? "<\(index + 1)>" + word.drop { $0.isLetter } : String(word)
    }
    #expect(Self.text(judged, streams).split(separator: " ").map(String.init) == expected)
    #expect(words.count == 40)
    #expect(judge.questions.current.count == words.count / 5)
    judge.stop()
    gateway.stop()
    plain.stop()
  }

  private static func text(_ call: Call, _ streams: Bool) -> String {
    if streams { return call.content }
    let marker = "\"content\":\""
    guard let start = call.text.firstRange(of: marker) else { return "" }
    return String(call.text[start.upperBound...].prefix { $0 != "\"" })
  }

  @Test func aVerdictCutsTheStream() throws {
    let judge = Judge(#"{"verdict":"cut"}"#)
    let gateway = try GatewayHarness(Self.bound(judge), policies: Self.policy(judge))
    let call = gateway.client.chat(model: "lorem-100000")
    judge.questions.wait { $0.count == 1 }
    judge.release(1)
    #expect(call.finish() == .whole && call.isDone)
    #expect(call.content.hasSuffix("[cut]"))
    #expect(call.text.contains("content_filter"))
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 1 })
    judge.stop()
    #expect(gateway.stop().outcomes == ["cut"])
  }

  @Test func aClientThatLeavesEndsTheCall() throws {
    let judge = Judge()
    let gateway = try GatewayHarness(Self.bound(judge), policies: Self.policy(judge))
    let call = gateway.client.chat(model: "lorem-100000")
    judge.questions.wait { $0.count == 1 }
    gateway.client.cancel(call)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 && gateway.engine.cancelledStreams == 1 })
    judge.release(1)
    #expect(judge.gone.wait { $0 == 1 })
    judge.stop()
    #expect(gateway.stop().outcomes == ["client_left"])
  }

  @Test(arguments: [("cut", "cut"), ("skip", "complete")])
  func aClassifierThatIsDownActsAsFailureSays(action: String, outcome: String) throws {
    let judge = Judge()
    judge.stop()
    let gateway = try GatewayHarness(
      Self.bound(judge, ", failure: { on_segment: \(action) }"), policies: Self.policy(judge))
    let call = gateway.client.chat(model: "lorem-20")
    #expect(call.finish() == .whole && call.isDone)
    #expect(gateway.stop().outcomes == [outcome])
  }

  @Test(arguments: [true, false])
  func theEndOfAnAnswerWaits(streams: Bool) throws {
    let judge = Judge()
    let gateway = try GatewayHarness(
      Self.bound(judge),
      policies: Self.policy(
        judge,
        """
        return { schema = { url = { type = "url" } },
          on_response_end = function(ctx, cfg)
            local r = tide.http { url = cfg.url, body = tostring(ctx.usage.total) }
            if r.json.ok then return tide.cut { reason = "content_filter", text = " The end." } end
          end }
        """))
    let call = gateway.client.chat(model: "lorem-10", stream: streams)
    judge.questions.wait { $0.count == 1 }
    #expect(call.state.current.end == nil)
    #expect(!call.text.contains("finish_reason\":\"stop"))
    judge.release(1)
    call.finish()
    if streams {
      #expect(call.isDone && call.content.hasSuffix(" The end."))
      #expect(call.text.contains("content_filter"))
    } else {
      #expect(call.status == 403)
    }
    judge.stop()
    gateway.stop()
  }
}
