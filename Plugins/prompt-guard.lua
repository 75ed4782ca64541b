--- Refuses prompts that match a pattern.
--
--      - use: prompt-guard
--        config:
--          patterns:
--            override: "ignore (all |the )?(previous|above) instructions"
--            codename: "\\bproject nightjar\\b"
--          roles: [user, tool]
--
--  Each pattern has a name, which the log and the metric `denied` tell; what the client is told names none of them. Patterns
--  are regular expressions whose search takes time in proportion to the text, so that no prompt can hold the gateway up.
--  With `answer` the client gets that text as if the model had said it, instead of an error.
--
--  Looks at the text of messages, of all roles unless `roles` says which, before any upstream is called. Bind it before
--  policies that write into prompts: it judges what the client sent. Patterns catch what is written plainly; who means to
--  get around them will, so let them guard names and habits rather than secrets. A request that is no chat (completions,
--  embeddings) cannot be looked into and is refused; `when: { kind: chat }` in the binding lets those pass unseen.
--
--  Price: about 15 us a request of 1,000 bytes (`tidegate policy bench` on an AMD EPYC).

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    patterns = {
      type = "map", values = { type = "pattern" }, required = true, min_len = 1, doc = "name to regular expression",
    },
    ignore_case = { type = "boolean", default = true },
    roles = { type = "array", items = { type = "string" }, min_len = 1, doc = "whose messages; default: everybody's" },
    message = { type = "string", default = "This request is not allowed here.", doc = "the error's text" },
    answer = { type = "string", doc = "given as the model's answer, in place of an error" },
  },
  -- A prompt may be long: 10 MiB of it are searched in this time, for a few patterns.
  budgets = { on_request = { cpu = "500ms" } },

  on_load = function(cfg)
    cfg.rules = {}
    for name, pattern in pairs(cfg.patterns) do
      cfg.rules[#cfg.rules + 1] = { name = name, pattern = tide.re(pattern, cfg.ignore_case and "i" or "") }
    end
    table.sort(cfg.rules, function(a, b) return a.name < b.name end)
  end,

  on_request = function(ctx, cfg)
    if not ctx.prompt then
      return tide.deny(404, { code = "not_supported", message = "Only chats are allowed here." })
    end
    for part in ctx.prompt:each_text { roles = cfg.roles } do
      for _, rule in ipairs(cfg.rules) do
        if rule.pattern:test(part.text) then
          ctx:log("warning", "prompt refused", { pattern = rule.name })
          tide.metrics.incr("denied", 1, { pattern = rule.name })
          if cfg.answer then return tide.respond { text = cfg.answer } end
          return tide.deny(400, { code = "content_filter", message = cfg.message })
        end
      end
    end
  end,
}
