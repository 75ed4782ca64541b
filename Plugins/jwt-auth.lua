--- Lets in who shows a JSON web token of an issuer that you trust, and says who that is.
--
--      - use: jwt-auth
--        config:
--          issuer: https://login.example.com
--          audience: [tidegate]
--          jwks_url: https://login.example.com/.well-known/jwks.json
--
--  The keys come from one of four places: `jwks_url`, fetched and kept for `refresh`; `jwks`, a file of keys, which is watched;
--  `public_key`, a key in PEM; `secret`, for issuers that sign with HMAC (say `algs: [HS256]`). A token that none of the fetched keys fits
--  has them fetched again, at most every 30 s, so that a new key counts at once and a forger cannot keep the issuer busy. While the issuer
--  does not answer, it is asked at most every 5 s, and its last keys hold for `keep`, and until they are fetched anew; where there are none,
--  nobody is let in (503).
--
--  Signature, `exp`, `nbf`, `iss` and `aud` are checked. `key_id`, `tenant` and `user` name the claims that the identity is made of, and a
--  token without the first of them is refused (issuers that give programs no `sub` mostly give `client_id`). Policies behind this one find
--  all claims in `ctx.auth.claims`. A credential that is no web token is left to other policies.
--
--  Price: about 0.23 ms a request, most of it an Ed25519 signature (`tidegate policy bench` on an AMD EPYC).

-- The issuer's keys, or its last ones while it does not answer.
local function fetch(cfg)
  local url = cfg.jwks_url
  if not tide.shared.get("failed " .. url) then
    local r, err = tide.http { url = url, timeout = "5s", max_body = "64KiB" }
    local set = r and r.status == 200 and r.json
    if type(set) == "table" and type(set.keys) == "table" and #set.keys > 0 then
      tide.shared.set("keys " .. url, r.body, { ttl = cfg.keep })
      return set
    end
    tide.shared.set("failed " .. url, true, { ttl = "5s" })
    tide.log("warning", "the issuer's keys cannot be had", { reason = err and err.message or "status " .. r.status })
  end
  local last = tide.shared.get("keys " .. url)
  return last and tide.json.decode(last)
end

local function keys(cfg, name, time)
  return tide.once(name, time, function() return fetch(cfg) end)
end

local function refused(err)
  local message = err.code == "expired" and "The access token has expired." or "The access token is not valid."
  return tide.deny(401, {
    code = "invalid_token", message = message, headers = { ["www-authenticate"] = 'Bearer error="invalid_token"' },
  })
end

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  budgets = { on_auth = { wall = "8s" } },
  schema = {
    issuer = { type = "string", required = true, doc = "the claim iss" },
    audience = { type = "array", items = { type = "string" }, required = true, min_len = 1, doc = "one of them must be in aud" },
    algs = { type = "array", default = { "RS256", "ES256", "EdDSA" }, items = { enum = {
      "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512",
    } } },
    jwks_url = { type = "url" },
    jwks = { type = "file", doc = "{ keys: [...] }, as the issuer publishes it" },
    public_key = { type = "string", doc = "PEM" },
    secret = { type = "secret" },
    refresh = { type = "duration", default = "10m", min = "1m" },
    keep = { type = "duration", default = "24h" },
    leeway = { type = "duration", default = "30s", max = "10m", doc = "by which clocks may differ" },
    key_id = { type = "string", default = "sub" }, tenant = { type = "string", default = "tenant" },
    user = { type = "string", default = "sub" },
  },

  on_load = function(cfg)
    local places = 0
    for _, name in ipairs { "jwks_url", "jwks", "public_key", "secret" } do
      if cfg[name] ~= nil then places = places + 1 end
    end
    if places ~= 1 then error("give one of jwks_url, jwks, public_key and secret", 0) end
    if cfg.public_key and not cfg.public_key:find("-----BEGIN PUBLIC KEY-----", 1, true) then
      error("public_key must be PEM: -----BEGIN PUBLIC KEY-----", 0)
    end
    for _, alg in ipairs(cfg.algs) do
      if (alg:sub(1, 2) == "HS") ~= (cfg.secret ~= nil) then error("algs: HS256, HS384 and HS512 go with a secret, the others with keys", 0) end
    end
  end,

  on_auth = function(ctx, cfg)
    local token = ctx.request.credential
    if not token or not token:find("^eyJ[%w_-]*%.[%w_-]*%.[%w_-]*$") then return nil end
    local rules = { algs = cfg.algs, iss = cfg.issuer, aud = cfg.audience, leeway = cfg.leeway, secret = cfg.secret }
    if not cfg.secret then
      rules.keys = cfg.jwks or cfg.public_key or keys(cfg, "keys", cfg.refresh)
      if not rules.keys then
        return tide.deny(503, { code = "issuer_unavailable", message = "Access tokens cannot be checked now.", retry_after = "5s" })
      end
    end
    local claims, err = tide.jwt.verify(token, rules)
    if not claims and cfg.jwks_url and (err.code == "unknown_key" or err.code == "bad_signature") then
      rules.keys = keys(cfg, "keys again", "30s") or rules.keys
      claims, err = tide.jwt.verify(token, rules)
    end
    if not claims then return refused(err) end
    local function claim(name) return type(claims[name]) == "string" and claims[name] or nil end
    local key_id = claim(cfg.key_id)
    -- Limits and logs go by it: nobody passes without one.
    if not key_id then
      ctx:log("info", "an access token has no claim that could be the key_id", { claim = cfg.key_id })
      return refused { code = "missing_claim" }
    end
    return tide.identity {
      key_id = key_id, tenant = claim(cfg.tenant), user = claim(cfg.user), claims = claims,
    }
  end,
}
