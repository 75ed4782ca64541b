/// What the load client does: how many connections with how many streams each, against what, for how long.
public struct BenchSettings: Sendable {
  /// Which HTTP is spoken. Over TLS the certificate is not verified.
  public enum Version: String, Sendable, CaseIterable, Codable {
    /// HTTP/2 in the clear, by prior knowledge.
    case h2c
    /// HTTP/1.1, in the clear or over TLS as the URL says.
    case http1
    /// HTTP/2 over TLS.
    case h2
  }

  public enum Kind: String, Sendable, CaseIterable, Codable {
    /// Token streams, each replaced by a new one when it ends.
    case streams
    /// Short requests, not streamed, one after the other on every stream. With one connection and one stream, the
    /// latency of one request at a time.
    case requests
    /// The same, streamed: the time to the first token of one stream after the other.
    case firstToken
  }

  /// A process whose CPU time and memory are reported, such as the gateway under test.
  public struct WatchedProcess: Sendable, Equatable {
    public var name: String
    public var id: Int32

    public init(name: String, id: Int32) {
      self.name = name
      self.id = id
    }
  }

  /// `http://host:port/path` or `https://`; the path is `/v1/chat/completions` when it is left out.
  public var url: String
  /// What the results are called in tables and charts; empty for none.
  public var label = ""
  public var kind = Kind.streams
  /// Nil for HTTP/2, over TLS when the URL says https.
  public var version: Version?
  /// Each count is measured in turn; connections stay open from one to the next.
  public var connections = [100]
  public var streamsPerConnection = 1
  /// Connections are opened evenly over this time; nil for a millisecond for each three, and a second at least.
  public var rampMs: Int?
  /// Between the moment all streams are open and the beginning of the measurement.
  public var warmUpMs = 2000
  /// How long each count is measured.
  public var measureMs = 10_000
  /// A stream without a token for this long has failed.
  public var timeoutMs = 60_000
  public var model = "lorem-1000000"
  public var prompt = "Tell me about the tide."
  /// Sent as `max_tokens` when above 0.
  public var maxTokens = 0
  /// Sent as `Authorization: Bearer` when not empty.
  public var apiKey = ""
  /// Further header fields of every request, in place of the client's own of the same name.
  public var headers: [(name: String, value: String)] = []
  public var processes: [WatchedProcess] = []
  /// Threads of the client itself.
  public var workers = 1
  /// Told once a second how it goes, on the thread of `Bench.run`; nil for silence.
  public var onProgress: (@Sendable (BenchProgress) -> Void)?
  /// Told of every count as soon as it has been measured, on the thread of `Bench.run`.
  public var onStep: (@Sendable (BenchStep) -> Void)?

  public init(url: String) { self.url = url }

  var speaksHTTP2: Bool { version != .http1 }

  func rampMs(from open: Int, to wanted: Int) -> Int { rampMs ?? max(1000, abs(wanted - open) / 3) }
}
