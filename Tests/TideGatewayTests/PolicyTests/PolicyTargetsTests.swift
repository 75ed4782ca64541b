import Testing

@testable import TideGateway

/// Targets that a policy chooses and the gateway does not have: the log names them, and what is meant.
@Suite struct PolicyTargetsTests {
  private func passes(_ policy: String, _ body: String) throws {
    let test = try PolicyTestFolder.run(
      policy,
      """
      local g = t.gateway { clusters = { "upstream", "spare" },
        models = { { id = "small-8b", cluster = "upstream" }, { id = "m", cluster = "upstream" } }, { use = "p" } }
      \(body)
      """)
    #expect(test.failure == nil, "\(test.failure?.message ?? "")")
  }

  @Test func onlyUnknownOnesAreTheGatewaysFault() throws {
    try passes(
      "return { on_route = function() return { { cluster = 'upstraem' }, { model = 'smal-8b' }, { cluster = 'x' } } end }",
      #"""
      local r = g:chat { model = "m" }
      t.eq(r.status, 503)
      t.eq(r.error.code, "policy_target_unknown")
      t.eq(r.outcome, "policy_failed")
      t.eq(#r.attempts, 0)
      t.eq(#r.logs, 1)
      local line = r.logs[1]
      t.eq(line.level .. " " .. line.policy .. " " .. line.hook, "warning p on_route")
      t.eq(line.message, "policy p: on_route chose only what this gateway does not have: the cluster upstraem "
        .. "(did you mean upstream?), the model smal-8b (did you mean small-8b?), the cluster x")
      """#)
  }

  @Test func oneOfSeveralIsLeftOutAndNamedOnceASecond() throws {
    try passes(
      "return { on_route = function(ctx, cfg, targets) return { { cluster = 'spar' }, targets[1] } end }",
      #"""
      local function lines() local r = g:chat { model = "m" } t.eq(r.status, 200) return r.logs end
      local first = lines()
      t.eq(#first, 1)
      t.eq(first[1].message, "policy p: on_route chose what this gateway does not have, which is left out: "
        .. "the cluster spar (did you mean spare?)")
      t.eq(#lines(), 0)
      t.advance("1s")
      t.eq(#lines(), 1)
      """#)
  }

  @Test func thoseOfARetryAreNamedToo() throws {
    try passes(
      "return { on_upstream_error = function() return tide.retry { targets = { { cluster = 'spar' } } } end }",
      #"""
      local r = g:chat { model = "m", upstream = { status = 500 } }
      t.eq(r.status, 503)
      t.eq(r.error.code, "policy_target_unknown")
      t.eq(r.logs[1].hook, "on_upstream_error")
      t.matches(r.logs[1].message, "only what this gateway does not have: the cluster spar")
      """#)
  }

  /// Nobody chose: the client asked for what is not there.
  @Test func aModelThatTheClientInventsIsItsOwnMistake() throws {
    try passes(
      "return { on_route = function() end }",
      #"""
      local r = g:chat { model = "nothing" }
      t.eq(r.status, 404)
      t.eq(#r.logs, 0)
      """#)
  }
}
