/// What is counted for the exchanges of one cluster and dialect on one worker. Touched once an exchange, under the lock of its owner.
struct ExchangeMetrics {
  struct Ending: Hashable {
    var outcome: String
    var statusClass: String
  }

  /// What is counted of one exchange.
  struct Ended {
    var ending: Ending
    var durationNs: UInt64
    var input: UInt64
    var output: UInt64

    init(outcome: String, status: Int, durationMs: Double, tokensIn: Int, tokensOut: Int) {
      ending = Ending(outcome: outcome, statusClass: ExchangeMetrics.statusClass(of: status))
      durationNs = ExchangeMetrics.nanoseconds(ms: durationMs)
      input = UInt64(clamping: tokensIn)
      output = UInt64(clamping: tokensOut)
    }
  }

  let cluster: String
  let dialect: String
  /// A handful of endings, found faster in a list than by a hash.
  private(set) var ended: [(ending: Ending, count: UInt64)] = []
  var inputTokens: UInt64 = 0
  var outputTokens: UInt64 = 0
  let inputTokensPerExchange = Histogram(.tokens)
  let outputTokensPerExchange = Histogram(.tokens)
  let duration = Histogram(.time)

  init(cluster: String, dialect: String) {
    self.cluster = cluster
    self.dialect = dialect
  }

  mutating func record(_ exchange: Ended) {
    if let index = ended.firstIndex(where: { $0.ending == exchange.ending }) {
      ended[index].count &+= 1
    } else {
      ended.append((exchange.ending, 1))
    }
    duration.record(exchange.durationNs)
    inputTokens &+= exchange.input
    outputTokens &+= exchange.output
    if exchange.input > 0 || exchange.output > 0 {
      inputTokensPerExchange.record(exchange.input)
      outputTokensPerExchange.record(exchange.output)
    }
  }

  static func statusClass(of status: Int) -> String {
    switch status {
    case 100..<200: "1xx"
    case 200..<300: "2xx"
    case 300..<400: "3xx"
    case 400..<500: "4xx"
    case 500..<600: "5xx"
    default: "none"
    }
  }

  /// Of a duration that cannot be trusted to be a number, or small.
  private static func nanoseconds(ms: Double) -> UInt64 {
    ms > 0 && ms < 1e12 ? UInt64(ms * 1e6) : 0
  }
}
