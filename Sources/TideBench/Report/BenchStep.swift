import TideCore

/// What one count of connections measured. These are the members of a line of `--json` and of each of the `steps` of `results.json`, with
/// names in snake_case: `tokensPerS` is `tokens_per_s`. Members whose value is nil are left out.
public struct BenchStep: Sendable, Equatable, Codable {
  /// A failure in words, and how often it came.
  public struct FailureMessage: Sendable, Equatable, Codable {
    public var message: String
    public var count: UInt64
  }

  /// As the settings say; empty when they do not.
  public var label: String
  public var kind: BenchSettings.Kind
  public var version: BenchSettings.Version
  public var connections: Int
  /// On all connections together.
  public var streams: Int
  /// From the first connection of the step until every stream had had a token.
  public var openedInMs: Int
  /// Streams open when the measurement ended.
  public var openStreams: Int
  /// How long was measured.
  public var elapsedS: Double
  public var tokens: UInt64
  public var tokensPerS: Double
  /// What one stream waits for a token on average: measured time x streams / tokens.
  public var meanInterTokenMs: Double
  /// Requests or streams that ended properly.
  public var completed: UInt64
  public var requestsPerS: Double
  /// Tokens of the stream that had the fewest while it was measured, and of the one that had the most.
  public var fewestStreamTokens: UInt64
  public var mostStreamTokens: UInt64
  /// Between two arrivals on one stream; tokens that arrive together are one arrival.
  public var gapUs: Distribution
  /// From the instant a token was due to its arrival; nil when no token tells that instant.
  public var latenessUs: Distribution?
  /// From a request to its first token, or to its first byte when it is not streamed. Over the whole step for token streams, which
  /// are opened before the measurement; over the measurement for requests.
  public var firstTokenUs: Distribution
  /// From a request to the end of its answer.
  public var durationUs: Distribution
  /// Over the whole step, its ramp included.
  public var failures: BenchFailures
  public var failureMessages: [FailureMessage]
  /// The processes of the settings, in their order, without those that had ended.
  public var processes: [ProcessUse]
  public var client: ClientUse
  /// What should be known before the figures are believed.
  public var warnings: [String]

  public var isStreaming: Bool { kind != .requests }

  /// - Parameters:
  ///   - before: each worker's counts since the step began, taken when the measurement began.
  ///   - after: each worker's counts of the measurement.
  init(
    settings: BenchSettings, connections: Int, openedInMs: Int, before: [BenchReading], after: [BenchReading],
    processes: [ProcessWindow], client: ProcessWindow?
  ) {
    let measured = after.reduce(into: BenchTally()) { $0 += $1.tally }
    let whole = before.reduce(into: measured) { $0 += $1.tally }
    // A worker answers at the end of a turn, which may be long under load: each has a span of its own.
    let spans = zip(before, after).map { $1.at.nanoseconds(since: $0.at) }
    let seconds = spans.map { max(1e-9, Double($0) / 1e9) }
    let elapsed = seconds.reduce(0, +) / Double(max(1, seconds.count))
    let rate = zip(seconds, after).reduce(0) { $0 + Double($1.1.tally.tokens) / $1.0 }
    let openBefore = before.reduce(0) { $0 + $1.openStreams }

    label = settings.label
    kind = settings.kind
    version = settings.version ?? .h2c
    self.connections = connections
    streams = connections * settings.streamsPerConnection
    self.openedInMs = openedInMs
    openStreams = after.reduce(0) { $0 + $1.openStreams }
    elapsedS = Figure.rounded(elapsed, 3)
    tokens = measured.tokens
    tokensPerS = Figure.rounded(rate, 1)
    let carrying = settings.kind == .streams ? min(streams, max(openBefore, openStreams)) : streams
    meanInterTokenMs = rate > 0 ? Figure.rounded(Double(carrying) / rate * 1000, 3) : 0
    completed = measured.completed
    requestsPerS = Figure.rounded(Double(measured.completed) / elapsed, 1)
    fewestStreamTokens = after.map(\.fewestTokens).filter { $0 != .max }.min() ?? 0
    mostStreamTokens = after.map(\.mostTokens).max() ?? 0
    gapUs = Distribution(measured.gap)
    latenessUs = measured.lateness.totalCount > 0 ? Distribution(measured.lateness) : nil
    firstTokenUs = Distribution(settings.kind == .streams ? whole.firstToken : measured.firstToken)
    durationUs = Distribution(measured.duration)
    failures = whole.failures
    failureMessages = whole.messages.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
      FailureMessage(message: $0.key, count: $0.value)
    }
    let units = settings.kind == .requests ? completed : tokens
    let streams = streams
    func use(_ window: ProcessWindow) -> ProcessUse? {
      ProcessUse(window, units: units, elapsed: elapsed, streams: streams)
    }
    self.processes = processes.compactMap(use)
    self.client = ClientUse(
      process: client.flatMap(use),
      threads: zip(spans, zip(before, after)).map {
        ClientUse.ThreadUse($1.0.thread, $1.1.thread, overNs: $0)
      })
    warnings = []
    warnings = StepWarnings.of(
      self, openBefore: openBefore, latenessCount: measured.lateness.totalCount,
      ended: processes.filter { $0.after == nil }.map(\.process))
  }
}
