import TideIO

/// How the simulated engine behaves unless a request says otherwise.
public struct EngineSettings: Sendable {
  /// Used when the model's name names no mode.
  public var mode: EngineMode
  /// Between two tokens of one stream; 0 sends them as fast as the client takes them. Beats are served in steps of a
  /// quarter of a millisecond at best, so that shorter intervals bring several tokens at once.
  public var intervalMicroseconds: Int
  /// Tokens of an answer in lorem mode.
  public var tokenCount: Int
  /// The lines of scripted mode, joined by line breaks.
  public var script: [String]
  /// Where to listen; port 0 lets the kernel choose.
  public var address: SocketAddress
  /// Worker threads, at least 1.
  public var workers: Int
  /// Streams on one HTTP/2 connection.
  public var maxConcurrentStreams: Int
  /// Whether every chunk of a stream tells the instant at which it was due; the header `x-engine-due: 1` asks for it too.
  public var tellsDue: Bool
  /// The largest request body that is read; a larger one is answered with 413.
  public var bodyBytes: Int

  public init(
    mode: EngineMode = .echo, intervalMicroseconds: Int = 25_000, tokenCount: Int = 100,
    script: [String] = EngineSettings.defaultScript, address: SocketAddress = EngineSettings.ephemeralLoopback,
    workers: Int = 1, maxConcurrentStreams: Int = 512, tellsDue: Bool = false, bodyBytes: Int = 64 << 20
  ) {
    self.mode = mode
    self.intervalMicroseconds = intervalMicroseconds
    self.tokenCount = tokenCount
    self.script = script
    self.address = address
    self.workers = workers
    self.maxConcurrentStreams = maxConcurrentStreams
    self.tellsDue = tellsDue
    self.bodyBytes = bodyBytes
  }

  /// The interval in whole milliseconds.
  public var intervalMs: Int {
    get { intervalMicroseconds / 1000 }
    set {
      let (value, overflow) = newValue.multipliedReportingOverflow(by: 1000)
      intervalMicroseconds = overflow ? .max : value
    }
  }

  public static let defaultScript = [
    "The tide comes in twice a day.", "Nobody has to tell it when,", "and a gate decides how far.",
  ]

  /// 127.0.0.1 with a port of the kernel's choice.
  public static let ephemeralLoopback = SocketAddress("127.0.0.1:0")!
}
