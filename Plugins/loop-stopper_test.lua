local piece = "I am sorry, I cannot say. "

local function answer(t, upstream, config)
  return t.gateway { { use = "loop-stopper", config = config } }:chat { upstream = upstream }
end

tide.test("an answer that goes in circles is ended where that shows", function(t)
  local r = answer(t, { text = "Let me think. " .. piece:rep(60) })
  t.eq(r.finish, "length")
  t.eq(r.text:sub(1, 40), "Let me think. I am sorry, I cannot say. ")
  t.ok(#r.text > 300 and #r.text < 800, "it ended after " .. #r.text .. " bytes")
  t.ok(r.attempts[1].reset, "the upstream was not told to stop")
end)

-- With two choices the first that goes in circles ends the answer, and so the other.
tide.test("it is ended at the same word wherever it is cut", function(t)
  local r = answer(t, { text = "Well: " .. ("no, "):rep(40) }, { bytes = 64 })
  t.eq(r.text, "Well: " .. ("no, "):rep(30))
  t.invariant(r, { except = { "choices" } })
end)

tide.test("one word over and over is a loop, in any script", function(t)
  for _, word in ipairs { "no ", "哈", "größer " } do
    local r = answer(t, { text = word:rep(1000) }, { reason = "stop" })
    t.eq(r.finish, "stop")
    t.ok(#r.text < 1000, word .. "ended after " .. #r.text .. " bytes")
  end
end)

tide.test("what only resembles itself passes", function(t)
  local rows = {}
  for i = 1, 60 do rows[i] = "| row " .. i .. " | done | ----- |" end
  local r = answer(t, { text = table.concat(rows, "\n") .. ("="):rep(500) })
  t.eq(r.text, table.concat(rows, "\n") .. ("="):rep(500))
  t.eq(r.finish, "stop")
end)

tide.test("a refrain is no loop until it comes often enough", function(t)
  local song = ("Row, row, row your boat, gently down the stream. "):rep(8)
  t.eq(answer(t, { text = song }, { times = 9 }).text, song)
  t.eq(answer(t, { text = song }, { times = 4 }).finish, "length")
end)

tide.test("a loop of thoughts ends the answer too", function(t)
  local r = answer(t, { reasoning = piece:rep(60), text = "Never said." })
  t.eq(r.finish, "length")
  t.eq(r.text, "")
end)

-- What `tidegate policy bench` measures.
tide.bench { gateway = { { use = "loop-stopper" } } }
