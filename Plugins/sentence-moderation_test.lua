local URL = "http://classifier.test:9000/classify"

local function answer(t, text, reply, config)
  config = config or {}
  config.url = URL
  local g = t.gateway { { use = "sentence-moderation", config = config } }
  return g:chat { upstream = { text = text }, http = { ["POST " .. URL] = reply } }
end

tide.test("sentences that are not flagged pass as they are", function(t)
  local r = answer(t, "One sentence. Another one! The last", { json = { flagged = false } })
  t.eq(r.text, "One sentence. Another one! The last")
  t.eq(r.finish, "stop")
  t.eq(#r.http_calls, 3)
  t.invariant(r, { except = { "reads" } })
end)

tide.test("a flagged sentence ends the answer", function(t)
  local r = answer(t, "Fine so far. This is bad. Never seen.", function(call)
    return { json = { flagged = call.body:find("bad", 1, true) ~= nil } }
  end)
  t.eq(r.text, "Fine so far. ")
  t.eq(r.finish, "content_filter")
end)

tide.test("a score over the threshold is masked where that is asked for", function(t)
  local r = answer(t, "Fine. Bad! Fine.", function(call)
    return { json = { score = call.body:find("Bad", 1, true) and 0.9 or 0.1 } }
  end, { action = "mask", threshold = 0.8, with = "[...]" })
  t.eq(r.text:find("Bad", 1, true), nil)
  t.eq(r.text:find("[...]", 1, true) ~= nil, true)
  t.eq(r.finish, "stop")
end)

tide.test("a classifier that fails ends the answer", function(t)
  local r = answer(t, "One sentence. Another one.", { status = 500 })
  t.eq(r.text, "")
  t.eq(r.finish, "content_filter")
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "sentence-moderation", config = { url = URL } } },
  chat = { http = { ["POST " .. URL] = { json = { flagged = false } } } },
}
