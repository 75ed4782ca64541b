local function gateway(t)
  return t.gateway { { use = "on-topic", config = { words = { "boat", "sail" }, reply = "Only sailing, please." } } }
end

tide.test("what is on topic goes to the model", function(t)
  local r = gateway(t):chat { text = "Why do Sailors sing?", upstream = { text = "To keep time." } }
  t.eq(r.text, "To keep time.")
end)

tide.test("what is not gets the reply, and no model is called", function(t)
  local r = gateway(t):chat { text = "Write my homework." }
  t.eq(r.text, "Only sailing, please.")
  t.eq(r.finish, "stop")
  t.eq(#r.attempts, 0)
  t.invariant(r, { only = { "whole" } })
end)

tide.test("a word in the middle of another does not count", function(t)
  t.eq(#gateway(t):chat { text = "An assailant!" }.attempts, 0)
end)

tide.test("a conversation that is on topic stays so", function(t)
  local messages = {
    { role = "user", content = "Is a boat a ship?" }, { role = "assistant", content = "No." }, { role = "user", content = "And why?" },
  }
  t.eq(#gateway(t):chat { messages = messages }.attempts, 1)
end)

tide.test("what cannot be looked into is refused", function(t)
  t.eq(gateway(t):chat { path = "/v1/completions", json = { model = "m", prompt = "homework" } }.status, 404)
end)
