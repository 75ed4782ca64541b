import TideCore

/// The stall rule (H2-09): output that waits while the peer takes less than a floor of bytes over a span of time.
///
/// Pure. It is looked at on a tick rather than on each write, so that a token costs one addition: a stall is found between
/// the span and the span plus one tick.
struct StallRule {
  /// How often `tick` wants to be called while a stream lives, as a part of the span.
  static let ticksPerSpan = 6

  private let spanMs: Int
  private let floorBytes: Int
  private var since: MonotonicTime?
  private var taken = 0

  init(_ settings: HTTP1Settings) {
    spanMs = max(1, settings.stallMs)
    floorBytes = max(0, settings.stallBytesPerSecond) &* (spanMs / 1000)
  }

  var tickMs: Int { max(1, spanMs / Self.ticksPerSpan) }

  /// Output left the stream; `isEmpty` when none is left waiting.
  mutating func took(_ byteCount: Int, isEmpty: Bool) {
    taken &+= byteCount
    if isEmpty { since = nil }
  }

  mutating func reset() {
    since = nil
    taken = 0
  }

  /// Whether the stream has stalled.
  mutating func tick(isWaiting: Bool, now: MonotonicTime) -> Bool {
    guard isWaiting else {
      since = nil
      return false
    }
    guard let start = since else {
      since = now
      taken = 0
      return false
    }
    guard now.milliseconds(since: start) >= spanMs else { return false }
    if taken < floorBytes { return true }
    since = now
    taken = 0
    return false
  }
}
