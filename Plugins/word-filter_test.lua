local words = { colour = "color", grey = "gray", secret = "" }

local function answer(t, text, config)
  local g = t.gateway { { use = "word-filter", config = config or { words = words } } }
  return g:chat { upstream = { text = text } }
end

tide.test("whole words are replaced, in the case that they have", function(t)
  local r = answer(t, "The colour is grey. COLOUR! Colour, colours, discolour.")
  t.eq(r.text, "The color is gray. COLOR! Color, colours, discolour.")
  t.eq(r.status, 200)
  t.eq(r.finish, "stop")
  t.invariant(r)
end)

tide.test("an empty replacement removes the word", function(t)
  local r = answer(t, "a secret plan")
  t.eq(r.text, "a  plan")
  t.invariant(r)
end)

tide.test("capitals count when ignore_case is off", function(t)
  local r = answer(t, "grey Grey", { words = words, ignore_case = false })
  t.eq(r.text, "gray Grey")
  t.invariant(r, { only = { "deltas", "whole" } })
end)

tide.test("words of other scripts are words too", function(t)
  local r = answer(t, "die größe, Größe und grö\xC3\x9Fer", { words = { ["größe"] = "länge" } })
  t.eq(r.text, "die länge, Länge und größer")
  t.invariant(r, { only = { "deltas", "whole" } })
end)

tide.test("tool calls pass as they are", function(t)
  local g = t.gateway { { use = "word-filter", config = { words = words } } }
  local r = g:chat {
    tools = { "paint" },
    upstream = { text = "one grey wall", tool_calls = { { name = "paint", args = { colour = "grey" } } } },
  }
  t.eq(r.text, "one gray wall")
  t.eq(r.tool_calls, { { id = "call_1", name = "paint", args = { colour = "grey" }, args_raw = '{"colour":"grey"}' } })
  t.invariant(r)
end)

tide.test("phrases are replaced whole, the longest first", function(t)
  local r = answer(t, "ACME Corp's plan; Acme and acme corps", { words = { ["ACME Corp"] = "the company", ACME = "it" } })
  t.eq(r.text, "The company's plan; It and it corps")
  t.invariant(r)
end)

tide.test("an empty word is refused, and so are no words", function(t)
  t.raises(function() t.gateway { { use = "word-filter" } } end, "words is required")
  t.raises(function() t.gateway { { use = "word-filter", config = { words = { [""] = "x" } } } } end, "empty")
end)

-- What `tidegate policy bench` measures.
tide.bench { gateway = { { use = "word-filter", config = { words = words } } } }
