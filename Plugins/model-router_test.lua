local rules = {
  { model = "smart", min_tokens = 100, to = { { model = "long" } } },
  { model = "smart", header = "x-tier", equals = "free*", to = { { model = "small" } } },
  { model = "smart", to = { { model = "large", weight = 3 }, { model = "next", weight = 1 } }, fallback = { { model = "small" } } },
}

local function router(t, own) return t.gateway { { use = "model-router", config = { rules = own or rules } } } end

local function chosen(g, case)
  case.model = case.model or "smart"
  return g:chat(case).sent.model
end

tide.test("the first rule whose conditions hold decides", function(t)
  local g = router(t)
  t.eq(chosen(g, { text = ("word "):rep(200) }), "long")
  t.eq(chosen(g, { headers = { ["x-tier"] = "free-trial" } }), "small")
  t.eq(chosen(g, { text = ("word "):rep(200), headers = { ["x-tier"] = "free-trial" } }), "long")
end)

tide.test("without a rule routing stays as it was", function(t)
  t.eq(chosen(router(t), { model = "other" }), "other")
end)

tide.test("targets are drawn by weight", function(t)
  local g, shares = router(t), { large = 0, next = 0 }
  for _ = 1, 300 do
    local model = chosen(g, {})
    shares[model] = shares[model] + 1
  end
  t.ok(shares.large > 180 and shares.large < 270, "large got " .. shares.large .. " of 300")
end)

tide.test("the other targets follow, then the fallback", function(t)
  local clusters, to = {}, {}
  for i, name in ipairs { "a", "b", "c" } do
    clusters[i] = { name = name, endpoints = { { url = "http://" .. name .. ".test:80" } } }
    to[i] = { model = "m", cluster = name }
  end
  local own = { { model = "smart", to = { to[1], to[2] }, fallback = { to[3] } } }
  local g = t.gateway { { use = "model-router", config = { rules = own } }, clusters = clusters }
  local r = g:chat { model = "smart", upstream = { { error = "connect" }, { error = "connect" }, { text = "here" } } }
  t.eq(r.text, "here")
  t.eq(#r.attempts, 3)
  t.eq(r.attempts[3].cluster, "c")
end)

tide.test("rules that could decide nothing are refused", function(t)
  t.raises(function() router(t, {}) end, "rules")
  t.raises(function() router(t, { { model = "smart", to = {} } }) end, "to")
end)

-- What `tidegate policy bench` measures.
tide.bench { gateway = { { use = "model-router", config = { rules = rules } } }, chat = { model = "smart" } }
