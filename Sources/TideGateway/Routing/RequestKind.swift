import TideCore
import TideDialects
import TidePolicy

/// What a request asks for, decided by method and path.
enum RequestKind: String, Sendable {
  /// POST /v1/chat/completions, /v1/responses, /v1/messages: parsed, its answer's text runs through the lanes.
  case chat
  /// POST /v1/completions: its model is read; its text is not parsed.
  case completion
  /// POST /v1/embeddings: its model is read; there is no text to answer with.
  case embedding
  /// POST /v1/messages/count_tokens: parsed as a chat; there is no text to answer with.
  case tokenCount = "token_count"
  /// GET /v1/models and /v1/models/{id}: answered by the gateway.
  case models
  /// Everything else: relayed as it is, where the route allows.
  case other

  init(method: String, path: String) {
    switch (method, path) {
    case ("POST", "/v1/chat/completions"), ("POST", "/v1/responses"), ("POST", "/v1/messages"): self = .chat
    case ("POST", "/v1/completions"): self = .completion
    case ("POST", "/v1/embeddings"): self = .embedding
    case ("POST", "/v1/messages/count_tokens"): self = .tokenCount
    case ("GET", "/v1/models"), ("HEAD", "/v1/models"): self = .models
    case ("GET", let path) where path.hasPrefix("/v1/models/") && path.utf8.count > 11: self = .models
    default: self = .other
    }
  }

  /// What policies are told.
  var contextKind: ExchangeContext.Kind {
    switch self {
    case .chat: .chat
    case .completion: .completion
    case .embedding: .embedding
    case .tokenCount: .tokenCount
    case .models, .other: .other
    }
  }

  /// Whether the body is collected and its model read before anything is routed.
  var readsBody: Bool {
    switch self {
    case .chat, .completion, .embedding, .tokenCount: true
    case .models, .other: false
    }
  }

  /// Whether the answer has text that policies may have to see.
  var answersText: Bool { self == .chat || self == .completion }

  /// Whether the answer tells what it cost.
  var answersTokens: Bool { self == .chat || self == .completion || self == .embedding }
}

extension Dialect {
  /// What a client speaks, told by the path; where several dialects share one (models), by the header that Anthropic's clients always send.
  init(path: String, headers: HeaderList) {
    if Self.isUnder(path, "/v1/responses") {
      self = .responses
    } else if Self.isUnder(path, "/v1/messages") {
      self = .anthropic
    } else if headers.contains("anthropic-version"), !Self.isUnder(path, "/v1/chat") {
      self = .anthropic
    } else {
      self = .openAI
    }
  }

  private static func isUnder(_ path: String, _ prefix: String) -> Bool {
    guard path.hasPrefix(prefix) else { return false }
    let rest = path.utf8.dropFirst(prefix.utf8.count)
    return rest.isEmpty || rest.first == UInt8(ascii: "/")
  }
}
