/// What a store has done since the start.
public struct StoreFigures: Sendable, Equatable {
  /// Upper bounds of the latency's buckets, in microseconds; what is above the last falls into one more.
  public static let boundsUs = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
  ]

  public var isConnected = false
  /// Connections made.
  public var connects: UInt64 = 0
  /// Commands that got a reply.
  public var commands: UInt64 = 0
  /// Commands that the server refused.
  public var refused: UInt64 = 0
  /// Commands without a connection, or whose connection ended first.
  public var unavailable: UInt64 = 0
  /// Commands that had to be delivered and were given up, because too many waited.
  public var dropped: UInt64 = 0
  /// Commands that wait to be delivered.
  public var waiting = 0
  /// Places held.
  public var places = 0
  public var latencyCounts = [UInt64](repeating: 0, count: StoreFigures.boundsUs.count + 1)
  public var latencySumUs: UInt64 = 0

  public init() {}

  mutating func replied(afterUs microseconds: Int) {
    commands &+= 1
    latencyCounts[Self.boundsUs.firstIndex { microseconds <= $0 } ?? Self.boundsUs.count] &+= 1
    latencySumUs &+= UInt64(clamping: microseconds)
  }
}
