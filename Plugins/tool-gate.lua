--- Judges tool calls before the client can run them.
--
--      - use: tool-gate
--        config: { allow: [search_*, get_weather], ask: [send_*], approver: "http://127.0.0.1:9100/approve" }
--
--  A call of a tool that `allow` does not name, or that `deny` names, never reaches the client: the model's user reads `message`
--  in its place, and the rest of the answer goes on. Calls of tools under `ask` are put before an approver, which gets
--  { "tool", "args", "user" } and answers { "approve": true }; with "args" in its answer the call is made with those. When the approver
--  fails, the call is removed. `block` lists patterns of which none may be found in a call's arguments.
--
--  Names are globs: `*` stands for any text. What is forbidden wins over what is allowed.
--
--  Price: about 20 us an answer that calls a tool, and 0.3 us a token (`tidegate policy bench` on an AMD EPYC).

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    allow = { type = "array", items = { type = "string" }, default = { "*" }, doc = "tools that may be called" },
    deny = { type = "array", items = { type = "string" }, default = {}, doc = "tools that may not" },
    ask = { type = "array", items = { type = "string" }, default = {}, doc = "tools whose calls the approver decides on" },
    approver = { type = "url", doc = "where the approver is; a private address may be named" },
    token = { type = "secret", doc = "sent to the approver as a bearer token" },
    timeout = { type = "duration", default = "8s", min = "10ms", max = "9s", doc = "how long the approver may take" },
    block = { type = "array", items = { type = "pattern" }, default = {}, doc = "what no arguments may hold" },
    message = { type = "string", default = "[The tool call {tool} was not allowed.]", doc = "what the user reads instead" },
  },

  on_load = function(cfg)
    if #cfg.ask > 0 and not cfg.approver then error("config.ask needs config.approver, the URL to ask", 0) end
    cfg.blocked = {}
    for i, pattern in ipairs(cfg.block) do cfg.blocked[i] = tide.re(pattern) end
  end,

  on_tool_call = function(ctx, cfg, call)
    local function named(list)
      for _, pattern in ipairs(list) do
        if tide.glob(pattern, call.name) then return true end
      end
      return false
    end
    local function refuse(why)
      ctx:log("warning", "tool call refused", { tool = call.name, why = why })
      local name = call.name:gsub("%%", "%%%%")
      return tide.tool { deny = (cfg.message:gsub("{tool}", name)) }
    end

    if named(cfg.deny) or not named(cfg.allow) then return refuse("its name") end
    for _, pattern in ipairs(cfg.blocked) do
      if pattern:test(call.args_raw) then return refuse("its arguments") end
    end
    if not named(cfg.ask) then return nil end

    local answer, err = tide.http {
      url = cfg.approver, auth = cfg.token, timeout = cfg.timeout,
      json = { tool = call.name, args = call.args, user = ctx.auth and ctx.auth.user },
    }
    local said = answer and answer.json
    if err or answer.status ~= 200 or type(said) ~= "table" then return refuse("the approver failed") end
    if said.approve ~= true then return refuse("the approver") end
    if said.args then return tide.tool { args = said.args } end
  end,
}
