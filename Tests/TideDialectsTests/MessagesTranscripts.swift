/// Transcripts of Messages streams, written for these tests.
enum MessagesTranscripts {
  static func event(_ name: String, _ members: String) -> String {
    "event: \(name)\ndata: {\"type\":\"\(name)\"\(members)}\n\n"
  }

  static func delta(_ index: Int, _ delta: String) -> String {
    event("content_block_delta", ",\"index\":\(index),\"delta\":\(delta)")
  }

  static func text(_ index: Int, _ text: String) -> String {
    delta(index, "{\"type\":\"text_delta\",\"text\":\"\(text)\"}")
  }

  static func thinking(_ index: Int, _ text: String) -> String {
    delta(index, "{\"type\":\"thinking_delta\",\"thinking\":\"\(text)\"}")
  }

  static func json(_ index: Int, _ text: String) -> String {
    delta(index, "{\"type\":\"input_json_delta\",\"partial_json\":\"\(text)\"}")
  }

  static func start(_ index: Int, _ block: String) -> String {
    event("content_block_start", ",\"index\":\(index),\"content_block\":\(block)")
  }

  static func stop(_ index: Int) -> String { event("content_block_stop", ",\"index\":\(index)") }

  static func finish(_ reason: String, output: Int = 12) -> String {
    event(
      "message_delta",
      ",\"delta\":{\"stop_reason\":\"\(reason)\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":\(output)}")
  }

  static let emptyText = #"{"type":"text","text":""}"#
  static let emptyThinking = #"{"type":"thinking","thinking":"","signature":""}"#
  static let signature = #"{"type":"signature_delta","signature":"c2lnbmVk"}"#
  static let begin = event(
    "message_start",
    #","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":4,"cache_read_input_tokens":3,"output_tokens":1}}"#
  )
  static let ping = event("ping", "")
  static let end = event("message_stop", "")

  static let plain =
    begin + start(0, emptyText) + ping + text(0, "The sec") + text(0, "ret is") + ": keep-alive\n\n"
    + text(0, #" \u00e9\ud83d"#) + text(0, #"\ude00 \"ok\"\n"#) + text(0, "secret") + stop(0) + finish("end_turn") + end

  static let signed =
    begin + start(0, emptyThinking) + thinking(0, "Let me secret") + ping + thinking(0, " think") + delta(0, signature)
    + stop(0) + start(1, emptyText) + text(1, "Hi: é") + stop(1) + finish("end_turn") + end

  static let unsigned =
    begin + start(0, #"{"type":"thinking","thinking":""}"#) + thinking(0, "My sec") + thinking(0, "ret plan") + stop(0)
    + start(1, emptyText) + text(1, "Hi") + stop(1) + finish("max_tokens") + end

  static let tools =
    begin + start(0, emptyText) + text(0, "One secret") + stop(0)
    + start(1, #"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}"#) + json(1, "") + json(1, #"{\"a\": \"sec"#)
    + json(1, #"ret\"}"#) + stop(1) + start(2, #"{"type":"tool_use","id":"toolu_2","name":"g","input":{}}"#)
    + json(2, "{}") + stop(2) + finish("tool_use") + end

  static let cited =
    begin + start(0, #"{"type":"text","text":"","citations":[]}"#)
    + delta(0, #"{"type":"citations_delta","citation":{"type":"char_location","cited_text":"a secret"}}"#)
    + text(0, "it says") + stop(0) + start(1, #"{"type":"redacted_thinking","data":"eA=="}"#) + stop(1)
    + finish("end_turn") + end

  /// What some tests cut at `STOP`.
  static let halted =
    begin + start(0, emptyThinking) + thinking(0, "hm") + delta(0, signature) + stop(0) + start(1, emptyText)
    + text(1, "go on ") + text(1, "STOP here") + text(1, "never") + stop(1) + finish("end_turn") + end

  static let all = [plain, signed, unsigned, tools, cited, halted]
}
