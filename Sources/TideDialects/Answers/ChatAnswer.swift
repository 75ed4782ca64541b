import TideCore

/// An answer that the gateway makes itself, in the shape of Chat Completions, streamed or whole.
public struct ChatAnswer: Sendable {
  public struct ToolCall: Equatable, Sendable {
    public var id: String
    public var name: String
    /// JSON as text.
    public var arguments: String

    public init(id: String, name: String, arguments: String) {
      self.id = id
      self.name = name
      self.arguments = arguments
    }
  }

  public var text: String
  public var toolCalls: [ToolCall]
  /// nil takes `tool_calls` when there are any, else `stop`.
  public var finishReason: String?
  /// nil is counted: bytes by four.
  public var usage: TokenUsage?
  public var id: String
  public var model: String
  /// Seconds since 1970.
  public var created: Int

  public init(
    text: String, toolCalls: [ToolCall] = [], finishReason: String? = nil, usage: TokenUsage? = nil, id: String,
    model: String,
    created: Int
  ) {
    self.text = text
    self.toolCalls = toolCalls
    self.finishReason = finishReason
    self.usage = usage
    self.id = id
    self.model = model
    self.created = created
  }

  /// Writes a whole stream, terminal marker included. A processor sees it by way of a `ChatStream`, like an upstream's.
  public func writeStream(includeUsage: Bool, into out: inout ByteQueue) {
    let template = ChatTemplate(id: id, model: model, created: created)
    var copy = text
    if !text.isEmpty || toolCalls.isEmpty {
      copy.withUTF8 {
        template.writeText(UnsafeRawBufferPointer($0), choice: 0, key: .content, withRole: true, into: &out)
      }
    }
    if !toolCalls.isEmpty {
      template.begin(0, into: &out)
      out.append(
        text.isEmpty
          ? "\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":" : "\"delta\":{\"tool_calls\":")
      writeToolCalls(withIndex: true, into: &out)
      out.append("},\"finish_reason\":null}]}\n\n")
    }
    template.writeFinish(reason, choice: 0, isLegacy: false, into: &out)
    if includeUsage { template.writeUsage(counted, into: &out) }
    out.append("data: [DONE]\n\n")
  }

  /// Writes a whole `chat.completion`.
  public func writeBody(into out: inout ByteQueue) {
    out.append("{\"id\":")
    JSONText.quote(id, into: &out)
    out.append(",\"object\":\"chat.completion\",\"created\":\(created),\"model\":" as String)
    JSONText.quote(model, into: &out)
    out.append(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":")
    if text.isEmpty, !toolCalls.isEmpty { out.append("null") } else { JSONText.quote(text, into: &out) }
    if !toolCalls.isEmpty {
      out.append(",\"tool_calls\":")
      writeToolCalls(withIndex: false, into: &out)
    }
    out.append(",\"refusal\":null},\"logprobs\":null,\"finish_reason\":")
    JSONText.quote(reason, into: &out)
    out.append("}],\"usage\":")
    counted.writeChat(into: &out)
    out.append("}")
  }

  private var reason: String { finishReason ?? (toolCalls.isEmpty ? "stop" : "tool_calls") }

  private var counted: TokenUsage { usage ?? TokenUsage(completion: (text.utf8.count + 3) / 4) }

  private func writeToolCalls(withIndex: Bool, into out: inout ByteQueue) {
    out.append("[")
    for (index, call) in toolCalls.enumerated() {
      if index > 0 { out.append(",") }
      out.append(withIndex ? "{\"index\":\(index),\"id\":" as String : "{\"id\":")
      JSONText.quote(call.id, into: &out)
      out.append(",\"type\":\"function\",\"function\":{\"name\":")
      JSONText.quote(call.name, into: &out)
      out.append(",\"arguments\":")
      JSONText.quote(call.arguments, into: &out)
      out.append("}}")
    }
    out.append("]")
  }
}
