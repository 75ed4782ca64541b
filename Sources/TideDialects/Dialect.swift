/// The wire format of a request and its answer: which member holds the text, how events follow each other, how errors look.
public enum Dialect: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// OpenAI's Chat Completions, and with it completions, embeddings and models.
  case openAI
  /// OpenAI's Responses.
  case responses
  /// Anthropic's Messages.
  case anthropic

  /// The name that policies, logs and metrics use.
  public var name: String {
    switch self {
    case .openAI: "openai"
    case .responses: "openai-responses"
    case .anthropic: "anthropic"
    }
  }
}
