/// Anthropic's Messages.
extension UpstreamTranscript {
  private mutating func event(_ type: String, _ members: [UInt8] = [], waitMs: Int = 0) {
    let comma = members.isEmpty ? "" : ","
    add(type, [UInt8](json: "{\"type\":\"\(type)\"\(comma)"), members, [UInt8](json: "}"), waitMs: waitMs)
  }

  mutating func writeMessages(_ reply: UpstreamReply, _ delivery: Delivery) {
    event(
      "message_start",
      [UInt8](
        json:
          "\"message\":{\"id\":\"msg_rehearsal\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\(Self.quote(model)),\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":\(usage(reply.usage, output: 1))}"
      ))
    var index = 0
    if !reply.reasoning.isEmpty {
      block(
        index, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}", "thinking_delta", "thinking",
        [UpstreamReply.Chunk(text: Array(reply.reasoning.utf8))])
      index += 1
    }
    let text = Self.deltas(of: reply, delivery)
    if !text.isEmpty || reply.toolCalls.isEmpty {
      block(index, "{\"type\":\"text\",\"text\":\"\"}", "text_delta", "text", text)
      index += 1
    }
    for call in reply.toolCalls {
      block(
        index,
        "{\"type\":\"tool_use\",\"id\":\(Self.quote(call.id)),\"name\":\(Self.quote(call.name)),\"input\":{}}",
        "input_json_delta", "partial_json",
        Self.argumentDeltas(call, delivery).map { UpstreamReply.Chunk(text: $0) })
      index += 1
    }
    event(
      "message_delta",
      [UInt8](
        json:
          "\"delta\":{\"stop_reason\":\(Self.quote(stopReason(reply))),\"stop_sequence\":null},\"usage\":{\"output_tokens\":\(reply.usage.output)}"
      ))
    event("message_stop")
  }

  private mutating func block(
    _ index: Int, _ start: String, _ type: String, _ member: String, _ deltas: [UpstreamReply.Chunk]
  ) {
    event("content_block_start", [UInt8](json: "\"index\":\(index),\"content_block\":\(start)"))
    for delta in deltas {
      event(
        "content_block_delta",
        [UInt8](json: "\"index\":\(index),\"delta\":{\"type\":\"\(type)\",\"\(member)\":") + Self.quoted(delta.text)
          + [UInt8](json: "}"), waitMs: delta.waitMs)
    }
    event("content_block_stop", [UInt8](json: "\"index\":\(index)"))
  }

  private func stopReason(_ reply: UpstreamReply) -> String {
    switch reply.finishReason {
    case "length": "max_tokens"
    case "tool_calls": "tool_use"
    case "content_filter": "refusal"
    default: "end_turn"
    }
  }

  private func usage(_ usage: UpstreamReply.Usage, output: Int) -> String {
    "{\"input_tokens\":\(usage.input),\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":\(usage.cached),\"output_tokens\":\(output)}"
  }

  func message(_ reply: UpstreamReply) -> [UInt8] {
    var blocks: [[UInt8]] = []
    if !reply.reasoning.isEmpty {
      blocks.append(
        [UInt8](
          json: "{\"type\":\"thinking\",\"thinking\":\(Self.quote(reply.reasoning)),\"signature\":\"c2lnbmVk\"}"))
    }
    if !reply.text.isEmpty || reply.toolCalls.isEmpty {
      blocks.append([UInt8](json: "{\"type\":\"text\",\"text\":") + Self.quoted(reply.text) + [UInt8](json: "}"))
    }
    for call in reply.toolCalls {
      blocks.append(
        [UInt8](
          json:
            "{\"type\":\"tool_use\",\"id\":\(Self.quote(call.id)),\"name\":\(Self.quote(call.name)),\"input\":\(call.arguments)}"
        ))
    }
    return [UInt8](
      json:
        "{\"id\":\"msg_rehearsal\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\(Self.quote(model)),\"content\":["
    ) + Array(blocks.joined(separator: [UInt8](json: ",")))
      + [UInt8](
        json:
          "],\"stop_reason\":\(Self.quote(stopReason(reply))),\"stop_sequence\":null,\"usage\":\(usage(reply.usage, output: reply.usage.output))}"
      )
  }
}
