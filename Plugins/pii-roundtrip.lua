--- Keeps personal data from the model, and gives it back to the client.
--
--      - use: pii-roundtrip
--        config: { kinds: [email, iban], roles: [user, tool] }
--
--  In the prompt each find becomes a placeholder such as <EMAIL_1>, the same value always the same one, so that the
--  model can still tell people apart. In the answer the placeholders become the values again, streamed or not, wherever
--  the stream was cut, and in what the model calls tools with: `send_mail` gets the address. What the model names by
--  itself is masked in its text, as it came from nobody in this conversation; its tool calls keep it, to work with.
--
--  Looks at the text of messages, and at the arguments of tool calls that they repeat; of all roles unless `roles` says
--  which; not at images. Finds are certain ones: checksums of cards and accounts are verified, so a typing error is left
--  alone. A tool call is kept back until it is whole; one whose arguments are no JSON ends the answer.
--
--  Price: about 19 us a request that names two people, and 0.2 us a token (`tidegate policy bench` on an AMD EPYC).

local KINDS = { "email", "iban", "card", "phone", "ip", "key", "jwt", "pem" }

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    kinds = { type = "array", items = { enum = KINDS }, min_len = 1, default = { "email", "iban", "card", "phone" } },
    roles = { type = "array", items = { type = "string" }, doc = "whose messages; default: everybody's" },
    with = { type = "string", default = "[{kind}]", doc = "what stands for finds in the answer" },
  },
  -- A prompt may be long; its finds are looked for at some hundred megabytes a second.
  budgets = { on_request = { cpu = "200ms" } },

  on_request = function(ctx, cfg)
    ctx.prompt:mask { kinds = cfg.kinds, roles = cfg.roles, map = "pii" }
  end,

  filters = function(cfg)
    return {
      tide.filter.restore { map = "pii", channels = { "text", "tool_args" } },
      tide.filter.mask { kinds = cfg.kinds, with = cfg.with },
    }
  end,
}
