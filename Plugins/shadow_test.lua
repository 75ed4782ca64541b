local URL = "cluster://candidate/v1/chat/completions"

local function chat(t, config, reply, more)
  config.cluster = "candidate"
  local case = {
    system = "Be brief.", text = "What is due?", model = "echo", upstream = { text = "Nothing." },
    http = { ["POST " .. URL] = reply or { json = { choices = {} } } },
  }
  for key, value in pairs(more or {}) do case[key] = value end
  local g = t.gateway { { use = "shadow", config = config }, clusters = { "upstream", "candidate" } }
  return g:chat(case)
end

tide.test("the copy asks the same of the other cluster", function(t)
  local r = chat(t, { percent = 100, model = "candidate-8b", max_tokens = 64 })
  t.eq(r.text, "Nothing.")
  t.eq(#r.http_calls, 1)
  t.eq(r.http_calls[1].json, {
    model = "candidate-8b", max_tokens = 64,
    messages = { { role = "system", content = "Be brief." }, { role = "user", content = "What is due?" } },
  })
  t.eq(r.logs[1].fields.status, "200")
end)

tide.test("a copy that fails is a line in the log and nothing else", function(t)
  local r = chat(t, { percent = 100 }, { status = 503 })
  t.eq(r.text, "Nothing.")
  t.eq(r.status, 200)
  t.eq(#r.logs, 1)
  t.eq(r.logs[1].fields.status, "503")
end)

tide.test("the answer to the client is untouched, however it travels", function(t)
  t.invariant(chat(t, { percent = 100 }), { only = { "deltas", "whole", "leaves" } })
end)

tide.test("no more than its share of the requests is copied", function(t)
  t.eq(#chat(t, { percent = 0 }).http_calls, 0)
end)

tide.test("what is no chat is not copied", function(t)
  local r = chat(t, { percent = 100 }, nil, {
    path = "/v1/embeddings", json = { model = "echo", input = "a" }, upstream = { json = { data = {} } },
  })
  t.eq(#r.http_calls, 0)
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "shadow", config = { cluster = "candidate", percent = 100 } }, clusters = { "upstream", "candidate" } },
  chat = { http = { ["POST " .. URL] = { json = { choices = {} } } } },
}
