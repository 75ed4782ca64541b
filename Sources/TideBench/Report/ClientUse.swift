/// What the load client itself used, so that a run in which the client was what was measured can be told.
public struct ClientUse: Sendable, Equatable, Codable {
  /// One of the client's threads.
  public struct ThreadUse: Sendable, Equatable, Codable {
    /// Share of the time in which it ran.
    public var busyPercent: Double
    /// Share of the time in which it could have run and had no core.
    public var waitingPercent: Double

    init(_ before: ThreadSample, _ after: ThreadSample, overNs span: UInt64) {
      func percent(_ before: UInt64, _ after: UInt64) -> Double {
        span > 0 && after > before ? Figure.rounded(Double(after - before) / Double(span) * 100, 1) : 0
      }
      busyPercent = percent(before.runNs, after.runNs)
      waitingPercent = percent(before.waitNs, after.waitNs)
    }
  }

  /// The client with all of its threads; nil where there is no `/proc`.
  public var process: ProcessUse?
  public var threads: [ThreadUse]

  /// The thread with the least idle time.
  var worst: ThreadUse? {
    threads.max { $0.busyPercent + $0.waitingPercent < $1.busyPercent + $1.waitingPercent }
  }
}
