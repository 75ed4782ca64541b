/// What is counted for the exchanges of one cluster and dialect on one worker.
///
/// Fetched once a generation from `WorkerMetrics.exchanges` and kept; every method is a few plain stores.
public final class ExchangeMetrics: Sendable {
  public let cluster: String
  public let dialect: String

  static let statusClasses = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]

  private let ended = CounterArray(count: ExchangeOutcome.allCases.count * statusClasses.count)
  let inputTokens = Counter()
  let outputTokens = Counter()
  let inputTokensPerExchange = Histogram(.tokens)
  let outputTokensPerExchange = Histogram(.tokens)
  let timeToFirstToken = Histogram(.time)
  let tokenGap = Histogram(.time)
  let duration = Histogram(.time)

  init(cluster: String, dialect: String) {
    self.cluster = cluster
    self.dialect = dialect
  }

  /// Once an exchange, at its end. `status` 0: no head was sent.
  public func recordEnd(outcome: ExchangeOutcome, status: Int, durationNs: UInt64) {
    ended.add(1, at: outcome.index * Self.statusClasses.count + Self.statusClass(of: status))
    duration.record(durationNs)
  }

  /// Once an exchange, at its end, when its usage is known.
  public func recordTokens(input: UInt64, output: UInt64) {
    inputTokens.add(input)
    outputTokens.add(output)
    inputTokensPerExchange.record(input)
    outputTokensPerExchange.record(output)
  }

  public func recordTimeToFirstToken(ns: UInt64) { timeToFirstToken.record(ns) }

  /// The time between two token events as they left.
  public func recordTokenGap(ns: UInt64) { tokenGap.record(ns) }

  /// How many ended with this outcome and class of status (`2xx`).
  public func endedCount(_ outcome: ExchangeOutcome, statusClass: String) -> UInt64 {
    guard let index = Self.statusClasses.firstIndex(of: statusClass) else { return 0 }
    return ended.current(at: outcome.index * Self.statusClasses.count + index)
  }

  private static func statusClass(of status: Int) -> Int { status >= 100 && status < 600 ? status / 100 : 0 }
}
