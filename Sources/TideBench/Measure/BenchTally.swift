import Histogram

/// What one worker of the client has counted since its last reset.
struct BenchTally: Sendable {
  /// Different messages of failures that are kept; more are only counted.
  private static let messageLimit = 20

  var tokens: UInt64 = 0
  /// Streams or requests that ended properly.
  var completed: UInt64 = 0
  var failures = BenchFailures()
  /// How often each failure was explained so.
  private(set) var messages: [String: UInt64] = [:]
  /// Between two arrivals on one stream. Tokens that arrive together are one arrival.
  var gap = BenchTally.durations
  /// From the instant a token was due to its arrival, when the engine tells it.
  var lateness = BenchTally.durations
  /// From the opening of a request to its first token, or to its first body byte when it is not streamed.
  var firstToken = BenchTally.durations
  /// From the opening of a request to its end.
  var duration = BenchTally.durations

  /// Nanoseconds to within one percent from half a microsecond to an hour, and above.
  ///
  /// Two digits and not three: the counts of a run's usual values then stay in the core's first cache beside everything else
  /// that a token touches.
  static var durations: Histogram<UInt64> {
    var histogram = Histogram<UInt64>(
      lowestDiscernibleValue: 512, highestTrackableValue: 3_600_000_000_000, numberOfSignificantValueDigits: .two)
    histogram.autoResize = true
    return histogram
  }

  mutating func count(_ failure: BenchFailure) {
    failures.count(failure.kind)
    note(failure.message, 1)
  }

  private mutating func note(_ message: String, _ count: UInt64) {
    if messages[message] != nil || messages.count < Self.messageLimit { messages[message, default: 0] += count }
  }

  static func += (sum: inout BenchTally, one: BenchTally) {
    sum.tokens += one.tokens
    sum.completed += one.completed
    sum.failures += one.failures
    for (message, count) in one.messages { sum.note(message, count) }
    sum.gap.add(one.gap)
    sum.lateness.add(one.lateness)
    sum.firstToken.add(one.firstToken)
    sum.duration.add(one.duration)
  }
}
