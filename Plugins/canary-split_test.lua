local function split(t, config)
  config.model = config.model or "smart"
  return t.gateway { { use = "canary-split", config = config } }
end

local function halves(t, more)
  local config = { to = { { model = "old", weight = 1 }, { model = "new", weight = 1 } } }
  for key, value in pairs(more or {}) do config[key] = value end
  return split(t, config)
end

-- Which model each of many users gets.
local function dealt(g, count)
  local models, shares = {}, {}
  for i = 1, count do
    local model = g:chat { model = "smart", auth = { key_id = "key-" .. i } }.sent.model
    models[i] = model
    shares[model] = (shares[model] or 0) + 1
  end
  return models, shares
end

tide.test("clients are shared out by weight", function(t)
  local to = { { model = "old", weight = 80 }, { model = "new", weight = 20 } }
  local _, shares = dealt(split(t, { to = to }), 300)
  t.ok(shares.new > 30 and shares.new < 90, "new got " .. shares.new .. " of 300")
  t.eq(shares.old + shares.new, 300)
end)

tide.test("a client keeps its model", function(t)
  local first = dealt(halves(t), 40)
  t.eq(dealt(halves(t), 40), first)
end)

tide.test("another seed deals anew", function(t)
  local first, again = dealt(halves(t), 40), dealt(halves(t, { seed = "june" }), 40)
  t.ok(table.concat(first, " ") ~= table.concat(again, " "), "everyone kept the model")
end)

tide.test("more weight for the last one takes clients from the others and gives none away", function(t)
  local few = dealt(split(t, { to = { { model = "old", weight = 90 }, { model = "new", weight = 10 } } }), 100)
  local many = dealt(split(t, { to = { { model = "old", weight = 60 }, { model = "new", weight = 40 } } }), 100)
  for i, model in ipairs(few) do
    if model == "new" then t.eq(many[i], "new") end
  end
end)

tide.test("a header can tell clients apart, and the address tells those apart that have none", function(t)
  local g = halves(t, { header = "x-conversation" })
  local seen = {}
  for i = 1, 20 do
    local model = g:chat { model = "smart", headers = { ["x-conversation"] = "c" .. i } }.sent.model
    t.eq(g:chat { model = "smart", headers = { ["x-conversation"] = "c" .. i }, ip = "192.0.2." .. i }.sent.model, model)
    seen[model] = true
  end
  t.eq(seen, { old = true, new = true })
  local byAddress = {}
  for i = 1, 20 do byAddress[g:chat { model = "smart", ip = "192.0.2." .. i }.sent.model] = true end
  t.eq(byAddress, { old = true, new = true })
end)

tide.test("the other model answers when one cannot be reached, unless that is not wanted", function(t)
  local function chat(fallback)
    local clusters = {}
    for i, name in ipairs { "a", "b" } do
      clusters[i] = { name = name, endpoints = { { url = "http://" .. name .. ".test:80" } } }
    end
    local to = { { model = "old", cluster = "a", weight = 1 }, { model = "new", cluster = "b", weight = 1 } }
    local g = t.gateway {
      { use = "canary-split", config = { model = "smart", to = to, fallback = fallback } }, clusters = clusters,
    }
    return g:chat { model = "smart", auth = { key_id = "alice" }, upstream = { { error = "connect" }, { text = "here" } } }
  end
  local r = chat(true)
  t.eq(r.text, "here")
  t.ok(r.attempts[1].cluster ~= r.attempts[2].cluster, "both attempts went to " .. r.attempts[1].cluster)
  for _, attempt in ipairs(chat(false).attempts) do t.eq(attempt.cluster, r.attempts[1].cluster) end
end)

tide.test("other models are left alone", function(t)
  t.eq(halves(t):chat { model = "plain" }.sent.model, "plain")
end)

tide.test("weights that add up to nothing are refused", function(t)
  local none = { { model = "a", weight = 0 }, { model = "b", weight = 0 } }
  t.raises(function() split(t, { to = none }) end, "at least one weight")
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = {
    { use = "canary-split", config = { model = "smart", to = { { model = "old", weight = 3 }, { model = "new", weight = 1 } } } },
  },
  chat = { model = "smart", auth = { key_id = "key-7" } },
}
