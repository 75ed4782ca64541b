import Testing
import TideCore
import TideDialects

@testable import TidePolicy

/// The words of a cut that was not made on a lane of text are text all the same: policies bound before see them.
@Suite struct LastWordsTests {
  private static let shouts = "return { on_token = function(s, t) return t:upper() end }"
  private static let waits = """
    return { segment = { unit = "lane", wait = true },
      on_segment = function(s, t) tide.sleep("1s") return "[" .. t .. "]" end }
    """
  private static func cuts(_ channel: String) -> String {
    "return { channels = { '\(channel)' }, on_token = function(s, t) if t == 'stop' then return tide.cut { text = 'see you' } end end }"
  }

  /// Reasoning that is cut, after some text.
  private static func cut(_ fixture: PolicyFixture, _ channel: Channel) throws -> (step: LaneStep, words: String) {
    let run = fixture.run()
    let lanes = try #require(run.lanes)
    var driver = LaneDriver(lanes)
    driver.delta("held")
    driver.delta("stop", channel: channel)
    return (driver.steps.last ?? .proceed, lanes.cut.text)
  }

  @Test(arguments: [("reasoning", Channel.reasoning), ("refusal", .refusal)])
  func onlyPoliciesBoundBeforeSeeThem(_ name: String, _ channel: Channel) throws {
    let before = try PolicyFixture([("a", Self.shouts), ("b", Self.cuts(name))])
    #expect(try Self.cut(before, channel) == (.cut, "SEE YOU"))
    let behind = try PolicyFixture([("a", Self.cuts(name)), ("b", Self.shouts)])
    #expect(try Self.cut(behind, channel) == (.cut, "see you"))
    let alone = try PolicyFixture([("a", Self.cuts(name))])
    #expect(try Self.cut(alone, channel) == (.cut, "see you"))
  }

  @Test func theyAreALaneOfTheirOwnFromItsBeginningToItsEnd() throws {
    let fixture = try PolicyFixture([
      (
        "a",
        """
        return { on_lane = function(ctx, cfg, lane) return { place = lane.channel .. lane.block } end,
          filters = { tide.filter.replace { words = { ["see"] = "meet" } } }, segment = { unit = "word" },
          on_segment = function(s, w) return w == "meet" and s.place .. ":" .. w or nil end,
          on_lane_end = function(s) return "." end }
        """
      ), ("b", Self.cuts("reasoning")),
    ])
    #expect(try Self.cut(fixture, .reasoning) == (.cut, "text1:meet you."))
  }

  @Test func aPolicyThatCutsThemHasTheLastWord() throws {
    let fixture = try PolicyFixture([
      ("a", Self.shouts),
      (
        "b",
        "return { on_token = function(s, t) if t:find('see') then return tide.cut { reason = 'stop', text = 'bye' } end end }"
      ),
      ("c", Self.cuts("reasoning")),
    ])
    let run = fixture.run()
    let lanes = try #require(run.lanes)
    var driver = LaneDriver(lanes)
    driver.delta("stop", channel: .reasoning)
    #expect(driver.steps == [.cut])
    #expect(lanes.cut == LaneCut(finishReason: "stop", text: "BYE"))
  }

  @Test func aPolicyThatCannotSeeThemKeepsThemBack() throws {
    let broken = "return { on_token = function(s, t) if t == 'see you' then error('x') end end }"
    let fixture = try PolicyFixture([("a", broken), ("b", Self.cuts("reasoning"))])
    #expect(try Self.cut(fixture, .reasoning) == (.cut, ""))
    // Before the first byte a failure may deny.
    let failing = try PolicyFixture(
      [("a", broken), ("b", Self.cuts("reasoning"))],
      bindings: [PolicyBinding(policy: "a", failure: ["on_token": .deny]), PolicyBinding(policy: "b")])
    let run = failing.run(stream: false)
    var driver = LaneDriver(try #require(run.lanes))
    driver.delta("stop", channel: .reasoning)
    #expect(driver.steps == [.fail])
  }

  @Test func theyWaitForAPolicyThatWaits() throws {
    let fixture = try WaitingFixture([("a", Self.waits), ("b", Self.shouts), ("c", Self.cuts("reasoning"))])
    let lanes = try #require(fixture.policies.run().lanes)
    var driver = LaneDriver(lanes)
    var isReady = false
    lanes.eventBegins(byteCount: 4)
    driver.delta("stop", channel: .reasoning)
    #expect(lanes.isWaiting && driver.steps == [.fail])
    lanes.onReady = { isReady = true }
    fixture.timers.advance(ms: 1_000)
    #expect(isReady && !lanes.isWaiting)
    lanes.eventBegins(byteCount: 4)
    driver.delta("stop", channel: .reasoning)
    #expect(driver.steps == [.fail, .cut])
    #expect(lanes.cut.text == "[SEE YOU]")
    lanes.eventEnded()
    #expect(lanes.lanes.count == 1, "the lane of the words is gone")
  }

  @Test func thoseOfTheAnswersEndAreSeenToo() throws {
    let ends = "return { on_response_end = function() return tide.cut { text = 'see you' } end }"
    for (sources, words) in [
      ([("a", Self.shouts), ("b", ends)], "SEE YOU"), ([("a", ends), ("b", Self.shouts)], "see you"),
      ([("a", ends)], "see you"),
    ] {
      let fixture = try PolicyFixture(sources)
      let lanes = try #require(fixture.run().lanes)
      var driver = LaneDriver(lanes)
      #expect(driver.answer(["hm"]).lowercased() == "hm")
      lanes.eventEnded()
      lanes.eventBegins(byteCount: 0)
      #expect(lanes.answerEnd(TokenUsage()) == .cut)
      #expect(lanes.cut.text == words)
    }
    let waiting = try WaitingFixture([("a", Self.waits), ("b", ends)])
    let lanes = try #require(waiting.policies.run().lanes)
    lanes.eventBegins(byteCount: 0)
    #expect(lanes.answerEnd(TokenUsage()) == .fail && lanes.isWaiting)
    var isReady = false
    lanes.onReady = { isReady = true }
    waiting.timers.advance(ms: 1_000)
    #expect(isReady)
    lanes.eventBegins(byteCount: 0)
    #expect(lanes.answerEnd(TokenUsage()) == .cut)
    #expect(lanes.cut.text == "[see you]")
  }

  /// A whole answer has its text behind the reasoning that was cut: the words take its place.
  @Test(arguments: [#""content":"never""#, #""content":null"#])
  func aWholeChatAnswerHasThem(_ content: String) throws {
    let fixture = try PolicyFixture([("a", Self.shouts), ("b", Self.cuts("reasoning"))])
    let run = fixture.run(stream: false)
    let body =
      #"{"choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"stop",\#(content)},"finish_reason":"stop"}]}"#
    let whole = ChatBody(options: ChatStreamOptions(processor: run.lanes))
    guard case .cut(let bytes) = whole.transform(Array(body.utf8)) else {
      Issue.record("not cut")
      return
    }
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains(#""content":"SEE YOU""#) && text.contains("content_filter"), "\(text)")
  }
}
