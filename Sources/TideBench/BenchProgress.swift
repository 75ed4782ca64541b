/// How a run goes, once a second.
public struct BenchProgress: Sendable, CustomStringConvertible {
  public enum Phase: String, Sendable { case opening, warmingUp, measuring }

  public var phase: Phase
  /// Connections of the current step, and which of how many steps it is, from 1.
  public var connections: Int
  public var step: Int
  public var stepCount: Int
  /// Streams that are open, of those that shall be.
  public var openStreams: Int
  public var streams: Int
  /// Until the phase ends; while opening, since it began.
  public var seconds: Int
  public var failures: UInt64

  /// One line: `1000 connections (2 of 4): measuring, 1000 of 1000 streams, 7 s to go`.
  public var description: String {
    var line = "\(connections) connections"
    if stepCount > 1 { line += " (\(step) of \(stepCount))" }
    let doing =
      switch phase {
      case .opening: "opening"
      case .warmingUp: "warming up"
      case .measuring: "measuring"
      }
    line += ": \(doing), \(openStreams) of \(streams) streams, \(seconds) s"
    if phase != .opening { line += " to go" }
    return failures > 0 ? line + ", \(failures) failed" : line
  }
}
