local function gateway(t, config)
  config.rate = config.rate or 60
  return t.gateway { { use = "rate-limit", config = config } }
end

local alice = { key_id = "k-alice", tenant = "acme", user = "alice" }
local bob = { key_id = "k-bob", tenant = "acme", user = "bob" }

tide.test("who is over the limit waits for the next place", function(t)
  local g = gateway(t, { burst = 2 })
  for _ = 1, 2 do t.eq(g:chat { auth = alice }.status, 200) end
  local r = g:chat { auth = alice }
  t.eq(r.status, 429)
  t.eq(r.error.code, "rate_limit_exceeded")
  t.eq(r.headers["retry-after"], "1")
  t.eq(#r.attempts, 0)
  t.advance("1s")
  t.eq(g:chat { auth = alice }.status, 200)
  t.eq(g:chat { auth = alice }.status, 429)
end)

tide.test("clients are counted by what is asked for", function(t)
  local function second(by, auth, ip)
    local g = gateway(t, { burst = 1, by = by })
    t.eq(g:chat { auth = alice, ip = "192.0.2.1" }.status, 200)
    return g:chat { auth = auth, ip = ip or "192.0.2.2" }.status
  end
  t.eq(second("key", alice), 429)
  t.eq(second("key", bob), 200)
  t.eq(second("tenant", bob), 429)
  t.eq(second("user", bob), 200)
  t.eq(second("ip", bob), 200)
  t.eq(second("ip", bob, "192.0.2.1"), 429)
end)

tide.test("who has no identity is counted by the address", function(t)
  local g = gateway(t, { burst = 1 })
  t.eq(g:chat { ip = "192.0.2.1" }.status, 200)
  t.eq(g:chat { ip = "192.0.2.1" }.status, 429)
  t.eq(g:chat { ip = "192.0.2.2" }.status, 200)
end)

tide.test("many at once get no more than the burst", function(t)
  local g, let = gateway(t, { burst = 5 }), 0
  t.concurrent(20, function() if g:chat { auth = alice }.status == 200 then let = let + 1 end end)
  t.eq(let, 5)
end)

tide.test("a limit of nothing is refused", function(t)
  t.raises(function() gateway(t, { rate = 0 }) end, "rate")
end)

-- What `tidegate policy bench` measures.
tide.bench { gateway = { { use = "rate-limit", config = { rate = 1000000000, per = "1s" } } }, chat = { auth = alice } }
