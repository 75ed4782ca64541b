import TideCore

/// Counts what a peer may do only so often on one connection, and says when it was too often.
///
/// Pure: the caller brings the clock. The limits are those of the design's section on HTTP/2 set-up; each function
/// returns false when its limit is passed, and the caller then closes the connection.
struct FloodMonitor {
  static let continuationLimit = 8
  static let refusalLimit = 100
  /// What each DATA frame that we sent gives back to the overhead bucket, so that long token streams with honest window
  /// updates never empty it.
  static let overheadPerDataFrameSent = 260.0

  private var glitches: TokenBucket
  private var pings: TokenBucket
  private var settings: TokenBucket
  private var overhead: TokenBucket
  private var resets: TokenBucket
  /// Payload bytes of HEADERS, CONTINUATION and DATA begun but not yet taken off the bytes fed in.
  private var exemptByteCount = 0
  private var windowUpdateCount = 0
  private var priorityCount = 0
  private var openedStreamCount = 0
  private var refusalCount = 0
  private var continuationCount = 0
  /// DATA frames and final heads that we sent.
  private var sentFrameCount = 0
  private var creditedFrameCount = 0

  init(now: MonotonicTime) {
    glitches = TokenBucket(capacity: 100, perSecond: 10, now: now)
    pings = TokenBucket(capacity: 200, perSecond: 50, now: now)
    settings = TokenBucket(capacity: 20, perSecond: 1, now: now)
    resets = TokenBucket(capacity: 200, perSecond: 33, now: now)
    overhead = TokenBucket(capacity: 256 * 1024, perSecond: 16 * 1024, now: now)
  }

  mutating func glitch(now: MonotonicTime) -> Bool { glitches.take(1, now: now) }
  mutating func ping(now: MonotonicTime) -> Bool { pings.take(1, now: now) }
  mutating func settings(now: MonotonicTime) -> Bool { settings.take(1, now: now) }

  /// Whether one more RST_STREAM is no rapid reset. nghttp2 has the same limiter, but it counts by the wall clock's
  /// whole seconds and stops counting once its GOAWAY is queued, sent or not.
  mutating func reset(now: MonotonicTime) -> Bool { resets.take(1, now: now) }

  mutating func refusal() -> Bool {
    refusalCount &+= 1
    return refusalCount <= Self.refusalLimit
  }

  /// Starts a header block: CONTINUATION frames are counted per block.
  mutating func beginBlock() { continuationCount = 0 }

  mutating func continuation() -> Bool {
    continuationCount &+= 1
    return continuationCount <= Self.continuationLimit
  }

  mutating func streamOpened() { openedStreamCount &+= 1 }

  /// Whether a WINDOW_UPDATE is within Envoy's formula, taken over active streams.
  mutating func windowUpdate(activeStreamCount: Int) -> Bool {
    windowUpdateCount &+= 1
    return windowUpdateCount <= 5 &+ 2 &* (activeStreamCount &+ 10 &* sentFrameCount)
  }

  /// Whether a PRIORITY frame is within 100 for each stream that was opened.
  mutating func priority() -> Bool {
    priorityCount &+= 1
    return priorityCount <= 100 &* (1 &+ openedStreamCount)
  }

  /// A DATA frame or a final head has left.
  @inline(__always)
  mutating func frameSent() { sentFrameCount &+= 1 }

  /// A frame whose payload is no overhead has begun.
  @inline(__always)
  mutating func exempt(_ byteCount: Int) { exemptByteCount &+= byteCount }

  /// Charges `byteCount` bytes that were fed in, less what frames with a purpose account for.
  mutating func fed(_ byteCount: Int, now: MonotonicTime) -> Bool {
    let exempted = min(byteCount, exemptByteCount)
    exemptByteCount &-= exempted
    if sentFrameCount != creditedFrameCount {
      overhead.give(Double(sentFrameCount &- creditedFrameCount) * Self.overheadPerDataFrameSent)
      creditedFrameCount = sentFrameCount
    }
    return overhead.take(Double(byteCount &- exempted), now: now)
  }
}
