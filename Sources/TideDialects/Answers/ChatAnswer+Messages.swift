import TideCore

/// The answer as Anthropic's Messages writes it.
extension ChatAnswer {
  /// Writes a whole stream, `message_stop` included.
  func writeMessagesStream(into out: inout ByteQueue) {
    MessagesWriter.start(id: id, model: model, usage: counted, into: &out)
    var index: Int32 = 0
    if !text.isEmpty || toolCalls.isEmpty {
      var copy = text
      MessagesWriter.blockStart(index, MessagesWriter.emptyText, into: &out)
      copy.withUTF8 {
        if !$0.isEmpty { MessagesWriter.delta(index, .text, UnsafeRawBufferPointer($0), into: &out) }
      }
      MessagesWriter.blockStop(index, into: &out)
      index += 1
    }
    for call in toolCalls {
      var arguments = call.arguments
      out.append("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":")
      out.append("\(index),\"content_block\":" as String)
      writeToolUse(call, input: "{}", into: &out)
      out.append("}\n\n")
      arguments.withUTF8 { MessagesWriter.delta(index, .partialJSON, UnsafeRawBufferPointer($0), into: &out) }
      MessagesWriter.blockStop(index, into: &out)
      index += 1
    }
    MessagesWriter.end(reason: MessagesWriter.stopReason(reason), outputTokens: counted.completion, into: &out)
    MessagesWriter.stop(into: &out)
  }

  /// Writes a whole message.
  func writeMessagesBody(into out: inout ByteQueue) {
    out.append("{\"id\":")
    JSONText.quote(id, into: &out)
    out.append(",\"type\":\"message\",\"role\":\"assistant\",\"model\":")
    JSONText.quote(model, into: &out)
    out.append(",\"content\":[")
    let hasText = !text.isEmpty || toolCalls.isEmpty
    if hasText {
      out.append("{\"type\":\"text\",\"text\":")
      JSONText.quote(text, into: &out)
      out.append("}")
    }
    for (index, call) in toolCalls.enumerated() {
      if hasText || index > 0 { out.append(",") }
      writeToolUse(call, input: call.arguments, into: &out)
    }
    out.append("],\"stop_reason\":")
    JSONText.quote(MessagesWriter.stopReason(reason), into: &out)
    out.append(",\"stop_sequence\":null,\"usage\":")
    MessagesWriter.writeUsage(counted, output: counted.completion, into: &out)
    out.append("}")
  }

  private func writeToolUse(_ call: ToolCall, input: String, into out: inout ByteQueue) {
    out.append("{\"type\":\"tool_use\",\"id\":")
    JSONText.quote(call.id, into: &out)
    out.append(",\"name\":")
    JSONText.quote(call.name, into: &out)
    out.append(",\"input\":")
    // Here arguments are JSON, not text that holds JSON.
    out.append(JSONText.isValue(Array(input.utf8)) ? input : "{}")
    out.append("}")
  }
}
