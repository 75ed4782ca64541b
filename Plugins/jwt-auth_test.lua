-- Signed for these tests; the private keys are gone. The clock stands at the beginning of 2026.
local tokens = {
  alice = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "hbGljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDAsInJvbGVzIjpbIm9wcyJdfQ.Zs-t7-4-Qdc6YhGPjOGT-m3AIwYzLilr9xVQ73S2IW",
    "UgaAJDD5WzFIwUg-EcPdGSY7jffBQuw4diONKZ5iLoAQ",
  },
  bob = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTIifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "ib2IiLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ.OtSM-GnzlBXyyBJTh_syjVn4st99qtrSUKoqQSnH4ZzDJAlT-aIvzCUwNnmug1FF6f",
    "fhTpy2Xu-bfwDyP-RXAQ",
  },
  listed = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjpbIm90aGVyIiwidGlkZWdhdGU",
    "iXSwic3ViIjoiYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ.wXR5xflzu4QBcRnPOL7-tjP4hlFaNj9q4n74orpXqatyGD4EAj",
    "nvEonjBnVQK8SAeAnEAbcJtPpIE0guXwWuBA",
  },
  expired = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "hbGljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjE3NjcyMjUwMDB9.leNHNvsBa6ha4k3TIRYNcbc3o52lRV3K_EvOWWXEaYedKMKXJqL_H5qlATUDDNpf",
    "MUiwo_7yXuDG6xJEqKHRCA",
  },
  early = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "hbGljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDAsIm5iZiI6MTc2NzIyOTIwMH0.fN2SfsQSLj8lW_JT79MbOAKZW5CBDQEBCr3WaiocB",
    "PGht6ic9cqYuJs_ZINji36Aj-AD83pPs9KbHPOEcdeDDw",
  },
  elsewhere = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV2aWwuZXhhbXBsZSIsImF1ZCI6InRpZGVnYXRlIiwic3ViIjo",
    "iYWxpY2UiLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo0MTAyNDQ0ODAwfQ.EGsb0ROIhrjk7DmgHii2wi3tcexOCXwUrl7g815Pz4TyyobB_jebjo9UbezKtl",
    "O5cTKOX8v1imWV59vWM-UODg",
  },
  others = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjpbIm90aGVyIl0sInN1YiI6ImF",
    "saWNlIiwidGVuYW50IjoiYWNtZSIsImV4cCI6NDEwMjQ0NDgwMH0.wQIXsMy_TemRIkCe3lPbhYMWmTDKG1wzvM1QiBQRo7xgUfH67m9bzQLoz5aI0tQQB",
    "E8eaXbBOQXPkzr-S_9_Ag",
  },
  endless = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "hbGljZSIsInRlbmFudCI6ImFjbWUifQ.5Pruie7JqiFCXJ4sXLbOAoAMtt-8WhWamhOjsF7XM55MJZfhnUYnup2mCHUj-sxHABi_V-xXo6eFJMjPrQ3hDw",
  },
  doubled = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "hbGljZSIsInN1YiI6InJvb3QiLCJleHAiOjQxMDI0NDQ4MDB9.kKNXzvFiLKiQwqD-wkqWWCGvRebNXMxqEZgWA123YGZ8aA90eYUMsmDx7N_p959BTvi5",
    "BAplgSg2ZyhRyhJxDQ",
  },
  unsigned = table.concat {
    "eyJhbGciOiJub25lIiwia2lkIjoiZWQtMSJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJhb",
    "GljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDB9.",
  },
  unsigned_more = table.concat {
    "eyJhbGciOiJub25lIiwia2lkIjoiZWQtMSJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJhb",
    "GljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDB9.eA",
  },
  confused = table.concat {
    "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJhbGljZSIsInRlbmFud",
    "CI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDB9.yTMHUPUSNY0DwnY9BrI9MFOozHd8cnlAsC5xH3uAKUA",
  },
  forged_kid = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLy4uL2VkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJ",
    "zdWIiOiJhbGljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDB9.AlPVLog2X8xqUi8R0Qr7nlg0EjTBy4VVnK9ArZTp3hyNNgFOqAsWgnBk",
    "uVuj7b6lMxKzuzTddyxyQUGpbpskBA",
  },
  forged = table.concat {
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJ",
    "hbGljZSIsInRlbmFudCI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDB9.MtMrHOLtmEFKViJIzTxQ5pKjavuGIj9t2ohG2uLtOqlVsWpHilKuPcL2OP-J-98t",
    "Cx0ug87PX1wEY6bA0ryIDg",
  },
  hmac = table.concat {
    "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoidGlkZWdhdGUiLCJzdWIiOiJhbGljZSIsInRlbmFud",
    "CI6ImFjbWUiLCJleHAiOjQxMDI0NDQ4MDB9.oYHzwwY42d2XC7ZXyKrmw8HveVk8rax0731pFKs_-QA",
  },
}

local ed1 = { kty = "OKP", crv = "Ed25519", kid = "ed-1", x = "3D_f8eYUmVV4alXoU3bj3kCuRiPi3Ty7zWIhxPOphMw" }
local ed2 = { kty = "OKP", crv = "Ed25519", kid = "ed-2", x = "XkMhw5WNl2OPCd_ozO_GyIrHuHFjmw8MUvL0v93nkp0" }
local RSA = [[
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwfbIlMZ0GPYH8j4BM+Bh
AIwPQZYIGZrznjHap78BtAzzMnxq77ZoEGEGc6kW5e4B1J5ICgkW62424ljJLIl1
3PkqyXrJS1/vJ9TwkWKHgv0sLujH4erC5dVg72Tn6XvI4bONmirsI/5S5twUx0Dt
naD15Msk01Ct7k1oT59rcb5x9nRRq3uACCWrmXo30DcyfBU2/uJG8Lb3W7qzyqwT
e0spXQULDSbAb0/vX3PJxghDeHTEL7iiswNSI6fzcNp/aURC4VZjlrq/WWTHuJDr
RaEywcjfTE9r3jhLUm21XYLgoT3KvOlv20fcQR0EIdjLvDNTC0v/X21Ivaaq+jtN
iQIDAQAB
-----END PUBLIC KEY-----
]]
local URL = "https://login.example.com/jwks.json"
local told = [[return { on_request = function(ctx)
  ctx:log("info", "caller", { key = ctx.auth.key_id, tenant = ctx.auth.tenant, roles = ctx.auth.claims.roles and #ctx.auth.claims.roles })
end }]]

local function gateway(t, config)
  config.issuer, config.audience = "https://login.example.com", { "tidegate" }
  return t.gateway {
    { use = "jwt-auth", config = config }, { use = "told", source = told },
    files = { ["jwks.json"] = { keys = { ed1, ed2 } } },
  }
end

local function from_file(t) return gateway(t, { jwks = "jwks.json" }) end

tide.test("who has a good token is let in, under the names of its claims", function(t)
  local g = from_file(t)
  local r = g:chat { auth = tokens.alice }
  t.eq(r.status, 200)
  t.eq(r.logs[1].fields, { key = "alice", tenant = "acme", roles = "1" })
  t.eq(g:chat { auth = tokens.bob }.logs[1].fields.key, "bob")
  t.eq(g:chat { auth = tokens.listed }.status, 200)
end)

tide.test("a token that is not good is refused, and says no more than that", function(t)
  local g = from_file(t)
  for _, name in ipairs { "early", "elsewhere", "others", "endless", "doubled", "unsigned_more", "confused", "forged", "forged_kid", "hmac" } do
    local r = g:chat { auth = tokens[name] }
    t.eq(r.status, 401, name)
    t.eq(r.error.message, "The access token is not valid.", name)
    t.eq(r.headers["www-authenticate"], 'Bearer error="invalid_token"', name)
    t.eq(#r.attempts, 0)
  end
  t.eq(g:chat { auth = tokens.unsigned }.status, 401)
  t.eq(g:chat { auth = tokens.expired }.error.message, "The access token has expired.")
end)

tide.test("a token without the claim that is the key_id is refused", function(t)
  local g = gateway(t, { jwks = "jwks.json", key_id = "client_id" })
  local r = g:chat { auth = tokens.alice }
  t.eq(r.status, 401)
  t.eq(r.error.message, "The access token is not valid.")
  t.eq(r.logs[1].fields, { claim = "client_id" })
  -- A claim that is there and no text is none either.
  t.eq(gateway(t, { jwks = "jwks.json", key_id = "roles" }):chat { auth = tokens.alice }.status, 401)
end)

tide.test("a token that was cut or changed anywhere is refused", function(t)
  local g, whole = from_file(t), tokens.alice
  for i = 1, #whole - 1, 7 do
    t.eq(g:chat { auth = whole:sub(1, i) }.status, 401, "cut at " .. i)
    local other = whole:sub(i, i) == "A" and "B" or "A"
    t.eq(g:chat { auth = whole:sub(1, i - 1) .. other .. whole:sub(i + 1) }.status, 401, "changed at " .. i)
  end
  t.eq(g:chat { auth = "eyJ" .. ("x"):rep(20000) .. ".e.e" }.status, 401)
end)

tide.test("time that passes ends a token", function(t)
  local g = from_file(t)
  t.eq(g:chat { auth = tokens.early }.status, 401)
  t.advance("61m")
  t.eq(g:chat { auth = tokens.early }.status, 200)
end)

tide.test("other credentials are another policy's to know", function(t)
  local g = t.gateway {
    { use = "jwt-auth", config = { issuer = "x", audience = { "y" }, jwks = "jwks.json" } },
    { use = "other", source = "return { on_auth = function(ctx) return tide.identity { key_id = ctx.request.credential } end }" },
    files = { ["jwks.json"] = { keys = { ed1 } } },
  }
  t.eq(g:chat { auth = "sk-plain" }.status, 200)
  t.eq(g:chat { auth = "eyJ.not.a token" }.status, 200)
  t.eq(g:chat { auth = tokens.alice }.status, 401)
end)

tide.test("a secret or a public key may stand in the configuration", function(t)
  local g = gateway(t, { secret = "0123456789abcdef0123456789abcdef", algs = { "HS256" } })
  t.eq(g:chat { auth = tokens.hmac }.status, 200)
  t.eq(g:chat { auth = tokens.alice }.status, 401)
  -- Signed with the public key as if it were a secret.
  g = gateway(t, { public_key = RSA, algs = { "RS256", "PS256" } })
  t.eq(g:chat { auth = tokens.confused }.status, 401)
end)

tide.test("forgers shut nobody out", function(t)
  local g = gateway(t, { secret = "0123456789abcdef0123456789abcdef", algs = { "HS256", "HS512" } })
  -- For HS512 the secret is too short.
  local forged = "eyJhbGciOiJIUzUxMiJ9.e30.c2ln"
  for _ = 1, 20 do t.eq(g:chat { auth = forged }.status, 401) end
  t.eq(g:chat { auth = tokens.hmac }.status, 200)
end)

tide.test("fetched keys are kept, and a new one counts at once", function(t)
  local g, published = gateway(t, { jwks_url = URL }), { ed1 }
  local function ask(token)
    return g:chat { auth = token, http = { ["GET " .. URL] = function() return { json = { keys = published } } end } }
  end
  local r = ask(tokens.alice)
  t.eq({ r.status, #r.http_calls }, { 200, 1 })
  r = ask(tokens.alice)
  t.eq({ r.status, #r.http_calls }, { 200, 0 })
  published = { ed2 }
  r = ask(tokens.bob)
  t.eq({ r.status, #r.http_calls }, { 200, 1 })
  r = ask(tokens.bob)
  t.eq({ r.status, #r.http_calls }, { 200, 0 })
  t.eq(ask(tokens.alice).status, 200, "the old key holds until the keys are fetched anew")
  t.advance("11m")
  t.eq(ask(tokens.alice).status, 401, "a key that was withdrawn counts no more")
end)

tide.test("a forger keeps the issuer no busier than once in 30 s", function(t)
  local g, calls = gateway(t, { jwks_url = URL }), 0
  for _ = 1, 20 do
    local r = g:chat { auth = tokens.forged_kid, http = { ["GET " .. URL] = { json = { keys = { ed1 } } } } }
    t.eq(r.status, 401)
    calls = calls + #r.http_calls
  end
  t.eq(calls, 2)
end)

tide.test("an issuer that is down: the last keys hold for a while", function(t)
  local g, up = gateway(t, { jwks_url = URL, keep = "1h" }), true
  local function ask()
    return g:chat { auth = tokens.alice, http = { ["GET " .. URL] = function()
      return up and { json = { keys = { ed1 } } } or { status = 503 }
    end } }
  end
  t.eq(ask().status, 200)
  up = false
  t.advance("11m")
  local r = ask()
  t.eq({ r.status, #r.http_calls }, { 200, 1 })
  t.eq(r.logs[1].message, "the issuer's keys cannot be had")
  t.advance("50m")
  r = ask()
  t.eq(r.status, 503)
  t.eq(r.error.code, "issuer_unavailable")
  for _ = 1, 20 do t.eq(#ask().http_calls, 0, "it is left alone for 5 s") end
  up = true
  t.advance("5s")
  t.eq(ask().status, 200)
end)

tide.test("many at once fetch the keys once", function(t)
  local g, calls = gateway(t, { jwks_url = URL }), 0
  t.concurrent(10, function()
    local r = g:chat { auth = tokens.alice, http = { ["GET " .. URL] = { json = { keys = { ed1 } } } } }
    t.eq(r.status, 200)
    calls = calls + #r.http_calls
  end)
  t.eq(calls, 1)
end)

tide.test("the keys come from one place", function(t)
  t.raises(function() gateway(t, {}) end, "give one of jwks_url")
  t.raises(function() gateway(t, { jwks = "jwks.json", public_key = RSA }) end, "give one of jwks_url")
  t.raises(function() gateway(t, { public_key = "no PEM" }) end, "public_key must be PEM")
  t.raises(function() gateway(t, { secret = "0123456789abcdef0123456789abcdef" }) end, "go with a secret")
  t.raises(function() gateway(t, { jwks = "jwks.json", algs = { "HS256" } }) end, "go with a secret")
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = {
    { use = "jwt-auth", config = { issuer = "https://login.example.com", audience = { "tidegate" }, jwks = "jwks.json" } },
    files = { ["jwks.json"] = { keys = { ed1, ed2 } } },
  },
  chat = { auth = tokens.alice },
}
