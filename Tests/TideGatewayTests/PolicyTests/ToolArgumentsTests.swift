import Testing

@testable import TideGateway

/// The channel `tool_args`: what policies make of the arguments of tool calls, in every dialect, streamed or not.
@Suite struct ToolArgumentsTests {
  private func passes(_ policy: String, _ body: String) throws {
    let test = try PolicyTestFolder.run(policy, Self.names + body)
    #expect(test.failure == nil, "\(test.failure?.message ?? "")")
  }

  /// For all tests: a call, and an answer with calls.
  private static let names = """
    local function call(args, name) return { name = name or "send", [type(args) == "table" and "args" or "args_raw"] = args } end
    -- Every cut of the deltas; bytes are cut in the tests of the shipped policy.
    local ways = { except = { "reads", "leaves", "breaks", "lines" } }
    local function ask(...) return t.gateway { { use = "p" } }:chat { upstream = { text = "Well. ", tool_calls = { ... } } } end\n
    """

  @Test func filtersChangeValuesAndKeepTheJSON() throws {
    try passes(
      #"""
      return { filters = { tide.filter.replace { words = { secret = 'say "no" \\ to\n\1 caf\u{e9}' }, channels = { "tool_args" } } } }
      """#,
      #"""
      local r = ask(call '{"secret": "a secret",\t"n":1.0, "b":["x","secr","et","\\u0073ecret"]}', call '{"x":1}')
      local made = [[say \"no\" \\ to\n\u0001 café]]
      local whole = ('{"secret": "a @",\t"n":1.0, "b":["x","secr","et","@"]}'):gsub("@", function() return made end)
      t.eq(r.tool_calls[1].args_raw, whole)
      t.eq(r.text, "Well. ")
      t.eq(r.finish, "tool_calls")
      t.eq(r.tool_calls[1].args.b[4], 'say "no" \\ to\n\1 café')
      t.eq(r.tool_calls[2].args.x, 1)
      t.invariant(r, ways)
      """#)
  }

  @Test func textIsNotSearchedForWhatIsMeantForArguments() throws {
    try passes(
      #"return { filters = { tide.filter.mask { kinds = { "email" }, with = "[{kind}]", channels = { "tool_args" } } } }"#,
      #"""
      local g = t.gateway { { use = "p" } }
      local r = g:chat { upstream = { text = "bob@example.com", tool_calls = { call { to = { "bob@example.com" } } } } }
      t.eq(r.text, "bob@example.com")
      t.eq(r.tool_calls[1].args.to[1], "[email]")
      t.invariant(r, ways)
      """#)
  }

  /// A whole answer ends before a call whose policy failed, as a stream does.
  @Test(arguments: ["openai", "openai-responses", "anthropic"])
  func aFailedJudgeThatSaysCutEndsTheAnswerBeforeTheCall(_ dialect: String) throws {
    try passes(
      #"""
      return { failure = { on_tool_call = "cut" },
        on_tool_call = function(ctx, cfg, call) if call.args.no then error("down") end end }
      """#,
      #"""
      for _, stream in ipairs { true, false } do
        local r = t.gateway { { use = "p" } }:chat { dialect = "\#(dialect)", stream = stream,
          upstream = { text = "Well. ", tool_calls = { call { x = "yes" }, call { no = true }, call { x = "behind" } } } }
        t.eq(r.status, 200)
        t.eq(r.text, "Well. ")
        t.eq(#r.tool_calls, 1)
        t.eq(r.tool_calls[1].args.x, "yes")
        t.eq(r.outcome, "cut")
        t.eq(r.error, nil)
        -- With two choices the second ends where the first one does.
        t.invariant(r, { except = { "choices", "reads", "leaves", "breaks", "lines" } })
      end
      """#)
  }

  /// Where no policy has asked for the text, the stream knows its choices and its model all the same.
  @Test func aStreamThatAJudgeEndsEndsWhole() throws {
    try passes(
      #"return { failure = { on_tool_call = "cut" }, on_tool_call = function() error("down") end }"#,
      #"""
      local r = t.gateway { { use = "p" } }:chat { n = 2, upstream = { text = "Well. ", tool_calls = { call {} } } }
      t.eq(r.texts, { "Well. ", "Well. " })
      for index = 0, 1 do
        t.ok(r.body:find('{"index":' .. index .. ',"delta":{},"finish_reason":"content_filter"}', 1, true), r.body)
      end
      t.ok(not r.body:find('"model":""', 1, true), r.body)
      """#)
  }

  @Test func aBlockEndsTheAnswerBeforeTheCall() throws {
    try passes(
      #"""
      return { filters = { tide.filter.block { patterns = { "AKIA[0-9A-Z]{16}" }, channels = { "tool_args" },
        on_match = function(s, match, lane)
          return tide.cut { text = "Blocked: " .. match.kind .. " in " .. lane.channel .. lane.block }
        end } } }
      """#,
      #"""
      local r = ask(call { x = "fine" }, call { deep = { { x = "key AKIAABCDEFGHIJKLMNOP" } } }, call { x = "behind" })
      t.ok(r.text:find("^Well. Blocked: "), r.text)
      t.ok(r.text:find("in tool_args1", 1, true), r.text)
      t.eq(r.finish, "content_filter")
      t.eq(#r.tool_calls, 1)
      t.eq(r.tool_calls[1].args.x, "fine")
      t.eq(r.outcome, "cut")
      t.invariant(r, { except = { "choices", "reads", "leaves", "breaks" } })
      """#)
  }

  @Test func everyHookOfLanesSeesArguments() throws {
    try passes(
      #"""
      return { channels = { "text", "tool_args" }, segment = { unit = "word" },
        on_lane = function(ctx, cfg, lane) return { mark = lane.channel:sub(1, 1) .. lane.block } end,
        on_token = function(s, text, lane) if text:find("drop") then return "" end end,
        on_segment = function(s, word, lane) if word == "one" then return s.mark end end,
        on_lane_end = function(s, lane) return "." end }
      """#,
      #"""
      local r = ask(call { a = "one two", b = "" }, call { a = { "one", "one" } }, call { a = "drop it" })
      t.eq(r.text, "Well. .")
      t.eq(r.tool_calls[1].args, { a = "t0 two.", b = "" })
      t.eq(r.tool_calls[2].args, { a = { "t1.", "t1." } })
      t.eq(r.tool_calls[3].args, { a = "." })
      t.invariant(r, ways)
      """#)
  }

  @Test func filtersRunBehindTheHookThatJudges() throws {
    try passes(
      #"""
      return { filters = { tide.filter.replace { words = { secret = "[x]" }, channels = { "tool_args" } } },
        on_tool_call = function(ctx, cfg, call)
          if call.name == "refuse" then return tide.tool { deny = "No." } end
          return tide.tool { name = call.name .. "2", args = { seen = call.args.a, made = "a secret" } }
        end }
      """#,
      #"""
      local r = ask(call({ a = "secret" }, "one"), call({ a = "secret" }, "refuse"))
      t.eq(#r.tool_calls, 1)
      t.eq(r.tool_calls[1].name, "one2")
      t.eq(r.tool_calls[1].args, { seen = "[x]", made = "a [x]" })
      t.eq(r.finish, "tool_calls")
      t.invariant(r, ways)
      """#)
  }

  @Test func aHookMayWaitForEachValue() throws {
    try passes(
      #"""
      return { channels = { "text", "tool_args" }, segment = { unit = "sentence", wait = true }, keep_text = true,
        on_segment = function(s, text, lane)
          tide.sleep(50)
          if text:find("bad") then return tide.cut { text = "Stop." } end
          return (text:gsub("one", "two"))
        end,
        on_log = function(ctx) ctx:log("info", ctx.response.text) end }
      """#,
      #"""
      local r = ask(call { a = "one. one", b = { "one" } }, call { c = "one" })
      t.eq(r.text, "Well. ")
      t.eq(r.tool_calls[1].args, { a = "two. two", b = { "two" } })
      t.eq(r.tool_calls[2].args, { c = "two" })
      t.invariant(r, { only = { "deltas", "whole", "choices", "tools" }, random = 1 })

      r = ask(call { a = "one" }, call { a = "one", b = "It is bad. one" }, call { a = "one" })
      t.eq(r.text, "Well. Stop.")
      t.eq(r.finish, "content_filter")
      t.eq(#r.tool_calls, 1)
      t.eq(r.logs[#r.logs].message, "Well. Stop.")
      t.invariant(r, { only = { "deltas", "whole", "tools" }, random = 1 })

      -- The judge of the call waits as well, and the text behind it is held until then.
      local judge = [[return { on_tool_call = function(ctx, cfg, call) tide.sleep(120) if call.args.no then error("no") end end,
        failure = { on_tool_call = "cut" } }]]
      local g = t.gateway { { use = "p" }, { use = "judge", source = judge } }
      r = g:chat { upstream = { chunks = { "One", " more" }, tool_calls = { call { a = "one" }, call { a = "one" } } } }
      t.eq(r.text, "One more")
      t.eq(r.tool_calls[2].args.a, "two")
      t.invariant(r, { only = { "deltas", "whole", "tools" }, random = 1 })
      r = g:chat { upstream = { chunks = { "one", " is bad. Stopped" }, tool_calls = { call { a = "one" } } } }
      t.eq(r.text, "Stop.")
      r = g:chat { stream = true, upstream = { chunks = { "one", " more" }, tool_calls = { call { no = "one" } } } }
      t.eq(r.text, "two more")
      t.eq(r.finish, "content_filter")
      t.eq(#r.tool_calls, 0)
      """#)
  }

  @Test func aCallEndsTheAnswerOnceWhatStandsBeforeItHasGone() throws {
    try passes(
      #"""
      return { segment = { unit = "sentence", wait = true }, failure = { on_tool_call = "cut" },
        on_segment = function(s, text) tide.sleep("10ms") end,
        on_tool_call = function(ctx, cfg, call)
          if call.name == "first" then return tide.tool { deny = "No first. " } end
          error("broken")
        end }
      """#,
      #"""
      local r = ask(call({ x = 1 }, "first"), call({ x = 2 }, "second"))
      t.eq(r.text, "Well. No first. ")
      t.eq(r.finish, "content_filter")
      t.eq(#r.tool_calls, 0)
      t.invariant(r, { only = { "deltas", "lines" }, random = 1 })
      """#)
  }

  @Test func whatACutSaysIsKeptBehindTheText() throws {
    try passes(
      #"""
      return { channels = { "text", "tool_args" }, segment = { unit = "lane" }, keep_text = true,
        on_segment = function(s, text, lane)
          if lane.channel == "tool_args" then return tide.cut { text = "Stop.", reason = "stop" } end
        end,
        on_log = function(ctx) ctx:log("info", ctx.response.text) end }
      """#,
      #"""
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        for _, stream in ipairs { true, false } do
          local g = t.gateway { { use = "p" } }
          local r = g:chat { dialect = dialect, stream = stream, upstream = { text = "Well. ", tool_calls = { call { a = "x" } } } }
          t.eq(r.text, "Well. Stop.")
          t.eq(r.logs[#r.logs].message, r.text)
        end
      end
      """#)
  }

  @Test func aFailureLetsNoCallThrough() throws {
    let policy = #"""
      return { channels = { "tool_args" }, on_token = function(s, text) if text == "bad" then error("broken") end end,
      """#
    let body = #"""
      local r = ask(call { a = "fine" }, call { a = "bad" })
      """#
    try passes(
      policy + "}",
      body + """
        t.eq(r.finish, "content_filter")
        t.eq(#r.tool_calls, 1)
        t.invariant(r, { except = { "choices", "reads", "leaves", "breaks" } })
        """)
    try passes(policy + "failure = { on_token = 'skip' } }", body + "t.eq(#r.tool_calls, 2)\nt.invariant(r, ways)")
    try passes(
      policy + "failure = { on_token = 'deny' } }",
      #"""
      local r = t.gateway { { use = "p" } }:chat { stream = false, upstream = { tool_calls = { call { a = "bad" } } } }
      t.eq(r.status, 503)
      t.eq(#r.tool_calls, 0)
      """#)
  }

  @Test func argumentsThatAreNoJSONEndTheAnswer() throws {
    try passes(
      #"return { filters = { tide.filter.replace { words = { a = "b" }, channels = { "tool_args" } } } }"#,
      #"""
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        for _, raw in ipairs { '{"a":"x', '{"a":"x"}}', "nonsense", '{"a":' .. ("["):rep(80) .. ("]"):rep(80) .. "}" } do
          for _, stream in ipairs { true, false } do
            -- A whole message has its arguments as JSON of its own.
            if stream or dialect ~= "anthropic" then
              local g = t.gateway { { use = "p" } }
              local r = g:chat { dialect = dialect, stream = stream, upstream = { text = "Well.", tool_calls = { call(raw) } } }
              t.eq(r.status, stream and 200 or 502)
              t.ok(r.error.message:find("arguments that are not valid JSON", 1, true), r.error.message)
              t.eq(#r.tool_calls, 0)
              if stream then t.eq(r.text, "Well.") end
            end
          end
        end
      end
      """#)
  }

  @Test func callsWithoutArgumentsPass() throws {
    try passes(
      #"return { filters = { tide.filter.replace { words = { a = "b" }, channels = { "tool_args" } } } }"#,
      #"""
      local g = t.gateway { { use = "p" } }
      local r = g:chat { upstream = { tool_calls = { call "{}" } } }
      t.eq(#r.tool_calls, 1)
      t.invariant(r, ways)
      r = g:chat { upstream = { tool_calls = { call "" } } }
      t.eq(#r.tool_calls, 1)
      """#)
  }

  @Test func limitsCountArgumentsWhereTheySay() throws {
    try passes(
      #"return { filters = { tide.filter.limit { output_tokens = 3, channels = { "tool_args" } } } }"#,
      #"""
      local r = ask(call { a = "one two" }, call { a = "three four five six" })
      t.eq(r.finish, "length")
      t.eq(#r.tool_calls, 1)
      """#)
  }

  /// Once, as they leave: neither what a policy sees of them, nor a call that it takes out.
  @Test func budgetsCountArgumentsAsTheyLeave() throws {
    try passes(
      #"""
      return { channels = { "tool_args" }, on_token = function() end,
        on_tool_call = function(ctx, cfg, call) if call.args.no then return tide.tool { deny = "" } end end,
        on_request = function(ctx) tide.limit.tokens(ctx.model, { tokens = 2600, per = "1h", count = "output", estimate = 10 }) end }
      """#,
      #"""
      local long = ("word "):rep(2000)
      for _, dialect in ipairs { "openai", "openai-responses", "anthropic" } do
        for number, stream in ipairs { true, false } do
          local r = t.gateway { { use = "p" } }:chat { dialect = dialect, stream = stream,
            upstream = { tool_calls = { call { a = long, no = true }, call { a = long }, call { a = long } } } }
          -- A stream may have announced the second, of which it sends nothing.
          local whole = 0
          for _, one in ipairs(r.tool_calls) do
            if type(one.args) == "table" and one.args.a then
              whole = whole + 1
              t.eq(one.args.a, long)
            end
          end
          t.eq(whole, 1, dialect .. tostring(stream))
          t.eq(r.finish, "length")
          t.eq(r.outcome, "cut")
        end
      end
      """#)
  }
}
