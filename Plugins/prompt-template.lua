--- Adds to prompts: a system prompt, text before or after what the user says.
--
--      - use: prompt-template
--        config:
--          system: { prepend: "You work for ACME.", append: "Answer in British English.", default: "Be brief." }
--          user: { prefix: "Question: ", suffix: "\n\nCite your sources." }
--
--  `system.default` is used only when the client brings no system prompt. `user` decorates the last user message.
--  Only what it changes is rewritten: the rest of the request leaves byte for byte as it came, so that providers'
--  prompt caches still hit.
--
--  Price: about 6 us a request (`tidegate policy bench` on an AMD EPYC).

local function joined(first, second)
  if not first or first == "" then return second end
  if not second or second == "" then return first end
  return first .. "\n\n" .. second
end

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    system = {
      type = "object",
      fields = {
        prepend = { type = "string", doc = "put before the client's system prompt" },
        append = { type = "string", doc = "put after it" },
        default = { type = "string", doc = "stands in when the client has none" },
      },
    },
    user = {
      type = "object",
      fields = { prefix = { type = "string", default = "" }, suffix = { type = "string", default = "" } },
    },
  },

  on_request = function(ctx, cfg)
    local prompt = ctx.prompt
    if not prompt then return nil end
    local present, system = prompt.system, cfg.system
    local wanted = joined(joined(system.prepend, present or system.default), system.append)
    if wanted and wanted ~= present then prompt.system = wanted end

    if cfg.user.prefix == "" and cfg.user.suffix == "" then return nil end
    local last
    for part in prompt:each_text { roles = { "user" } } do last = part end
    if last then last.text = cfg.user.prefix .. last.text .. cfg.user.suffix end
  end,
}
