/// What one worker of the client has counted since its last reset.
struct BenchTally: Sendable {
  var tokens: UInt64 = 0
  /// Streams or requests that ended properly.
  var completed: UInt64 = 0
  var failures = BenchFailures()
  /// Between two arrivals on one stream. Tokens that arrive together are one arrival.
  var gap = LogBuckets()
  /// From the instant a token was due to its arrival, when the engine tells it.
  var lateness = LogBuckets()
  /// From the opening of a request to its first token, or to its first body byte when it is not streamed.
  var firstToken = LogBuckets()
  /// From the opening of a request to its end.
  var duration = LogBuckets()

  static func += (sum: inout BenchTally, one: BenchTally) {
    sum.tokens += one.tokens
    sum.completed += one.completed
    sum.failures += one.failures
    sum.gap += one.gap
    sum.lateness += one.lateness
    sum.firstToken += one.firstToken
    sum.duration += one.duration
  }
}

/// What went wrong, by kind.
public struct BenchFailures: Sendable, Equatable {
  /// Connections that could not be opened or broke.
  public var connections: UInt64 = 0
  /// Answers with a status other than 200.
  public var statuses: UInt64 = 0
  /// Streams that were reset.
  public var resets: UInt64 = 0
  /// Streams that ended without their terminal marker.
  public var truncated: UInt64 = 0

  public var total: UInt64 { connections + statuses + resets + truncated }

  static func += (sum: inout BenchFailures, one: BenchFailures) {
    sum.connections += one.connections
    sum.statuses += one.statuses
    sum.resets += one.resets
    sum.truncated += one.truncated
  }
}
