import TideCore

/// Events of a Messages stream that the gateway writes itself.
enum MessagesWriter {
  /// `message_start`, for an answer that has no event of the upstream's.
  static func start(id: String, model: String, usage: TokenUsage, into out: inout ByteQueue) {
    out.append("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":")
    JSONText.quote(id, into: &out)
    out.append(",\"type\":\"message\",\"role\":\"assistant\",\"model\":")
    JSONText.quote(model, into: &out)
    out.append(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":")
    writeUsage(usage, output: 0, into: &out)
    out.append("}}\n\n")
  }

  /// The beginning of a block; `block` is its JSON.
  static func blockStart(_ index: Int32, _ block: StaticString, into out: inout ByteQueue) {
    out.append("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":")
    out.append("\(index),\"content_block\":" as String)
    out.append(block)
    out.append("}\n\n")
  }

  static let emptyText: StaticString = #"{"type":"text","text":""}"#

  static func delta(
    _ index: Int32, _ key: MessagesEvent.TextKey, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue
  ) {
    out.append("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":")
    out.append("\(index),\"delta\":{\"type\":\"" as String)
    out.append(key.deltaType)
    out.append("\",\"")
    out.append(key.name)
    out.append("\":\"")
    JSONText.escape(text, into: &out)
    out.append("\"}}\n\n")
  }

  static func blockStop(_ index: Int32, into out: inout ByteQueue) {
    out.append(
      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":\(index)}\n\n" as String)
  }

  /// The stop reason and the total of output tokens.
  static func end(reason: String, outputTokens: Int, into out: inout ByteQueue) {
    out.append("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":")
    JSONText.quote(reason, into: &out)
    out.append(",\"stop_sequence\":null},\"usage\":{\"output_tokens\":\(outputTokens)}}\n\n" as String)
  }

  static func stop(into out: inout ByteQueue) {
    out.append("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
  }

  /// A usage object; what a cache served is told apart from other input.
  static func writeUsage(_ usage: TokenUsage, output: Int, into out: inout ByteQueue) {
    out.append("{\"input_tokens\":\(max(0, usage.prompt &- usage.cached))" as String)
    out.append(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":\(usage.cached)" as String)
    out.append(",\"output_tokens\":\(output)}" as String)
  }

  /// Anthropic's word for a finish reason of the policies' vocabulary, which is OpenAI's.
  static func stopReason(_ reason: String) -> String {
    switch reason {
    case "content_filter": "refusal"
    case "length": "max_tokens"
    case "tool_calls": "tool_use"
    case "stop": "end_turn"
    default: reason
    }
  }
}
