/// A synthetic answer: `tide.respond`. It passes the lane hooks as an upstream's would.
public struct PolicyAnswer: Sendable, Equatable {
  /// The assistant's text; nil when the answer is tool calls or JSON.
  public var text: String?
  /// The OpenAI `tool_calls` array as JSON.
  public var toolCallsJSON: String?
  /// A whole body, for requests that are not a chat.
  public var json: String?
  /// Tokens that the policy says it cost.
  public var inputTokens: Int?
  public var outputTokens: Int?
  /// The finish reason; nil is `stop`, or `tool_calls` with tool calls.
  public var finish: String?

  public init(
    text: String? = nil, toolCallsJSON: String? = nil, json: String? = nil, inputTokens: Int? = nil,
    outputTokens: Int? = nil, finish: String? = nil
  ) {
    self.text = text
    self.toolCallsJSON = toolCallsJSON
    self.json = json
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.finish = finish
  }
}
