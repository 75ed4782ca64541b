local function gateway(t, config) return t.gateway { { use = "pii-roundtrip", config = config } } end

tide.test("the model sees placeholders and the client its own words", function(t)
  local r = gateway(t):chat {
    text = "mail bob@example.com from DE89 3704 0044 0532 0130 00, bob@example.com!",
    upstream = { text = "ok, <EMAIL_1> (<IBAN_1>); not <EMAIL_2>" },
  }
  t.eq(r.sent.text, "mail <EMAIL_1> from <IBAN_1>, <EMAIL_1>!")
  t.eq(r.text, "ok, bob@example.com (DE89 3704 0044 0532 0130 00); not <EMAIL_2>")
  t.invariant(r)
end)

tide.test("what the model names by itself is masked", function(t)
  local r = gateway(t, { with = "(a secret {kind})" }):chat {
    text = "who is <EMAIL_1>?", upstream = { text = "eve@example.com, I think" },
  }
  t.eq(r.sent.text, "who is <EMAIL_1>?")
  t.eq(r.text, "(a secret email), I think")
  t.invariant(r)
end)

tide.test("tools are called with the client's own words", function(t)
  local r = gateway(t):chat {
    text = "tell bob@example.com",
    upstream = { tool_calls = { { name = "send", args = { to = { "<EMAIL_1>" }, cc = "eve@example.com, <EMAIL_2>" } } } },
  }
  t.eq(r.tool_calls[1].args, { to = { "bob@example.com" }, cc = "eve@example.com, <EMAIL_2>" })
  t.eq(r.finish, "tool_calls")
  t.invariant(r, { except = { "reads" } })
end)

tide.test("the model does not see in its own calls what the client got of them", function(t)
  local function call(args) return { { id = "a", type = "function", ["function"] = { name = "send", arguments = args } } } end
  local said = "call me <EMAIL_1>"
  local r = gateway(t):chat {
    messages = {
      said, { role = "assistant", content = "", tool_calls = call '{"to": "bob@example.com","n":1.0}' },
      { role = "tool", tool_call_id = "a", content = "sent to carl@example.com, bob@example.com" },
    },
    upstream = { text = "done: <EMAIL_2>", tool_calls = { { name = "send", args = { to = "<EMAIL_3>" } } } },
  }
  t.eq(r.sent.body.messages[2].tool_calls, call '{"to": "<EMAIL_2>","n":1.0}')
  t.eq(r.sent.body.messages[3].content, "sent to <EMAIL_3>, <EMAIL_2>")
  t.eq(r.text, "done: bob@example.com")
  t.eq(r.tool_calls[1].args.to, "carl@example.com")
end)

tide.test("kinds and roles choose what is hidden", function(t)
  local r = gateway(t, { kinds = { "ip" }, roles = { "user" } }):chat {
    system = "You run on 192.0.2.7.", text = "ping 192.0.2.1 for bob@example.com", upstream = { text = "<IP_1> is up" },
  }
  t.eq(r.sent.messages, {
    { role = "system", content = "You run on 192.0.2.7." }, { role = "user", content = "ping <IP_1> for bob@example.com" },
  })
  t.eq(r.text, "192.0.2.1 is up")
end)

tide.test("numbers whose checksums are wrong are left alone", function(t)
  local text = "card 4111 1111 1111 1112, account DE00 3704 0044 0532 0130 00"
  t.eq(gateway(t):chat { text = text }.sent.text, text)
end)

tide.test("exchanges do not share their values", function(t)
  local g = gateway(t)
  g:chat { text = "I am alice@example.com" }
  local r = g:chat { text = "I am bob@example.com", upstream = { text = "Hello <EMAIL_1>" } }
  t.eq(r.text, "Hello bob@example.com")
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "pii-roundtrip" } },
  chat = { text = "mail bob@example.com from DE89 3704 0044 0532 0130 00, bob@example.com!" },
}
