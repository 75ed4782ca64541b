import Testing
import TideDialects

@testable import TideGateway

/// What `t.invariant` finds.
@Suite struct InvariantTests {
  /// Looks for a word in each delta, which may hold half of it.
  private static let chunkSensitive = """
    return { version = "1", api = 1, on_token = function(s, text) return (text:gsub("secret", "******")) end }
    """

  private func failure(_ policy: String, _ body: String) throws -> String {
    let failure = try #require(try PolicyTestFolder.run(policy, body).failure)
    let more = failure.evidence.logLines(isWhole: false) + failure.evidence.transcript(isWhole: false)
    return ([failure.message] + more).joined(separator: "\n")
  }

  @Test func aPolicyThatDependsOnChunksIsShownTheCut() throws {
    let said = try failure(
      Self.chunkSensitive,
      """
      local r = t.gateway { { use = "p" } }:chat { upstream = "no secret here" }
      t.eq(r.text, "no ****** here")
      t.invariant(r)
      """)
    #expect(said.contains("expected \"no ****** here\""))
    #expect(said.contains("but came \"no secret here\""))
    #expect(said.contains("way: openai, streamed, a delta for each byte"))
    #expect(said.contains("upstream sent:") && said.contains("client received (200):"))
    let cut = try failure(
      """
      return { version = "1", api = 1, on_token = function(s, text)
        if #text > 1 then return (text:gsub("secret", "******")) end
        s.held = (s.held or "") .. text
        if #s.held < 14 then return "" end
        return (s.held:gsub("secret", "******")) end }
      """,
      """
      local r = t.gateway { { use = "p" } }:chat { upstream = "no secret here" }
      t.invariant(r)
      """)
    #expect(cut.contains("text cut at byte"), "\(cut)")
    #expect(cut.contains("cut: \"no s|ecret here\"") || cut.contains("|"), "\(cut)")
  }

  @Test func aPolicyThatFailsInOneOfTheWaysIsQuoted() throws {
    let said = try failure(
      """
      return { version = "1", api = 1, on_token = function(s, text) if #text == 1 then error("too short") end end }
      """, "t.invariant(t.gateway { { use = 'p' } }:chat { upstream = 'well' })")
    #expect(said.contains("logged (error): policy p: on_token failed:") && said.contains("too short"))
  }

  /// The assertion first, then what the policy logged, then a dozen lines of what travelled; all of it when asked.
  @Test func whatHelpsComesFirst() throws {
    let folder = PolicyTestFolder([
      "p.lua": """
      return { version = "1", api = 1, on_token = function(s, text)
        if #text == 1 then error("too short") end end,
        on_log = function(ctx) ctx:log("info", "all told") end }
      """,
      "p_test.lua":
        "tide.test('it', function(t) t.invariant(t.gateway { { use = 'p' } }:chat { upstream = ('well '):rep(20) }) end)",
    ])
    let file = try #require(try folder.run().files.first)
    let brief = PolicyTestText.lines(of: file)
    let way = try #require(brief.firstIndex { $0.contains("way: ") || $0.contains("\n          way: ") })
    let logged = try #require(brief.firstIndex { $0.contains("logged (error): policy p: on_token failed:") })
    let sent = try #require(brief.firstIndex { $0.contains("upstream sent:") })
    #expect(way < logged && logged < sent)
    #expect(brief.count - sent <= 12)
    #expect(brief.allSatisfy { !$0.contains("all told") })
    let whole = PolicyTestText.lines(of: file, isVerbose: true)
    #expect(whole.count > brief.count && whole.contains { $0.contains("logged (info): all told") })
  }

  @Test func heldBytesThatAreLostAreFound() throws {
    let said = try failure(
      """
      return { version = "1", api = 1, on_token = function(s, text)
        local whole = (s.held or "") .. text
        s.held = whole:match("[^ ]*$")
        return whole:sub(1, #whole - #s.held) end }
      """,
      """
      local r = t.gateway { { use = "p" } }:chat { upstream = "one two " }
      t.eq(r.text, "one two ")
      t.invariant(r)
      local lost = t.gateway { { use = "p" } }:chat { upstream = "one two" }
      t.eq(lost.text, "one two")
      """)
    #expect(said.contains("but came \"one \""))
  }

  @Test func aPolicyForOneDialectIsFound() throws {
    let said = try failure(
      """
      return { version = "1", api = 1, on_lane_end = function(s, lane) return s.more end,
        on_lane = function(ctx) return { more = ctx.dialect == "anthropic" and "?" or "!" } end }
      """, "t.invariant(t.gateway { { use = 'p' } }:chat { upstream = 'well' })")
    #expect(said.contains("way: anthropic"))
    #expect(said.contains("expected \"well!\"") && said.contains("but came \"well?\""))
  }

  @Test func aPolicyThatCountsChoicesIsFound() throws {
    let said = try failure(
      """
      return { version = "1", api = 1, on_lane_end = function(s) local n = tide.shared.incr("n", 1) return " " .. n end }
      """, "t.invariant(t.gateway { { use = 'p' } }:chat { upstream = 'well' })")
    #expect(said.contains("n = 2"))
  }

  @Test func whatIsLeftOutIsNotRun() throws {
    let body = """
      local r = t.gateway { { use = "p" } }:chat { upstream = "no secret here" }
      t.invariant(r, { except = { "deltas", "reads", "lines", "breaks", "leaves" } })
      """
    let test = try PolicyTestFolder.run(Self.chunkSensitive, body)
    // Six ways: three dialects, streamed or not. Two choices add their own, one of them a delta a byte.
    #expect(test.failure?.message.contains("n = 2, ") == true || test.failure?.message.contains("n = 2") == true)
    let rest = try PolicyTestFolder.run(
      Self.chunkSensitive,
      body.replacing("\"leaves\"", with: "\"leaves\", \"choices\""))
    #expect(rest.failure == nil)
    #expect(rest.caseCount == 6)
  }

  @Test func aSoundPolicyPassesEverything() throws {
    let test = try PolicyTestFolder.run(
      """
      return { version = "1", api = 1, segment = { unit = "word" },
        on_segment = function(s, word) return word == "secret" and "******" or nil end }
      """,
      """
      local g = t.gateway { { use = "p" } }
      local r = g:chat { upstream = { chunks = { "no sec", "ret: é😀" }, tool_calls = { { name = "f", args = { a = 1 } } } } }
      t.eq(r.text, "no ******: é😀")
      t.invariant(r, { random = 2 })
      """)
    #expect(test.failure == nil, "\(test.failure?.message ?? "")")
    #expect(test.caseCount > 1_000)
  }

  // MARK: Readers

  private func breaches(_ text: String, _ dialect: Dialect) -> [String] {
    ReceivedAnswer(
      Array(text.utf8), dialect: dialect, status: 200, contentType: "text/event-stream", isWhole: true
    ).breaches
  }

  @Test func grammarsAreRead() {
    let delta = #"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"# + "\n\n"
    let finish = #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
    let done = "data: [DONE]\n\n"
    #expect(breaches(delta + finish + done, .openAI) == [])
    #expect(breaches(delta + done, .openAI) == ["the choice 0 has no finish_reason"])
    #expect(breaches(delta + finish, .openAI) == ["the stream ends without its terminal event and without an error"])
    #expect(breaches(delta + finish + delta + done, .openAI) == ["the choice 0 goes on after its finish_reason"])
    #expect(breaches(delta + finish + done + delta, .openAI).contains("an event follows the end"))
    #expect(
      breaches("data: {nonsense\n\n" + delta + finish + done, .openAI).first?.hasPrefix("an event is not JSON") == true)
    #expect(
      breaches(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        .anthropic)
        == ["message_stop comes without a stop_reason"])
    #expect(
      breaches("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n", .anthropic).count
        == 3)
    #expect(
      breaches(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"status\":\"completed\"}}\n\n",
        .responses) == ["the sequence number 2 follows 0"])
  }

  @Test func cutsLoseNothing() {
    let bytes = Array("abcdefghij".utf8)
    for reads in [Delivery.Reads.whole, .each(1), .each(3), .at(4), .random(seed: 7)] {
      #expect(Cutting.cut(bytes, reads).flatMap(\.self) == bytes)
      #expect(Cutting.cut(bytes, reads).allSatisfy { !$0.isEmpty })
    }
    #expect(Cutting.cut(bytes, Delivery.Reads.random(seed: 7)) == Cutting.cut(bytes, Delivery.Reads.random(seed: 7)))
  }
}
