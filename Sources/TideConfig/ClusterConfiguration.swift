import TideCore

/// A named deployment of an engine.
public struct ClusterConfiguration: Sendable, Equatable {
  public var name: String
  /// What its endpoints speak; never empty. A request goes only where its own dialect is spoken: nothing is translated.
  public var dialects: [ClusterDialect]
  /// At least one, except when `engine` is set.
  public var endpoints: [EndpointConfiguration]
  public var credentials: CredentialsConfiguration?
  public var timeouts: TimeoutsConfiguration
  public var maxConnections: Int
  public var tls: UpstreamTLSConfiguration
  /// The embedded engine stands in for the endpoints.
  public var engine: EngineConfiguration?
}

/// A wire format that a cluster speaks.
public enum ClusterDialect: String, Sendable, CaseIterable {
  /// Chat Completions, Responses, completions, embeddings.
  case openai
  /// Messages.
  case anthropic
}

/// What is attached to each request once its cluster is chosen.
public enum CredentialsConfiguration: Sendable, Equatable {
  /// `authorization: Bearer <secret>`.
  case bearer(Secret)
  /// A header of its own, its name in lower case.
  case header(name: String, value: Secret)

  /// The header to send, for the one place that sends it.
  public func header() -> (name: String, value: Secret) {
    switch self {
    case .bearer(let token): ("authorization", Secret("Bearer " + token.reveal()))
    case .header(let name, let value): (name, value)
    }
  }
}

/// Deadlines of one attempt, in milliseconds.
public struct TimeoutsConfiguration: Sendable, Equatable {
  public var connectMs = 5_000
  /// From the request's last byte to the first event (or the head, when not streamed).
  public var firstByteMs = 60_000
  /// Between two events.
  public var idleMs = 60_000
  /// The whole exchange.
  public var totalMs = 1_800_000

  public init() {}
}

/// How an upstream's certificate is judged.
public struct UpstreamTLSConfiguration: Sendable, Equatable {
  public enum Authority: Sendable, Equatable {
    /// The system's roots.
    case system
    /// A PEM file, absolute path.
    case file(String)
  }

  public var ca: Authority = .system
  /// The name in SNI and in the certificate; nil takes the endpoint's host.
  public var serverName: String?
  public var verify = true

  public init() {}
}

/// The engine inside the process.
public struct EngineConfiguration: Sendable, Equatable {
  public enum Mode: String, Sendable, CaseIterable { case echo, script, lorem }

  /// What answers when the model's name does not say.
  public var mode: Mode = .echo
  /// Between two tokens.
  public var intervalMs = 25

  public init() {}
}
