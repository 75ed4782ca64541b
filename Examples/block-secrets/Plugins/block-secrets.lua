--- Keeps secrets out of answers.
--
--      - use: block-secrets
--        config: { patterns: ["AKIA[0-9A-Z]{16}"], mask: [key, jwt, pem] }
--
--  What matches one of `patterns` ends the answer before its first character, streamed or not; what is of a kind in `mask`
--  gives way to its name. Both run compiled while tokens stream; Lua runs only on a match, to write it down.

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    patterns = { type = "array", items = { type = "string" }, required = true, min_len = 1, doc = "with an upper bound each" },
    mask = { type = "array", items = { enum = { "key", "jwt", "pem" } }, min_len = 1, default = { "key", "jwt", "pem" } },
  },

  filters = function(cfg)
    return {
      tide.filter.block {
        patterns = cfg.patterns,
        on_match = function(s, match)
          tide.log("warning", "a secret in an answer", { bytes = #match.text })
          tide.metrics.incr("blocked")
          return tide.cut { reason = "content_filter" }
        end,
      },
      tide.filter.mask { kinds = cfg.mask, with = "[{kind}]" },
    }
  end,
}
