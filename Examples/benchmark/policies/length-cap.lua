--- Ends an answer after so many tokens: a policy that keeps a count for each stream.
return {
  schema = { tokens = { type = "integer", required = true, min = 1, doc = "tokens of one answer" } },
  on_lane = function(ctx, cfg) return { left = cfg.tokens } end,
  on_token = function(s, text)
    s.left = s.left - 1
    if s.left < 0 then return tide.cut { reason = "length" } end
  end,
}
