--- Gives each client so many tokens in a period, and ends an answer where they run out.
---
--      - use: token-budget
--        config: { tokens: 2000000, per: day, by: tenant, budgets: { research: 10000000 } }
--
--  `by` says who has a budget: the API key, the tenant, the user, or the client's address; `budgets` gives some of them another one
--  than `tokens`. `per` is the hour, day or month of the calendar (UTC), or `rolling` any duration. The prompt's tokens are set aside
--  when a request comes and the answer's as they pass; one that meets the end of the budget ends there with `length`. The engine's usage
--  settles the account, however the exchange ended. Exact over all workers, and over all gateways that share a `store`;
--  kept over reloads. Who has nothing left gets 429. While a shared store is away new requests get 503, or pass uncounted with
--  `failure: { on_request: skip }`.
--
--  Price: about 12 us a request, and 0.1 us a token (`tidegate policy bench` on an AMD EPYC).

local function holder(ctx, by)
  local auth = ctx.auth
  return auth and (by == "key" and auth.key_id or by == "tenant" and auth.tenant or by == "user" and auth.user)
end

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    tokens = { type = "integer", required = true, min = 1, doc = "in each period" },
    per = { enum = { "hour", "day", "month" }, default = "day" },
    rolling = { type = "duration", min = "1s", doc = "a period without a calendar, in place of `per`" },
    count = { enum = { "total", "input", "output" }, default = "total" },
    by = { enum = { "key", "tenant", "user", "ip" }, default = "key" },
    budgets = { type = "map", values = { type = "integer", min = 1 }, default = {}, doc = "own budgets, by the holder's name" },
  },

  on_request = function(ctx, cfg)
    local name = holder(ctx, cfg.by)
    local tokens, per = cfg.budgets[name or ctx.client.ip] or cfg.tokens, cfg.rolling or cfg.per
    local key = name and cfg.by .. ":" .. name or "ip:" .. ctx.client.ip
    local taken, err = tide.limit.tokens(key, { tokens = tokens, per = per, count = cfg.count })
    if not taken then error(err.message) end
    if taken.ok then return nil end
    local wait = taken.retry_after
    return tide.deny(429, {
      code = "insufficient_quota", type = "tokens", retry_after = wait,
      -- A client that waits for hours only holds its connection.
      headers = (not wait or wait > 60000) and { ["x-should-retry"] = "false" } or nil,
      message = "Token budget reached: " .. taken.remaining .. " of " .. tokens .. " are left"
        .. (wait and ", enough of them again in " .. math.ceil(wait / 1000) .. " s." or ", fewer than this prompt needs."),
    })
  end,
}
