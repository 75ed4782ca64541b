/// What the load client does: how many connections with how many streams each, against what, for how long.
public struct BenchSettings: Sendable {
  public enum Version: String, Sendable, CaseIterable {
    /// HTTP/2 in the clear, by prior knowledge.
    case h2c
    case http1
    /// HTTP/2 over TLS, the certificate not verified.
    case h2
  }

  public enum Kind: String, Sendable, CaseIterable {
    /// Token streams, each replaced by a new one when it ends.
    case streams
    /// Short requests, not streamed, one after the other on every stream. With one connection and one stream, the
    /// latency of one request at a time.
    case requests
    /// The same, streamed: the time to the first token of one stream after the other.
    case firstToken
  }

  /// `http://host:port/path` or `https://`; the path is `/v1/chat/completions` when it is left out.
  public var url: String
  public var kind = Kind.streams
  public var version = Version.h2c
  public var connections = 100
  public var streamsPerConnection = 1
  /// Connections are opened evenly over this time.
  public var rampMs = 1000
  /// Between the moment all streams are open and the beginning of the measurement.
  public var warmUpMs = 2000
  public var measureMs = 10_000
  public var model = "lorem-1000000"
  public var prompt = "Tell me about the tide."
  /// Sent as `max_tokens` when above 0.
  public var maxTokens = 0
  /// Sent as `Authorization: Bearer` when not empty.
  public var apiKey = ""
  /// Processes whose CPU time and memory are reported, such as the gateway under test.
  public var processIDs: [Int32] = []
  /// Threads of the client itself.
  public var workers = 1
  /// Told once a second how it goes; nil for silence.
  public var onProgress: (@Sendable (String) -> Void)?

  public init(url: String) { self.url = url }
}
