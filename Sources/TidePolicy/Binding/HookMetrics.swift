/// What one hook of one binding cost in one worker.
public struct HookMetrics: Sendable, Equatable, BitwiseCopyable {
  public var count: UInt64 = 0
  /// Measured calls, scaled to all calls: lane hooks read the clock on one batch in 16, so that measuring costs nothing
  /// a token.
  public var totalNs: UInt64 = 0
  public var errors: UInt64 = 0
  /// Errors that were aborts for time or memory.
  public var aborts: UInt64 = 0
  /// Calls that the open breaker answered.
  public var skippedByBreaker: UInt64 = 0
  /// Calls of `on_log` that were not made because too many were waiting.
  public var dropped: UInt64 = 0

  public init() {}

  public static func += (a: inout HookMetrics, b: HookMetrics) {
    a.count &+= b.count
    a.totalNs &+= b.totalNs
    a.errors &+= b.errors
    a.aborts &+= b.aborts
    a.skippedByBreaker &+= b.skippedByBreaker
    a.dropped &+= b.dropped
  }
}
