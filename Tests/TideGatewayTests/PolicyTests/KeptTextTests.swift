import Testing

@testable import TideGateway
@testable import TidePolicy

/// `keep_text`: what the client got, for hooks that run when it has all of it.
@Suite struct KeptTextTests {
  private static let keeper = """
    return { keep_text = true,
      on_response_end = function(ctx) ctx:log("info", "end", { text = ctx.response.text }) end,
      on_log = function(ctx) ctx:log("info", "log", { text = ctx.response.text }) end }
    """

  private func passes(_ body: String, _ policy: String = keeper) throws {
    let test = try PolicyTestFolder.run(policy, body)
    #expect(test.failure == nil, "\(test.failure?.message ?? "")")
  }

  @Test func itIsTheSameInEveryDialectStreamedOrNot() throws {
    try passes(
      """
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        for _, stream in ipairs { true, false } do
          local g = t.gateway { { use = "p" } }
          local r = g:chat { dialect = dialect, stream = stream, upstream = { chunks = { "Grüße, ", "", "Welt", "." } } }
          t.eq(r.text, "Grüße, Welt.")
          t.eq(#r.logs, 2)
          for _, line in ipairs(r.logs) do t.eq(line.fields.text, r.text, dialect .. " " .. line.message) end
          t.invariant(r, { only = { "deltas", "reads", "lines" } })
        end
      end
      """)
  }

  @Test func itIsWhatOtherPoliciesLeft() throws {
    try passes(
      """
      local mask = "return { filters = { tide.filter.mask { kinds = { 'email' }, with = '[{kind}]' } } }"
      local g = t.gateway { { use = "p" }, { use = "mask", source = mask } }
      local r = g:chat { upstream = { chunks = { "to bob@exam", "ple.com or not" } } }
      t.eq(r.logs[1].fields.text, "to [email] or not")
      """)
  }

  /// An event whose hook waits is handled twice.
  @Test func whatWaitsIsKeptOnce() throws {
    try passes(
      """
      local judge = [[return { segment = { unit = "sentence", wait = true },
        on_segment = function(s, text) tide.sleep(50) if text:find("bad") then return tide.cut { text = "Stop." } end end }]]
      for _, stream in ipairs { true, false } do
        local g = t.gateway { { use = "p" }, { use = "judge", source = judge } }
        local r = g:chat { stream = stream, upstream = { chunks = { "One. Tw", "o. Three. ", "It is bad. Never." } } }
        t.eq(r.text, "One. Two. Three. Stop.")
        t.eq(r.logs[#r.logs].fields.text, r.text)
      end
      """)
  }

  /// Text that a filter may hold no longer goes by a timer, and no event brings it again.
  @Test func whatATimerLetsGoIsKeptOnceAndInItsPlace() throws {
    try passes(
      """
      local mask = "return { filters = { tide.filter.replace { words = { [ [[ACME Corp]] ] = 'Contoso' } } } }"
      local judge = [[return { on_response_end = function(ctx) tide.sleep(50) end }]]
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        local g = t.gateway { { use = "p" }, { use = "mask", source = mask }, { use = "judge", source = judge } }
        local r = g:chat { dialect = dialect, upstream = { chunks = {
          "We buy from ACME", { text = " and ACME Co", wait = "2s" }, { text = "rp. ACME", wait = 10 }, { text = " Co", wait = "2s" },
        } } }
        t.eq(r.text, "We buy from ACME and Contoso. ACME Co")
        for _, line in ipairs(r.logs) do t.eq(line.fields.text, r.text, dialect .. " " .. line.message) end
        t.eq(#r.logs, 2)
      end
      """)
  }

  @Test func theFirstChoiceIsKept() throws {
    try passes(
      """
      local r = t.gateway { { use = "p" } }:chat { n = 2, upstream = { chunks = { "a", "b" } } }
      t.eq(r.logs[1].fields.text, "ab")
      """)
  }

  @Test func whoDoesNotAskGetsNothing() throws {
    try passes(
      """
      local r = t.gateway { { use = "p" } }:chat { upstream = { text = "hello" } }
      t.eq(r.logs[1].fields.text, "nil")
      """, "return { on_log = function(ctx) ctx:log('info', 'log', { text = tostring(ctx.response.text) }) end }")
  }

  @Test func itIsBounded() {
    var text = KeptText()
    let piece = Array("xü".utf8)
    for _ in 0..<40_000 { piece.withUnsafeBytes { text.append($0) } }
    #expect(text.text.utf8.count == KeptText.byteCountMax - 1 || text.text.utf8.count == KeptText.byteCountMax)
    #expect(text.text.hasSuffix("x") || text.text.hasSuffix("ü"))
    text.eventBegins()
    #expect(text.text.isEmpty)
  }
}
