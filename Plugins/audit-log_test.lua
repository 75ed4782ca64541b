local URL = "http://audit.test:9000/lines"
local alice = { key_id = "k-alice", tenant = "acme", user = "alice" }

local function chat(t, config, reply, more)
  local request = {
    text = "What is due?", auth = alice, model = "echo", http = { ["POST " .. URL] = reply },
    upstream = { text = "Nothing.", usage = { input = 7, output = 2 } },
  }
  for key, value in pairs(more or {}) do request[key] = value end
  return t.gateway { { use = "audit-log", config = config } }:chat(request)
end

tide.test("an exchange leaves one line in the log", function(t)
  local r = chat(t)
  t.eq(#r.logs, 1)
  local line = r.logs[1]
  t.eq(line.message, "audit")
  t.eq(line.level, "info")
  local said = line.fields
  t.eq({ said.key_id, said.tenant, said.user, said.model, said.status }, { "k-alice", "acme", "alice", "echo", "200" })
  t.eq({ said.tokens_in, said.tokens_out, said.messages, said.attempts }, { "7", "2", "1", "1" })
  t.eq(said.prompt_sha256, nil)
  t.eq(#r.http_calls, 0)
end)

tide.test("a collector gets the same as JSON", function(t)
  local r = chat(t, { url = URL, token = "tok", prompt = "hash" }, { status = 204 })
  t.eq(#r.http_calls, 1)
  local call = r.http_calls[1]
  t.eq(call.headers.authorization, "Bearer tok")
  local line = call.json
  t.eq(line.user, "alice")
  t.eq(line.tokens_out, 2)
  t.eq(#line.prompt_sha256, 64)
  t.eq(line.prompt, nil)
  t.eq(#r.logs, 1)
end)

tide.test("the prompt itself goes to the collector when asked for, and never to the log", function(t)
  local r = chat(t, { url = URL, prompt = "text" }, { json = {} })
  t.eq(r.http_calls[1].json.prompt, { { role = "user", text = "What is due?" } })
  for _, value in pairs(r.logs[1].fields) do t.eq(value:find("due", 1, true), nil) end
end)

tide.test("a collector that fails is an error in the log, not of the client", function(t)
  local r = chat(t, { url = URL }, { status = 500 })
  t.eq(r.text, "Nothing.")
  t.eq(r.logs[2].level, "error")
  t.eq(r.logs[2].fields, { why = "500" })
end)

tide.test("an exchange that failed leaves its line too", function(t)
  local r = chat(t, nil, nil, { upstream = { status = 400, error = "no" } })
  t.eq(r.logs[1].fields.status, "400")
end)

tide.test("settings that make no sense are refused", function(t)
  t.raises(function() t.gateway { { use = "audit-log", config = { prompt = "text" } } } end, "needs a url")
  t.raises(function() t.gateway { { use = "audit-log", config = { token = "x" } } } end, "without a url")
end)

-- What `tidegate policy bench` measures.
tide.bench { gateway = { { use = "audit-log" } }, chat = { auth = alice } }
