--- Sends a copy of some chat requests to another cluster, and looks only at how that went.
--
--      - use: shadow
--        config: { cluster: candidate, model: candidate-8b, percent: 5 }
--
--  The copy is sent when the client has its answer, so that it never waits for it; the copy's answer is thrown away. What is
--  logged is its status and how long it took. Under overload copies are dropped.
--
--  Price: about 45 us a request that is copied (`tidegate policy bench` on an AMD EPYC).

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    cluster = { type = "string", required = true, min_len = 1 },
    model = { type = "string", doc = "what to ask for there; default: the client's model" },
    percent = { type = "number", default = 1, min = 0, max = 100, doc = "of the requests" },
    max_tokens = { type = "integer", default = 256, min = 1 },
    timeout = { type = "duration", default = "20s", min = "100ms", max = "25s" },
  },

  on_log = function(ctx, cfg)
    if ctx.kind ~= "chat" or not ctx.prompt or math.random() * 100 >= cfg.percent then return nil end
    local messages = {}
    for i, message in ipairs(ctx.prompt.messages) do
      messages[i] = { role = message.role, content = message.text }
    end
    local began = tide.now()
    local answer, err = tide.http {
      cluster = cfg.cluster, path = "/v1/chat/completions", timeout = cfg.timeout, max_body = "4MiB",
      json = { model = cfg.model or ctx.model, messages = messages, max_tokens = cfg.max_tokens },
    }
    ctx:log(err and "warning" or "info", "shadow", {
      cluster = cfg.cluster, status = err and err.code or answer.status, ms = math.floor(tide.now() - began),
    })
  end,
}
