import TidePolicy

/// Anthropic's Messages.
extension ReceivedAnswer {
  mutating func readMessage(_ json: PolicyValue) {
    guard let blocks = json["content"]?.elements else { return breach("the body has no content") }
    for block in blocks { readBlock(block) }
    choices[0].finish = json["stop_reason"]?.text.map(Self.finish(ofStopReason:))
    if choices[0].finish == nil { breach("the message has no stop_reason") }
    readMessageUsage(json["usage"])
  }

  private mutating func readBlock(_ block: PolicyValue) {
    switch block["type"]?.text {
    case "text": choices[0].text += block["text"]?.text ?? ""
    case "thinking": choices[0].reasoning += block["thinking"]?.text ?? ""
    case "tool_use":
      choices[0].toolCalls.append(
        ToolCall(
          id: block["id"]?.text ?? "", name: block["name"]?.text ?? "",
          arguments: block["input"]?.json(emptyIsMap: true) ?? ""))
    default: break
    }
  }

  fileprivate mutating func readMessageUsage(_ told: PolicyValue?) {
    guard let told, told.entries != nil else { return }
    var known = usage ?? Usage()
    known.input = told["input_tokens"]?.wholeNumber ?? known.input
    known.output = told["output_tokens"]?.wholeNumber ?? known.output
    known.cached = told["cache_read_input_tokens"]?.wholeNumber ?? known.cached
    usage = known
  }

  static func finish(ofStopReason reason: String) -> String {
    switch reason {
    case "end_turn", "stop_sequence", "pause_turn": "stop"
    case "max_tokens": "length"
    case "tool_use": "tool_calls"
    case "refusal": "content_filter"
    default: reason
    }
  }

  /// What is known of a stream so far.
  struct MessagesProgress {
    private struct Block {
      var type: String
      var isOpen = true
    }

    private var hasStarted = false
    private var hasStopReason = false
    private var blocks: [Block] = []

    mutating func read(_ json: PolicyValue, _ name: String, _ answer: inout ReceivedAnswer) {
      let type = json["type"]?.text ?? ""
      if type != name { answer.breach("the event \(name) says that its type is \(type)") }
      if !hasStarted, type != "message_start", type != "ping", type != "error" {
        answer.breach("\(type) comes before message_start")
      }
      let index = json["index"]?.wholeNumber ?? -1
      switch type {
      case "message_start":
        if hasStarted { answer.breach("a second message_start") }
        hasStarted = true
        answer.readMessageUsage(json["message"]?["usage"])
      case "content_block_start": start(index, json["content_block"] ?? .null, &answer)
      case "content_block_delta": delta(index, json["delta"] ?? .null, &answer)
      case "content_block_stop":
        guard isOpen(index, "the end", &answer) else { return }
        blocks[index].isOpen = false
      case "message_delta":
        if blocks.contains(where: \.isOpen) { answer.breach("message_delta comes while a block is open") }
        if hasStopReason { answer.breach("a second stop_reason") }
        if let reason = json["delta"]?["stop_reason"]?.text {
          hasStopReason = true
          answer.choices[0].finish = ReceivedAnswer.finish(ofStopReason: reason)
        }
        answer.readMessageUsage(json["usage"])
      case "message_stop":
        if blocks.contains(where: \.isOpen) { answer.breach("message_stop comes while a block is open") }
        if !hasStopReason { answer.breach("message_stop comes without a stop_reason") }
        answer.isTerminated = true
      case "error": answer.readError(json)
      case "ping": break
      default: answer.breach("an unknown event: \(type)")
      }
    }

    private func isOpen(_ index: Int, _ what: String, _ answer: inout ReceivedAnswer) -> Bool {
      guard blocks.indices.contains(index), blocks[index].isOpen else {
        answer.breach("\(what) of the block \(index), which is not open")
        return false
      }
      return true
    }

    private mutating func start(_ index: Int, _ block: PolicyValue, _ answer: inout ReceivedAnswer) {
      if index != blocks.count { answer.breach("the block \(index) comes where \(blocks.count) was next") }
      if hasStopReason { answer.breach("a block begins after the stop_reason") }
      let type = block["type"]?.text ?? ""
      blocks.append(Block(type: type))
      answer.choices[0].text += block["text"]?.text ?? ""
      if type == "tool_use" {
        answer.choices[0].toolCalls.append(
          ToolCall(id: block["id"]?.text ?? "", name: block["name"]?.text ?? ""))
      }
    }

    private mutating func delta(_ index: Int, _ delta: PolicyValue, _ answer: inout ReceivedAnswer) {
      guard isOpen(index, "a delta", &answer) else { return }
      switch (delta["type"]?.text, blocks[index].type) {
      case ("text_delta", "text"): answer.choices[0].text += delta["text"]?.text ?? ""
      case ("thinking_delta", "thinking"): answer.choices[0].reasoning += delta["thinking"]?.text ?? ""
      case ("input_json_delta", "tool_use"):
        answer.choices[0].toolCalls[answer.choices[0].toolCalls.count - 1].arguments +=
          delta["partial_json"]?.text ?? ""
      case ("signature_delta", "thinking"), ("citations_delta", "text"): break
      case (let kind, let block): answer.breach("a delta of the type \(kind ?? "none") in a block of the type \(block)")
      }
    }
  }
}
