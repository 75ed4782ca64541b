-- SHA-256 of "sk-alice" and of "sk-root".
local ALICE = "099295a3784e1bd368dc348843a7398c1931b6b8ec2504c73e91ed2040bdc46c"
local ROOT = "8649dc2abf84574467821d2b401f14b2a47bdba971a08fb753f871fe836ce048"

local keys = {
  { hash = ALICE, key_id = "alice", tenant = "acme", models = { "gpt-*", "echo" } },
  { hash = ROOT:upper(), key_id = "root" },
}

-- Says who was let in, so that a test can see it.
local told = "return { on_request = function(ctx) ctx:log('info', 'caller', { key = ctx.auth.key_id, tenant = ctx.auth.tenant }) end }"

local function gateway(t, list)
  return t.gateway {
    { use = "api-keys", config = { keys = "keys.yaml" } }, { use = "told", source = told },
    files = { ["keys.yaml"] = list or keys },
  }
end

tide.test("who has a key is let in, in each of the three headers", function(t)
  local g = gateway(t)
  for _, headers in ipairs {
    { authorization = "Bearer sk-alice" }, { ["x-api-key"] = "sk-alice" }, { ["api-key"] = "sk-alice" },
  } do
    local r = g:chat { model = "echo", headers = headers }
    t.eq(r.status, 200)
    t.eq(r.logs[1].fields, { key = "alice", tenant = "acme" })
    t.eq(r.sent.headers["x-api-key"], nil)
  end
end)

tide.test("a wrong key and no key are refused before any upstream is called", function(t)
  local g = gateway(t)
  for _, headers in ipairs { { authorization = "Bearer sk-wrong" }, { authorization = "Basic sk-alice" }, {} } do
    local r = g:chat { headers = headers }
    t.eq(r.status, 401)
    t.eq(r.error.code, "invalid_api_key")
    t.eq(#r.attempts, 0)
  end
end)

tide.test("a key opens its models and no other", function(t)
  local g = gateway(t)
  t.eq(g:chat { model = "gpt-5", auth = "sk-alice" }.status, 200)
  local r = g:chat { model = "claude", auth = "sk-alice" }
  t.eq(r.status, 404)
  t.eq(r.error.code, "model_not_found")
  t.eq(g:chat { model = "claude", auth = "sk-root" }.status, 200)
end)

tide.test("a file that is wrong is refused, with the entry's number", function(t)
  local function refused(entry, why) t.raises(function() gateway(t, { keys[1], entry }) end, why) end
  refused({ hash = "sk-alice", key_id = "x" }, "entry 2 needs hash")
  refused({ hash = ROOT }, "entry 2 needs key_id")
  refused({ hash = ROOT, key_id = "x", models = "echo" }, "models must be a list")
  refused({ hash = ALICE, key_id = "x" }, "the hash of an earlier one")
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "api-keys", config = { keys = "keys.yaml" } }, files = { ["keys.yaml"] = keys } },
  chat = { auth = "sk-root" },
}
