local alice = { key_id = "k-alice", tenant = "acme", user = "alice" }
local bob = { key_id = "k-bob", tenant = "globex", user = "bob" }

local function gateway(t, config)
  config.tokens = config.tokens or 1000
  return t.gateway { { use = "token-budget", config = config } }
end

-- An answer that costs so many tokens by the engine's own account.
local function costs(input, output)
  return { text = "ok", usage = { input = input, output = output } }
end

tide.test("what the engine counts is what is spent", function(t)
  local g = gateway(t, { rolling = "1m" })
  t.eq(g:chat { auth = alice, upstream = costs(300, 600) }.status, 200)
  local r = g:chat { auth = alice, upstream = costs(1, 1) }
  t.eq(r.status, 200)
  t.eq(g:chat { auth = alice, upstream = costs(10, 90) }.status, 200)
  r = g:chat { auth = alice }
  t.eq(r.status, 429)
  t.eq(r.error.code, "insufficient_quota")
  t.eq(#r.attempts, 0)
  t.eq(g:chat { auth = bob }.status, 200, "another key has its own budget")
end)

tide.test("tokens come back with the period", function(t)
  local g = gateway(t, { rolling = "1m" })
  g:chat { auth = alice, upstream = costs(500, 500) }
  local r = g:chat { auth = alice }
  t.eq(r.status, 429)
  t.eq(r.headers["x-should-retry"], "false")
  t.advance("50s")
  r = g:chat { auth = alice }
  t.eq(r.status, 429)
  t.eq(r.headers["x-should-retry"], nil, "it is worth while to wait for seconds")
  t.advance("12s")
  t.eq(g:chat { auth = alice }.status, 200)
end)

tide.test("a calendar's budget ends with its hour", function(t)
  local g = gateway(t, { per = "hour" })
  g:chat { auth = alice, upstream = costs(500, 500) }
  local r = g:chat { auth = alice }
  t.eq(r.status, 429)
  local wait = tonumber(r.headers["retry-after"])
  t.ok(wait > 0 and wait <= 3600)
  t.advance((wait - 1) * 1000)
  t.eq(g:chat { auth = alice }.status, 429)
  t.advance("1s")
  t.eq(g:chat { auth = alice }.status, 200)
end)

tide.test("an answer ends where the budget does", function(t)
  local g = gateway(t, { tokens = 40, count = "output" })
  -- Four bytes a token, as far as anybody knows before the engine has counted.
  local r = g:chat { auth = alice, upstream = { text = ("word"):rep(60) } }
  t.eq(r.text, ("word"):rep(40))
  t.eq(r.finish, "length")
  -- Two choices share the budget, so that neither of them is long.
  t.invariant(r, { except = { "choices" } })
end)

tide.test("an answer that fits exactly is whole", function(t)
  local g = gateway(t, { tokens = 40, count = "output" })
  local r = g:chat { auth = alice, upstream = { text = ("word"):rep(40) } }
  t.eq(r.text, ("word"):rep(40))
  t.eq(r.finish, "stop")
  t.invariant(r, { except = { "choices" } })
end)

tide.test("who costs nothing gets everything back", function(t)
  local g = gateway(t, { tokens = 100, count = "output" })
  for _ = 1, 5 do g:chat { auth = alice, upstream = { status = 400, error = { message = "no" } } } end
  t.eq(g:chat { auth = alice, upstream = costs(1, 84) }.status, 200)
  t.eq(g:chat { auth = alice, upstream = costs(1, 1) }.status, 200)
  t.eq(g:chat { auth = alice }.status, 429)
end)

tide.test("a client that leaves pays for what it got", function(t)
  local g = gateway(t, { tokens = 100, count = "output" })
  g:chat { auth = alice, stream = true, leave_after = 40, upstream = { chunks = { "a ", "b ", "c ", "d " } } }
  t.eq(g:chat { auth = alice, upstream = costs(1, 90) }.status, 200)
end)

tide.test("some have a budget of their own", function(t)
  local g = gateway(t, { by = "tenant", budgets = { acme = 10000 } })
  g:chat { auth = alice, upstream = costs(1000, 1000) }
  g:chat { auth = bob, upstream = costs(1000, 1000) }
  t.eq(g:chat { auth = alice }.status, 200)
  t.eq(g:chat { auth = bob }.status, 429)
end)

tide.test("many at once set aside no more than there is", function(t)
  local g, let = gateway(t, { tokens = 160, count = "output" }), 0
  t.concurrent(20, function()
    if g:chat { auth = alice, upstream = costs(1, 16) }.status == 200 then let = let + 1 end
  end)
  t.eq(let, 10)
end)

tide.test("a prompt larger than the whole budget is told so", function(t)
  local r = gateway(t, { tokens = 50 }):chat { auth = alice, text = ("long "):rep(100) }
  t.eq(r.status, 429)
  t.eq(r.headers["retry-after"], nil)
  t.ok(r.error.message:find("fewer than this prompt needs", 1, true))
end)

tide.test("an answer that another policy judges ends at the same place", function(t)
  local url = "http://classifier.test:9000/classify"
  local g = t.gateway {
    { use = "token-budget", config = { tokens = 20, count = "output" } },
    { use = "sentence-moderation", config = { url = url } },
  }
  local r = g:chat {
    auth = alice, upstream = { text = "One sentence. Another one! " .. ("word"):rep(40) },
    http = { ["POST " .. url] = { json = { flagged = false } } },
  }
  t.eq(r.text, ("One sentence. Another one! " .. ("word"):rep(40)):sub(1, 80))
  t.eq(r.finish, "length")
  t.eq(#r.http_calls, 3, "what was said before the end is judged, too")
  t.invariant(r, { except = { "reads", "choices" } })
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "token-budget", config = { tokens = 1000000000000 } } }, chat = { auth = alice },
}
