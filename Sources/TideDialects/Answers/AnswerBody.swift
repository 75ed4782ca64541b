/// The transformer of one answer that is not streamed, in the dialect of its request.
public enum AnswerBody {
  case chat(ChatBody)
  case responses(ResponsesBody)
  case messages(MessagesBody)

  public init(_ dialect: Dialect, options: ChatStreamOptions) {
    switch dialect {
    case .openAI: self = .chat(ChatBody(options: options))
    case .responses: self = .responses(ResponsesBody(options: options))
    case .anthropic: self = .messages(MessagesBody(options: options))
    }
  }

  /// Reads a whole answer, runs its texts, and gives the body to send.
  ///
  /// Without a processor a body that is not the dialect's JSON passes as it is.
  public func transform(_ body: [UInt8]) -> BodyOutcome {
    switch self {
    case .chat(let answer): answer.transform(body)
    case .responses(let answer): answer.transform(body)
    case .messages(let answer): answer.transform(body)
    }
  }

  /// The upstream's figures, or an estimate from the answer's bytes while there are none.
  public var usage: TokenUsage {
    switch self {
    case .chat(let answer): answer.usage
    case .responses(let answer): answer.usage
    case .messages(let answer): answer.usage
    }
  }

  public var usageSource: TokenUsage.Source {
    switch self {
    case .chat(let answer): answer.usageSource
    case .responses(let answer): answer.usageSource
    case .messages(let answer): answer.usageSource
    }
  }

  /// Why the answer ended, in the dialect's words.
  public var finishReasons: [FinishReason] {
    switch self {
    case .chat(let answer): answer.finishReasons
    case .responses(let answer): answer.finishReasons
    case .messages(let answer): answer.finishReasons
    }
  }
}
