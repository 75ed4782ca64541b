local KEY = "AKIA" .. "IOSFODNN7EXAMPLE"

local function answer(t, text)
  local config = { patterns = { "AKIA[0-9A-Z]{16}" } }
  return t.gateway { { use = "block-secrets", config = config } }:chat { upstream = { text = text } }
end

tide.test("an answer ends before the secret, wherever it is cut", function(t)
  local r = answer(t, "Use " .. KEY .. " for it.")
  t.eq(r.text, "Use ")
  t.eq(r.finish, "content_filter")
  t.invariant(r, { except = { "choices" } })
end)

tide.test("what only begins like one passes", function(t)
  local r = answer(t, "AKIA is a prefix, AKIAIOSFODNN7 too short.")
  t.eq(r.text, "AKIA is a prefix, AKIAIOSFODNN7 too short.")
  t.invariant(r)
end)
