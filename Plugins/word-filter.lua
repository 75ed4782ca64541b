--- Replaces words in what the model says, and only whole ones.
--
--      - use: word-filter
--        config: { words: { colour: color, Mumbai: Bombay }, ignore_case: true }
--
--  Runs over words rather than tokens, so a word that arrives in two pieces is still one word, and `colours` is not
--  `colour`. With `ignore_case` the replacement takes the capitals of what it replaces: Colour -> Color, COLOUR ->
--  COLOR.
--
--  Price: about 0.6 us a token, of which 0.15 decode the text (`tidegate policy bench` on an AMD EPYC).

local lower, upper, sub = string.lower, string.upper, string.sub

-- `to` with the capitals of `word`.
local function shaped(word, to)
  if #word > 1 and word == upper(word) and word ~= lower(word) then return upper(to) end
  local first = sub(word, 1, 1)
  return first == lower(first) and to or upper(sub(to, 1, 1)) .. sub(to, 2)
end

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    words = { type = "map", values = { type = "string" }, required = true, doc = "word to replacement; \"\" removes it" },
    ignore_case = { type = "boolean", default = true, doc = "match any capitals and keep those of the answer" },
  },
  segment = { unit = "word" },

  on_load = function(cfg)
    cfg.lookup = {}
    for word, to in pairs(cfg.words) do
      if word:find("[^%w_'\128-\255]") then error("words: '" .. word .. "' is not a single word", 0) end
      cfg.lookup[cfg.ignore_case and lower(word) or word] = to
    end
  end,

  on_lane = function(ctx, cfg) return { words = cfg.lookup, fold = cfg.ignore_case } end,

  on_segment = function(s, word)
    if not s.fold then return s.words[word] end
    local to = s.words[lower(word)]
    return to and shaped(word, to)
  end,
}
