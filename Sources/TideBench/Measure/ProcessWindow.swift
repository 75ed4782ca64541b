/// A watched process at the beginning and at the end of a measurement.
struct ProcessWindow: Sendable {
  var process: BenchSettings.WatchedProcess
  /// Before the first connection.
  var base: ProcessSample
  /// Nil when the process had ended.
  var before: ProcessSample?
  var after: ProcessSample?
}
