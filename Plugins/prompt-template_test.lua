local function sent(t, config, case)
  case.text = case.text or "Hi"
  return t.gateway { { use = "prompt-template", config = config } }:chat(case).sent
end

tide.test("a system prompt goes before and after the client's", function(t)
  local config = { system = { prepend = "You work for ACME.", append = "Be kind." } }
  t.eq(sent(t, config, { system = "Be brief." }).messages[1], {
    role = "system", content = "You work for ACME.\n\nBe brief.\n\nBe kind.",
  })
  t.eq(sent(t, config, {}).messages, {
    { role = "system", content = "You work for ACME.\n\nBe kind." }, { role = "user", content = "Hi" },
  })
end)

tide.test("the default stands in only where the client has none", function(t)
  local config = { system = { default = "Be brief." } }
  t.eq(sent(t, config, {}).messages[1].content, "Be brief.")
  t.eq(sent(t, config, { system = "Be long." }).messages[1].content, "Be long.")
end)

tide.test("the last user message is decorated, and no other", function(t)
  local messages = {
    { role = "user", content = "Hello" }, { role = "assistant", content = "Hello." }, { role = "user", content = "Why?" },
  }
  local config = { user = { prefix = "Question: ", suffix = "\n\nCite your sources." } }
  local found = sent(t, config, { messages = messages }).messages
  t.eq(found[1].content, "Hello")
  t.eq(found[#found].content, "Question: Hi\n\nCite your sources.")
end)

tide.test("only what changes is rewritten", function(t)
  local body = '{"messages": [{"role":"user","content":"Hi"}],"model":"m", "x":1.50}'
  local g = t.gateway { { use = "prompt-template", config = { user = { suffix = "!" } } } }
  t.eq(g:chat { body = body }.sent.raw, '{"messages": [{"role":"user","content":"Hi!"}],"model":"m", "x":1.50}')
  t.eq(t.gateway { { use = "prompt-template" } }:chat { body = body }.sent.raw, body)
end)

tide.test("it writes into the prompts of every dialect", function(t)
  for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
    local r = sent(t, { system = { prepend = "You work for ACME." }, user = { suffix = "!" } }, { dialect = dialect })
    t.eq(r.messages, { { role = "system", content = "You work for ACME." }, { role = "user", content = "Hi!" } })
  end
end)

-- What `tidegate policy bench` measures.
tide.bench {
  gateway = { { use = "prompt-template", config = { system = { prepend = "You work for ACME.", append = "Be kind." } } } },
  chat = { system = "Be brief.", text = "What is due?" },
}
