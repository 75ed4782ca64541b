import TideCore

/// An answer that the gateway makes itself, streamed or whole, in the client's dialect.
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
  /// In OpenAI's words; nil takes `tool_calls` when there are any, else `stop`.
  public var finishReason: String?
  /// nil is counted: bytes by four.
  public var usage: TokenUsage?
  public var id: String
  public var model: String
  /// Seconds since 1970.
  public var created: Int
  /// How often Chat Completions says it: as often as the client asked for.
  public var choiceCount: Int

  public init(
    text: String, toolCalls: [ToolCall] = [], finishReason: String? = nil, usage: TokenUsage? = nil, id: String,
    model: String, created: Int, choiceCount: Int = 1
  ) {
    self.text = text
    self.toolCalls = toolCalls
    self.finishReason = finishReason
    self.usage = usage
    self.id = id
    self.model = model
    self.created = created
    self.choiceCount = choiceCount
  }

  /// Writes a whole stream, terminal marker included. A processor sees it by way of an `AnswerStream`, like an upstream's.
  ///
  /// - Parameter includeUsage: whether Chat Completions tells the usage; the other dialects always do.
  public func writeStream(_ dialect: Dialect, includeUsage: Bool, into out: inout ByteQueue) {
    switch dialect {
    case .openAI: writeChatStream(includeUsage: includeUsage, into: &out)
    case .responses: writeResponsesStream(into: &out)
    case .anthropic: writeMessagesStream(into: &out)
    }
  }

  /// Writes a whole body.
  public func writeBody(_ dialect: Dialect, into out: inout ByteQueue) {
    switch dialect {
    case .openAI: writeChatBody(into: &out)
    case .responses: writeResponsesBody(into: &out)
    case .anthropic: writeMessagesBody(into: &out)
    }
  }

  private func writeChatStream(includeUsage: Bool, into out: inout ByteQueue) {
    let template = ChatTemplate(id: id, model: model, created: created)
    var copy = text
    for choice in 0..<Int32(clamping: choiceCount) {
      if !text.isEmpty || toolCalls.isEmpty {
        copy.withUTF8 {
          template.writeText(UnsafeRawBufferPointer($0), choice: choice, key: .content, withRole: true, into: &out)
        }
      }
      if !toolCalls.isEmpty {
        template.begin(choice, into: &out)
        out.append(
          text.isEmpty
            ? "\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":" : "\"delta\":{\"tool_calls\":")
        writeToolCalls(withIndex: true, into: &out)
        out.append("},\"finish_reason\":null}]}\n\n")
      }
      template.writeFinish(reason, choice: choice, isLegacy: false, into: &out)
    }
    if includeUsage { template.writeUsage(counted, into: &out) }
    out.append("data: [DONE]\n\n")
  }

  private func writeChatBody(into out: inout ByteQueue) {
    out.append("{\"id\":")
    JSONText.quote(id, into: &out)
    out.append(",\"object\":\"chat.completion\",\"created\":\(created),\"model\":" as String)
    JSONText.quote(model, into: &out)
    out.append(",\"choices\":[")
    for choice in 0..<choiceCount {
      out.append(choice == 0 ? "{\"index\":0" as String : ",{\"index\":\(choice)")
      out.append(",\"message\":{\"role\":\"assistant\",\"content\":")
      if text.isEmpty, !toolCalls.isEmpty { out.append("null") } else { JSONText.quote(text, into: &out) }
      if !toolCalls.isEmpty {
        out.append(",\"tool_calls\":")
        writeToolCalls(withIndex: false, into: &out)
      }
      out.append(",\"refusal\":null},\"logprobs\":null,\"finish_reason\":")
      JSONText.quote(reason, into: &out)
      out.append("}")
    }
    out.append("],\"usage\":")
    counted.writeChat(into: &out)
    out.append("}")
  }

  var reason: String { finishReason ?? (toolCalls.isEmpty ? "stop" : "tool_calls") }

  var counted: TokenUsage { usage ?? TokenUsage(completion: (text.utf8.count + 3) / 4 * choiceCount) }

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
