import Testing
import TideCore
import TideDialects

@testable import TidePolicy

@Suite struct LaneTests {
  private func answer(_ sources: [(String, String)], _ deltas: [String]) throws -> (text: String, steps: [LaneStep]) {
    let fixture = try PolicyFixture(sources)
    var driver = LaneDriver(try #require(fixture.run().lanes))
    _ = driver.answer(deltas)
    #expect(fixture.services.log.isEmpty, "\(fixture.services.log)")
    return (driver.text, driver.steps)
  }

  @Test func tokensPassAreReplacedOrDropped() throws {
    let policy = """
      return { on_token = function(s, text) if text == "b" then return "B" elseif text == "c" then return "" end end }
      """
    #expect(try answer([("p", policy)], ["a", "b", "c", "d"]).text == "aBd")
  }

  @Test func laneStateAndLaneFields() throws {
    let policy = """
      return { channels = { "text", "reasoning" },
        on_lane = function(ctx, cfg, lane) return { n = 0, name = lane.channel .. lane.choice } end,
        on_token = function(s, text) s.n = s.n + #text end,
        on_lane_end = function(s, lane) return "[" .. s.name .. s.n .. lane.channel .. "]" end }
      """
    let fixture = try PolicyFixture([("p", policy)])
    let processor = try #require(fixture.run().lanes)
    #expect(processor.channels == [.text, .reasoning])
    var driver = LaneDriver(processor)
    driver.delta("ab")
    driver.delta("x", channel: .reasoning)
    driver.delta("c", choice: 1)
    driver.delta("d")
    driver.end()
    driver.end(channel: .reasoning)
    driver.end(choice: 1)
    #expect(driver.text == "abxcd[text03text][reasoning01reasoning][text11text]")
  }

  @Test func policiesRunLastToFirst() throws {
    let first =
      "return { segment = { unit = 'word' }, on_segment = function(s, w) if w == 'two' then return 'three' end end, on_lane_end = function() return ' end1' end }"
    let last =
      "return { segment = { unit = 'word' }, on_segment = function(s, w) if w == 'one' then return 'two' end end, on_lane_end = function() return ' one two' end }"
    #expect(
      try answer([("a", first), ("b", last)], ["o", "ne two", " one"]).text == "three three three one three end1")
    #expect(try answer([("b", last), ("a", first)], ["o", "ne two", " one"]).text == "two three two end1 one two")
  }

  @Test func tokenThenSegmentInOnePolicy() throws {
    let policy = """
      return { segment = { unit = 'word' }, on_token = function(s, text) return text:gsub('x', 'y') end,
        on_segment = function(s, w) if w == 'yes' then return 'no' end end }
      """
    #expect(try answer([("p", policy)], ["x", "es, xe"]).text == "no, ye")
  }

  @Test func aCutReleasesWhatLaterStagesHold() throws {
    let cutter =
      "return { on_token = function(s, text) if text:find('stop', 1, true) then return tide.cut { reason = 'length', text = '...' } end end }"
    let words = "return { segment = { unit = 'word' }, on_segment = function(s, w) return '<' .. w .. '>' end }"
    let fixture = try PolicyFixture([("words", words), ("cutter", cutter)])
    let processor = try #require(fixture.run().lanes)
    var driver = LaneDriver(processor)
    #expect(driver.answer(["one tw", "o", "stop", "never"]) == "<one> <two>...")
    #expect(driver.steps == [.cut])
    #expect(processor.cut == LaneCut(finishReason: "length"))
    #expect(processor.hasCut)
  }

  /// What a policy says for its last word is text of the answer: those bound before it see it, as they see its replacements.
  @Test(arguments: ["on_token", "on_segment", "filters"]) func theTextOfACutPassesThePoliciesBoundBefore(
    _ hook: String
  ) throws {
    let cut = "return tide.cut { reason = 'stop', text = ' ask bob@example.com' }"
    let cutter =
      switch hook {
      case "on_token": "return { on_token = function(s, text) if text:find('stop') then \(cut) end end }"
      case "on_segment":
        "return { segment = { unit = 'word' }, on_segment = function(s, w) if w == 'stop' then \(cut) end end }"
      default: "return { filters = { tide.filter.block { patterns = { 'stop' }, on_match = function() \(cut) end } } }"
      }
    let mask = "return { filters = { tide.filter.mask { kinds = { 'email' } } } }"
    let fixture = try PolicyFixture([("mask", mask), ("cutter", cutter)])
    let processor = try #require(fixture.run().lanes)
    var driver = LaneDriver(processor)
    #expect(driver.answer(["one ", "stop", " now"]) == "one  ask [email]")
    #expect(driver.steps == [.cut])
    #expect(processor.cut == LaneCut(finishReason: "stop"))
    // The policy that cuts is not asked about its own words, nor is one that is bound behind it.
    let behind = try PolicyFixture([("cutter", cutter), ("mask", mask)])
    var other = LaneDriver(try #require(behind.run().lanes))
    #expect(other.answer(["one ", "stop", " now"]) == "one  ask bob@example.com")
  }

  @Test func aCutInTheMiddleOfABatchKeepsWhatCameBefore() throws {
    let policy =
      "return { segment = { unit = 'word' }, on_segment = function(s, w) if w == 'bad' then return tide.cut{} end return w:upper() end }"
    let result = try answer([("p", policy)], ["all is bad now"])
    #expect(result.text == "ALL IS ")
    #expect(result.steps == [.cut])
  }

  @Test func everyUnitIsServed() throws {
    func policy(_ unit: String) -> String {
      "return { segment = { unit = \(unit) }, on_segment = function(s, t) return '<' .. t .. '>' end }"
    }
    let text = ["One. T", "wo is two.\nThr", "ee"]
    #expect(try answer([("p", policy("'sentence'"))], text).text == "<One.> <Two is two.>\n<Three>")
    #expect(try answer([("p", policy("'line'"))], text).text == "<One. Two is two.>\n<Three>")
    #expect(try answer([("p", policy("'lane'"))], text).text == "<One. Two is two.\nThree>")
    #expect(try answer([("p", policy("8"))], text).text == "<One. Two>< is two.><\nThree>")
  }

  @Test func invalidTextFromAScriptIsRepaired() throws {
    let policy = "return { on_token = function(s, text) return text .. '\\xff' end }"
    #expect(try answer([("p", policy)], ["a"]).text == "a\u{FFFD}")
  }

  @Test func otherChannelsPassUnseen() throws {
    let fixture = try PolicyFixture([
      ("p", "return { on_token = function() return 'x' end }"),
      ("q", "return { channels = { 'reasoning' }, on_token = function() return 'y' end }"),
    ])
    var driver = LaneDriver(try #require(fixture.run().lanes))
    driver.delta("a")
    driver.delta("b", channel: .reasoning)
    #expect(driver.text == "xy")
  }

  @Test func noLaneHooksMeansNoProcessor() throws {
    #expect(try PolicyFixture([("p", "return { on_request = function() end }")]).run().lanes == nil)
  }

  @Test func contextIsReadOnlyInLaneHooks() throws {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { on_lane = function(ctx) return { ctx = ctx } end, on_token = function(s) s.ctx.prompt.system = "x" end }
        """
      )
    ])
    var driver = LaneDriver(try #require(fixture.run().lanes))
    driver.delta("a")
    #expect(fixture.services.log.first?.message.contains("ctx.prompt.system is read-only in on_token") == true)
  }
}
