--- Answers by itself what has nothing to do with the subject.
--
--      - use: on-topic
--        config: { words: [boat, sail], reply: "I only know about sailing." }
--
--  A conversation is on topic once any message of its user begins a word with one of `words` (`sail` is in `sailing`), so
--  that "and why?" can follow. Everything else gets `reply`, as if the model had said it; no model is called.

---@type tide.Policy
return {
  version = "1.0.0", api = 1,
  schema = {
    words = { type = "array", items = { type = "string", min_len = 2 }, required = true, min_len = 1 },
    reply = { type = "string", required = true, min_len = 1 },
  },

  on_request = function(ctx, cfg)
    -- Completions and embeddings cannot be looked into.
    if not ctx.prompt then return tide.deny(404, { code = "not_supported", message = "Only chats are answered here." }) end
    for part in ctx.prompt:each_text { roles = { "user" } } do
      for word in part.text:lower():gmatch("[%w\128-\255]+") do
        for _, known in ipairs(cfg.words) do
          if word:sub(1, #known) == known:lower() then return nil end
        end
      end
    end
    return tide.respond { text = cfg.reply }
  end,
}
