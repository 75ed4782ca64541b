/// Transcripts of Responses streams, written for these tests. Sequence numbers are counted as events are put together.
struct ResponsesTranscripts {
  private var sequence = 0
  private(set) var text = ""

  mutating func event(_ name: String, _ members: String) {
    text += "event: \(name)\ndata: {\"type\":\"\(name)\"\(members),\"sequence_number\":\(sequence)}\n\n"
    sequence += 1
  }

  mutating func comment() { text += ": keep-alive\n\n" }

  static func response(_ status: String, output: String = "", more: String = "", usage: Bool = false) -> String {
    let tokens =
      usage
      ? #"{"input_tokens":9,"input_tokens_details":{"cached_tokens":3},"output_tokens":12,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":21}"#
      : "null"
    return
      ",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":7,\"status\":\"\(status)\",\"error\":null,\"incomplete_details\":null,\"instructions\":null,\"model\":\"m\",\"output\":[\(output)],\"tools\":[]\(more),\"usage\":\(tokens)}"
  }

  static func message(_ parts: String, id: String = "msg_1", status: String = "completed") -> String {
    "{\"id\":\"\(id)\",\"type\":\"message\",\"status\":\"\(status)\",\"content\":[\(parts)],\"role\":\"assistant\"}"
  }

  static func part(_ text: String, annotations: String = "", logprobs: String = "") -> String {
    "{\"type\":\"output_text\",\"annotations\":[\(annotations)],\"logprobs\":[\(logprobs)],\"text\":\"\(text)\"}"
  }

  mutating func begin() {
    event("response.created", Self.response("in_progress"))
    event("response.in_progress", Self.response("in_progress"))
  }

  mutating func end(_ output: String, status: String = "completed", more: String = "") {
    event("response.\(status)", Self.response(status, output: output, more: more, usage: true))
  }

  /// A message of one text, delta by delta.
  mutating func message(_ deltas: [String], index: Int = 0, id: String = "msg_1") -> String {
    let place = ",\"item_id\":\"\(id)\",\"output_index\":\(index),\"content_index\":0"
    let whole = deltas.joined()
    event(
      "response.output_item.added",
      ",\"output_index\":\(index),\"item\":\(Self.message("", id: id, status: "in_progress"))")
    event("response.content_part.added", place + ",\"part\":\(Self.part(""))")
    for delta in deltas { event("response.output_text.delta", place + ",\"delta\":\"\(delta)\",\"logprobs\":[]") }
    event("response.output_text.done", place + ",\"text\":\"\(whole)\",\"logprobs\":[]")
    event("response.content_part.done", place + ",\"part\":\(Self.part(whole))")
    let item = Self.message(Self.part(whole), id: id)
    event("response.output_item.done", ",\"output_index\":\(index),\"item\":\(item)")
    return item
  }

  /// A function call, its arguments delta by delta; without deltas only their end tells them.
  mutating func call(_ deltas: [String], whole: String, index: Int) -> String {
    let place = ",\"item_id\":\"fc_\(index)\",\"output_index\":\(index)"
    let item = { (arguments: String, status: String) in
      "{\"id\":\"fc_\(index)\",\"type\":\"function_call\",\"status\":\"\(status)\",\"arguments\":\"\(arguments)\",\"call_id\":\"call_1\",\"name\":\"f\"}"
    }
    event("response.output_item.added", ",\"output_index\":\(index),\"item\":\(item("", "in_progress"))")
    for delta in deltas { event("response.function_call_arguments.delta", place + ",\"delta\":\"\(delta)\"") }
    event("response.function_call_arguments.done", place + ",\"arguments\":\"\(whole)\"")
    event("response.output_item.done", ",\"output_index\":\(index),\"item\":\(item(whole, "completed"))")
    return item(whole, "completed")
  }

  /// A reasoning item with one summary.
  mutating func reasoning(_ deltas: [String], index: Int) -> String {
    let place = ",\"item_id\":\"rs_1\",\"output_index\":\(index),\"summary_index\":0"
    let whole = deltas.joined()
    let item = { (summary: String) in
      "{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[\(summary)],\"encrypted_content\":\"eA==\"}"
    }
    let part = { (text: String) in "{\"type\":\"summary_text\",\"text\":\"\(text)\"}" }
    event("response.output_item.added", ",\"output_index\":\(index),\"item\":\(item(""))")
    event("response.reasoning_summary_part.added", place + ",\"part\":\(part(""))")
    for delta in deltas { event("response.reasoning_summary_text.delta", place + ",\"delta\":\"\(delta)\"") }
    event("response.reasoning_summary_text.done", place + ",\"text\":\"\(whole)\"")
    event("response.reasoning_summary_part.done", place + ",\"part\":\(part(whole))")
    event("response.output_item.done", ",\"output_index\":\(index),\"item\":\(item(part(whole)))")
    return item(part(whole))
  }

  static let plain = make { stream in
    let item = stream.message(["The sec", "ret is", #" \u00e9\ud83d"#, #"\ude00 \"ok\"\n"#, "secret"])
    stream.comment()
    stream.end(item)
  }

  static let reasoned = make { stream in
    let thought = stream.reasoning(["Let me sec", "ret think"], index: 0)
    let place = #","item_id":"msg_1","output_index":1,"content_index":0"#
    let refusal = #"{"type":"refusal","refusal":"no secret"}"#
    stream.event(
      "response.output_item.added", #","output_index":1,"item":"# + message("", status: "in_progress"))
    stream.event("response.content_part.added", place + #","part":{"type":"refusal","refusal":""}"#)
    stream.event("response.refusal.delta", place + #","delta":"no secret""#)
    stream.event("response.refusal.done", place + #","refusal":"no secret""#)
    stream.event("response.content_part.done", place + #","part":"# + refusal)
    stream.event("response.output_item.done", #","output_index":1,"item":"# + message(refusal))
    stream.end(thought + "," + message(refusal))
  }

  static let tools = make { stream in
    let text = stream.message(["One secret"])
    let call = stream.call([#"{\"a\":"#, #"\"secret\"}"#], whole: #"{\"a\":\"secret\"}"#, index: 1)
    let silent = stream.call([], whole: "{}", index: 2)
    stream.end([text, call, silent].joined(separator: ","))
  }

  /// Padding, log probabilities and annotations, of which the second overlaps the word that some tests replace.
  static let annotated = make { stream in
    let annotations = [
      #"{"type":"url_citation","start_index":0,"end_index":3,"url":"u"}"#,
      #"{"type":"url_citation","start_index":4,"end_index":9,"url":"v"}"#,
    ]
    let place = #","item_id":"msg_1","output_index":0,"content_index":0"#
    let logprobs = #"{"token":"abc","logprob":-1}"#
    stream.event("response.output_item.added", #","output_index":0,"item":"# + message("", status: "in_progress"))
    stream.event("response.content_part.added", place + ",\"part\":" + part(""))
    stream.event(
      "response.output_text.delta",
      place + ",\"delta\":\"abc secret\",\"logprobs\":[\(logprobs)],\"obfuscation\":\"xyz\"")
    stream.event("response.output_text.delta", place + #","delta":" end","logprobs":[]"#)
    for (index, annotation) in annotations.enumerated() {
      stream.event(
        "response.output_text.annotation.added", place + ",\"annotation_index\":\(index),\"annotation\":\(annotation)")
    }
    let whole = part("abc secret end", annotations: annotations.joined(separator: ","), logprobs: logprobs)
    stream.event(
      "response.output_text.done", place + ",\"text\":\"abc secret end\",\"logprobs\":[\(logprobs)]")
    stream.event("response.content_part.done", place + ",\"part\":" + whole)
    stream.event("response.output_item.done", #","output_index":0,"item":"# + message(whole))
    stream.end(message(whole), status: "incomplete", more: #","output_text":"abc secret end""#)
  }

  /// What some backends send: texts that only their end tells, or only the item, or only the whole response.
  static let terse = make { stream in
    let place = #","item_id":"msg_1","output_index":0,"content_index":0"#
    stream.event("response.output_item.added", #","output_index":0,"item":"# + message("", status: "in_progress"))
    stream.event("response.output_text.done", place + #","text":"first secret","logprobs":[]"#)
    stream.event("response.output_item.done", #","output_index":0,"item":"# + message(part("first secret")))
    let second = message(part("second secret"), id: "msg_2")
    stream.event(
      "response.output_item.added",
      #","output_index":1,"item":"# + message("", id: "msg_2", status: "in_progress"))
    stream.event("response.output_item.done", #","output_index":1,"item":"# + second)
    let third = message(part("third secret"), id: "msg_3")
    stream.end([message(part("first secret")), second, third].joined(separator: ","))
  }

  /// What some tests cut at `STOP`.
  static let halted = make { stream in
    let thought = stream.reasoning(["hm"], index: 0)
    let item = stream.message(["go on ", "STOP here", "never"], index: 1)
    stream.end(thought + "," + item)
  }

  static let all = [plain, reasoned, tools, annotated, terse, halted]

  static func make(_ body: (inout ResponsesTranscripts) -> Void) -> String {
    var stream = ResponsesTranscripts()
    stream.begin()
    body(&stream)
    return stream.text
  }
}
