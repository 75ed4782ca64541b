--- Writes down who asked which model, when, and how it ended: one line an exchange.
--
--      - use: audit-log
--        config: { url: "https://audit.example/v1/lines", token: "${AUDIT_TOKEN}", prompt: hash }
--
--  The line goes to the gateway's log, and with `url` to a collector as well, as a JSON object in a POST of its own. Of the
--  prompt it says how long it was; `prompt: hash` adds the SHA-256 of its messages, which proves later what was asked without
--  telling it; `prompt: text` adds the messages themselves to what the collector gets, never to the log.
--
--  Runs when the client has its answer, which therefore never waits for it. A collector that fails is logged, with the
--  line's id. Under overload lines may be dropped, and the metrics count them: this is a record for people, not an account.
--
--  Price: about 40 us a request, after its last byte (`tidegate policy bench` on an AMD EPYC).

-- The messages as one text that no other list of messages gives.
local function prompt(messages)
  local lines = {}
  for i, message in ipairs(messages) do lines[i] = tide.json.encode { message.role or "", message.text or "" } end
  return table.concat(lines, "\n")
end

local function line(ctx, cfg)
  local auth, usage, response, route = ctx.auth, ctx.usage, ctx.response, ctx.route
  local asked = ctx.prompt and ctx.prompt.messages
  return {
    id = ctx.id, at = math.floor(ctx.now), kind = ctx.kind, dialect = ctx.dialect, path = ctx.request.path,
    client = ctx.client.ip, key_id = auth and auth.key_id, tenant = auth and auth.tenant, user = auth and auth.user,
    model = ctx.model, route = route.name, cluster = route.cluster, answered_by = route.model, attempts = ctx.attempt,
    status = response and response.status, source = response and response.source, ttft_ms = ctx.ttft,
    tokens_in = usage and usage.input, tokens_out = usage and usage.output,
    messages = asked and #asked, prompt_tokens_est = asked and ctx.prompt.tokens_est,
    prompt_sha256 = asked and cfg.prompt ~= "none" and tide.sha256(prompt(asked)) or nil,
  }
end

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    url = { type = "url", doc = "where a collector takes the lines; without it they are only logged" },
    token = { type = "secret", doc = "sent to it as a bearer token" },
    timeout = { type = "duration", default = "5s", min = "10ms", max = "25s" },
    prompt = { enum = { "none", "hash", "text" }, default = "none", doc = "what is told of the prompt" },
  },
  budgets = { on_log = { cpu = "100ms" } },

  on_load = function(cfg)
    if cfg.prompt == "text" and not cfg.url then error("prompt: text needs a url: the log never holds prompts", 0) end
    if cfg.token and not cfg.url then error("token is of no use without a url", 0) end
  end,

  on_log = function(ctx, cfg)
    local told = line(ctx, cfg)
    ctx:log("info", "audit", told)
    if not cfg.url then return nil end
    if cfg.prompt == "text" then told.prompt = ctx.prompt and ctx.prompt.messages end
    local answer, err = tide.http { url = cfg.url, auth = cfg.token, timeout = cfg.timeout, json = told }
    if err or answer.status >= 300 then
      ctx:log("error", "the collector did not take the line", { why = err and err.message or answer.status })
    end
  end,
}
