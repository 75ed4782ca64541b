import TideCore

/// One worker's counts at one instant.
struct BenchReading: Sendable {
  var at: MonotonicTime
  var tally: BenchTally
  var thread: ThreadSample
  var openStreams: Int
  /// Tokens of the stream that had the fewest, and of the one that had the most, since the last reset.
  var fewestTokens: UInt64
  var mostTokens: UInt64
}
