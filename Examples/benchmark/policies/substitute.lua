--- Looks every word up and replaces some: the price of whole words in Lua, where word-filter has them looked for in compiled code.
return {
  segment = { unit = "word" },
  on_lane = function() return { dolor = "pain", magna = "great", sit = "stand" } end,
  on_segment = function(s, word) return s[word] end,
}
