import TideCore
import TideDialects

/// An answer as Anthropic's Messages has it.
final class MessagesAnswer: EventAnswer {
  override func open(into out: inout ByteQueue) {
    out.append("event: message_start\ndata: {\"type\":\"message_start\",\"message\":")
    writeMessage(isWhole: false, into: &out)
    out.append("}\n\n")
  }

  override func beginBlock(_ lane: ChunkTemplate.Lane, into out: inout ByteQueue) {
    out.append("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":")
    out.append("\(blockIndex),\"content_block\":" as String)
    switch lane {
    case .content: out.append(#"{"type":"text","text":""}"#)
    case .reasoning: out.append(#"{"type":"thinking","thinking":"","signature":""}"#)
    case .toolArguments: writeToolUse(isWhole: false, into: &out)
    }
    out.append("}\n\n")
    // The provider sends one early, too.
    if blockIndex == 0 { out.append("event: ping\ndata: {\"type\":\"ping\"}\n\n") }
  }

  override func writeDelta(_ text: UnsafeRawBufferPointer, due: UInt64, into out: inout ByteQueue) {
    openDelta(into: &out)
    switch lane {
    case .reasoning: out.append("\"thinking_delta\",\"thinking\":\"")
    case .toolArguments: out.append("\"input_json_delta\",\"partial_json\":\"")
    case .content, nil: out.append("\"text_delta\",\"text\":\"")
    }
    out.append(text)
    out.append("\"}")
    if due != 0 { out.append(",\"due\":\(due)" as String) }
    out.append("}\n\n")
  }

  override func endBlock(into out: inout ByteQueue) {
    if lane == .reasoning {
      openDelta(into: &out)
      out.append("\"signature_delta\",\"signature\":\"")
      out.append(Self.signature)
      out.append("\"}}\n\n")
    }
    out.append(
      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":\(blockIndex)}\n\n" as String)
  }

  override func close(omitsEnd: Bool, into out: inout ByteQueue) {
    endBlocks(into: &out)
    out.append("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"")
    out.append(stopReason)
    out.append("\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":\(plan.tokenCount)}}\n\n" as String)
    if !omitsEnd { out.append("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") }
  }

  override func writeError(into out: inout ByteQueue) {
    out.append("event: error\ndata: ")
    out.append(ErrorShape.anthropic(status: 529, message: "Overloaded"))
    out.append("\n\n")
  }

  override func writeMalformed(into out: inout ByteQueue) {
    out.append("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"bro\n\n")
  }

  override func writeWhole(into out: inout ByteQueue) { writeMessage(isWhole: true, into: &out) }

  /// What the provider signs a thinking block with, and a client returns in its next request; anything would do here.
  private static let signature: StaticString = "dGlkZWdhdGUgZW5naW5l"

  private var stopReason: StaticString {
    switch plan.outcome {
    case .stop: "end_turn"
    case .length: "max_tokens"
    case .toolCalls: "tool_use"
    }
  }

  private func openDelta(into out: inout ByteQueue) {
    out.append("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":")
    out.append("\(blockIndex),\"delta\":{\"type\":" as String)
  }

  private func writeMessage(isWhole: Bool, into out: inout ByteQueue) {
    out.append("{\"id\":\"msg_\(id)\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" as String)
    out.append(request.model)
    out.append("\",\"content\":[")
    if isWhole {
      if plan.reasoningCount > 0 {
        out.append("{\"type\":\"thinking\",\"thinking\":\"")
        writeTokens(reasoningRange, into: &out)
        out.append("\",\"signature\":\"")
        out.append(Self.signature)
        out.append("\"},")
      }
      if plan.toolName == nil {
        out.append("{\"type\":\"text\",\"text\":\"")
        writeTokens(mainRange, into: &out)
        out.append("\"}")
      } else {
        writeToolUse(isWhole: true, into: &out)
      }
    }
    out.append("],\"stop_reason\":")
    if isWhole {
      out.append("\"")
      out.append(stopReason)
      out.append("\"")
    } else {
      out.append("null")
    }
    out.append(",\"stop_sequence\":null,\"usage\":{\"input_tokens\":\(request.promptTokens)" as String)
    out.append(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":")
    out.append("\(isWhole ? plan.tokenCount : 1)}}" as String)
  }

  private func writeToolUse(isWhole: Bool, into out: inout ByteQueue) {
    out.append("{\"type\":\"tool_use\",\"id\":\"toolu_\(id)\",\"name\":\"" as String)
    out.append(plan.toolName ?? [])
    out.append("\",\"input\":")
    // Here arguments are JSON, not text that holds JSON: what the length limit cut short is none.
    var content = ByteQueue()
    if isWhole { writeTokens(mainRange, into: &content) }
    let json = JSONText.unescape(content.readableBytes)
    out.append(JSONText.isValue(json) ? json : Array("{}".utf8))
    out.append("}")
  }
}
