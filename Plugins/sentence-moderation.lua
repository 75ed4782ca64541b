--- Asks a classifier about each sentence before the client sees it.
--
--      - use: sentence-moderation
--        config: { url: "http://127.0.0.1:9000/classify", token: "${CLASSIFIER_TOKEN}", action: mask }
--        failure: { on_segment: skip }
--
--  Each sentence goes to the classifier as { "input": "..." }, which answers { "flagged": true } or { "score": 0.93 }. Until
--  it has answered, the sentence is held and the upstream of this stream paused; every other stream flows. A flagged sentence
--  ends the answer (`action: cut`) or gives way to a text (`mask`). When the classifier fails, the answer ends too, unless
--  `failure` says `skip`: decide which of the two is worse for you. Equal sentences are asked about once in a while, not
--  once each.
--
--  Price: about 0.9 us a token, and the classifier's time (`tidegate policy bench` on an AMD EPYC).

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    url = { type = "url", required = true, doc = "where the classifier is; a private address may be named" },
    token = { type = "secret", doc = "sent as a bearer token" },
    threshold = { type = "number", default = 0.5, min = 0, max = 1, doc = "the score from which a sentence is flagged" },
    timeout = { type = "duration", default = "2s", min = "10ms", max = "30s" },
    remember = { type = "duration", default = "1m", max = "1h", doc = "for how long a verdict is kept" },
    action = { enum = { "cut", "mask" }, default = "cut" },
    with = { type = "string", default = "[removed]", doc = "what a masked sentence becomes" },
  },
  segment = { unit = "sentence", wait = true },

  on_lane = function(ctx, cfg) return { cfg = cfg } end,

  on_segment = function(s, sentence)
    local cfg = s.cfg
    if not sentence:find("%S") then return nil end
    local flagged, err = tide.once(tide.sha256(sentence), cfg.remember, function()
      local answer, problem = tide.http {
        url = cfg.url, auth = cfg.token, timeout = cfg.timeout, json = { input = sentence },
      }
      if problem then error("the classifier failed: " .. problem.message, 0) end
      local said = answer.json
      if answer.status ~= 200 or type(said) ~= "table" or (said.flagged == nil and type(said.score) ~= "number") then
        error("the classifier answered " .. answer.status .. " without flagged or score", 0)
      end
      return said.flagged == true or (said.score or 0) >= cfg.threshold
    end)
    if err then error(err.message, 0) end
    if not flagged then return nil end
    if cfg.action == "mask" then return cfg.with end
    return tide.cut { reason = "content_filter" }
  end,
}
