/// Transcripts of streams, written for these tests.
enum Transcripts {
  static func event(_ choices: String, more: String = "") -> String {
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[\(choices)]\(more)}\n\n"
  }

  static func delta(_ delta: String, choice: Int = 0, finish: String = "null", more: String = "") -> String {
    event("{\"index\":\(choice),\"delta\":\(delta),\"finish_reason\":\(finish)}", more: more)
  }

  static let done = "data: [DONE]\n\n"
  static let usage = event(
    "",
    more:
      ",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21,\"prompt_tokens_details\":{\"cached_tokens\":3},\"completion_tokens_details\":{\"reasoning_tokens\":2}}"
  )

  static let plain =
    delta(#"{"role":"assistant","content":""}"#) + delta(#"{"content":"The sec"}"#) + delta(#"{"content":"ret is"}"#)
    + ": keep-alive\n\n" + delta(#"{"content":" \u00e9\ud83d"}"#) + delta(#"{"content":"\ude00 \"ok\"\n"}"#)
    + delta(#"{"content":"secret"}"#) + delta("{}", finish: "\"stop\"") + usage + done

  static let reasoning =
    delta(#"{"role":"assistant","reasoning_content":"Let me secret"}"#) + delta(#"{"reasoning_content":" think"}"#)
    + delta(#"{"content":"Hi: é"}"#) + delta(#"{"refusal":"no secret"}"#) + delta("{}", finish: "\"stop\"") + done

  static let choices =
    delta(#"{"role":"assistant","content":"a"}"#) + delta(#"{"role":"assistant","content":"b sec"}"#, choice: 1)
    + delta(#"{"content":" sec"}"#) + delta(#"{"content":"ret"}"#, choice: 1)
    + delta("{}", choice: 1, finish: "\"stop\"")
    + delta(#"{"content":"ret x"}"#) + delta("{}", finish: "\"length\"") + done

  static let tools =
    delta(#"{"role":"assistant","content":null}"#)
    + delta(#"{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}"#)
    + delta(#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#)
    + delta(#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#) + delta("{}", finish: "\"tool_calls\"")
    + done

  static let padded =
    event(
      #"{"index":0,"delta":{"content":"hello secret","x":null},"logprobs":{"content":[{"token":"hello"}]},"finish_reason":null}"#,
      more: #","service_tier":"default","obfuscation":"abc""#) + delta("{}", finish: "\"stop\"") + done

  static let all = [plain, reasoning, choices, tools, padded]
}
