import TidePolicy

/// What a request asks for, decided by method and path.
enum RequestKind: String, Sendable {
  /// POST /v1/chat/completions: parsed, its answer's text runs through the lanes.
  case chat
  /// POST /v1/completions: its model is read; its text is not parsed.
  case completion
  /// POST /v1/embeddings: its model is read; there is no text to answer with.
  case embedding
  /// GET /v1/models and /v1/models/{id}: answered by the gateway.
  case models
  /// Everything else: relayed as it is, where the route allows.
  case other

  init(method: String, path: String) {
    switch (method, path) {
    case ("POST", "/v1/chat/completions"): self = .chat
    case ("POST", "/v1/completions"): self = .completion
    case ("POST", "/v1/embeddings"): self = .embedding
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
    case .models, .other: .other
    }
  }

  /// Whether the body is collected and its model read before anything is routed.
  var readsBody: Bool { self == .chat || self == .completion || self == .embedding }
}
