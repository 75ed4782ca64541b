local URL = "http://approver.test:9100/approve"

local weather = { id = "call_a", name = "get_weather", args = { city = "Oslo" } }
local mail = { id = "call_b", name = "send_mail", args = { to = "all@example.com" } }

local function answer(t, config, upstream, reply)
  local g = t.gateway { { use = "tool-gate", config = config } }
  return g:chat { upstream = upstream, http = { ["POST " .. URL] = reply } }
end

tide.test("an allowed call reaches the client as it came", function(t)
  local r = answer(t, { allow = { "get_*" } }, { text = "One moment. ", tool_calls = { weather } })
  t.eq(r.text, "One moment. ")
  t.eq(#r.tool_calls, 1)
  t.eq(r.tool_calls[1].name, "get_weather")
  t.eq(r.tool_calls[1].args.city, "Oslo")
  t.eq(r.finish, "tool_calls")
  t.invariant(r)
end)

tide.test("a call that is not allowed becomes text, and the others stay", function(t)
  local r = answer(t, { allow = { "get_*" } }, { tool_calls = { mail, weather } })
  t.eq(r.text, "[The tool call send_mail was not allowed.]")
  t.eq(#r.tool_calls, 1)
  t.eq(r.tool_calls[1].name, "get_weather")
  t.eq(r.finish, "tool_calls")
  t.invariant(r)
end)

tide.test("an answer whose only call is refused has not finished with one", function(t)
  local r = answer(t, { deny = { "send_*" }, message = "No {tool}." }, { text = "Sure. ", tool_calls = { mail } })
  t.eq(#r.tool_calls, 0)
  t.ok(r.text:find("No send_mail.", 1, true), r.text)
  t.eq(r.finish, "stop")
  t.invariant(r)
end)

tide.test("arguments are searched", function(t)
  local r = answer(t, { block = { "all@[a-z.]+" } }, { tool_calls = { mail, weather } })
  t.eq(#r.tool_calls, 1)
  t.eq(r.tool_calls[1].id, "call_a")
end)

tide.test("the approver decides, and may change the arguments", function(t)
  local config = { ask = { "send_*" }, approver = URL }
  local r = answer(t, config, { tool_calls = { weather, mail } }, function(call)
    t.ok(call.body:find("send_mail", 1, true), call.body)
    return { json = { approve = true, args = { to = "bob@example.com" } } }
  end)
  t.eq(#r.http_calls, 1)
  t.eq(#r.tool_calls, 2)
  t.eq(r.tool_calls[2].args.to, "bob@example.com")
  t.eq(r.finish, "tool_calls")
  t.invariant(r, { except = { "reads" } })
end)

tide.test("an approver that says no, or nothing, lets no call through", function(t)
  for _, reply in ipairs { { json = { approve = false } }, { status = 500 }, { text = "?" } } do
    local r = answer(t, { ask = { "*" }, approver = URL }, { tool_calls = { mail } }, reply)
    t.eq(#r.tool_calls, 0)
    t.eq(r.finish, "stop")
  end
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "tool-gate", config = { allow = { "get_*" } } } },
  chat = { upstream = { text = "One moment. ", tool_calls = { weather } } },
}
