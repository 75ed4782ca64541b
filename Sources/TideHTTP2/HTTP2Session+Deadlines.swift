import CNghttp2
import TideCore

/// What happens because time passes: absolute deadlines of the handshake and of header blocks, the stall rule, the
/// drain.
extension HTTP2Session {
  static let handshakeLimitMs = 10_000
  private static let headerBlockLimitMs = 10_000
  private static let drainNoticeMs = 1_000
  private static let stallScanMs = 5_000
  private static let stallWindowMs = 30_000
  private static let stallBytesPerSecond: UInt64 = 256
  /// The payload of the drain's PING.
  private static let drainPing: [UInt8] = Array("tidedrai".utf8)

  /// When `deadlineReached` wants to be called next.
  public var nextDeadline: MonotonicTime {
    guard closing == nil, !isTerminated else { return .distantFuture }
    return min(
      min(firstSettingsDeadline, settingsAckDeadline), min(headerBlockDeadline, min(drainDeadline, stallScanDeadline)))
  }

  public func deadlineReached(now: MonotonicTime) {
    guard closing == nil, !isTerminated else { return }
    self.now = now
    withExtendedLifetime(self) {
      if firstSettingsDeadline <= now {
        fail(.timedOut("HTTP/2 preface"), code: NGHTTP2_SETTINGS_TIMEOUT)
      } else if settingsAckDeadline <= now {
        fail(.timedOut("HTTP/2 SETTINGS acknowledgement"), code: NGHTTP2_SETTINGS_TIMEOUT)
      } else if headerBlockDeadline <= now {
        headerBlockDeadline = .distantFuture
        // nghttp2 does not tell the end of a block whose stream is gone by then.
        if !intake.isBetweenFrames { fail(.timedOut("HTTP/2 header block"), code: NGHTTP2_ENHANCE_YOUR_CALM) }
      }
      if drainDeadline <= now { submitFinalGoaway() }
      if stallScanDeadline <= now { scanForStalls() }
      owner.codecNeedsFlush()
      settle()
    }
  }

  /// Begins to drain: no new streams after a round trip, live ones run to their end.
  public func shutdown(now: MonotonicTime) {
    guard !isDraining, closing == nil, !isTerminated, let session else { return }
    self.now = now
    isDraining = true
    switch role {
    case .server:
      nghttp2_submit_shutdown_notice(session)
      nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), Self.drainPing)
      drainDeadline = now.advanced(byMs: Self.drainNoticeMs)
    case .client:
      isFinalGoawaySubmitted = true
      nghttp2_submit_goaway(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, NGHTTP2_NO_ERROR.rawValue, nil, 0)
      hasCapacityChanged = true
    }
    nativeNeedsFlush()
    settle()
  }

  /// Every request that was under way when the first GOAWAY left has arrived: say which is the last one.
  func submitFinalGoaway() {
    drainDeadline = .distantFuture
    guard !isFinalGoawaySubmitted, let session else { return }
    isFinalGoawaySubmitted = true
    let last = nghttp2_session_get_last_proc_stream_id(session)
    nghttp2_submit_goaway(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, NGHTTP2_NO_ERROR.rawValue, nil, 0)
    nativeNeedsFlush()
  }

  /// A PING came back; ours are sent for the drain only.
  func pingIsAcknowledged() {
    if drainDeadline != .distantFuture { submitFinalGoaway() }
  }

  func armHeaderBlockDeadline() {
    if headerBlockDeadline == .distantFuture { headerBlockDeadline = now.advanced(byMs: Self.headerBlockLimitMs) }
  }

  /// A scan each few seconds while there are streams, instead of a timer for each: a token costs nothing.
  func armStallScan() {
    guard role == .server, stallScanDeadline == .distantFuture else { return }
    stallScanDeadline = now.advanced(byMs: Self.stallScanMs)
  }

  /// Ends the streams whose peer took less than 256 bytes a second over 30 seconds while there was more to take,
  /// whatever WINDOW_UPDATEs came.
  private func scanForStalls() {
    stallScanDeadline = live.isEmpty ? .distantFuture : now.advanced(byMs: Self.stallScanMs)
    var index = live.count
    while index > 0 {
      index -= 1
      guard index < live.count else { continue }
      let stream = live[index]
      if isStalled(stream) {
        counters.stalls &+= 1
        submitReset(stream, .enhanceYourCalm)
        abort(stream, .enhanceYourCalm)
      }
    }
  }

  private func isStalled(_ stream: HTTPStream) -> Bool {
    if stream.flags.contains(.isAborted) { return false }
    guard stream.isHeadSent, !stream.output.isEmpty else {
      stream.lastProgress = .zero
      return false
    }
    if stream.lastProgress == .zero {
      stream.lastProgress = now
      stream.takenByteCount = 0
      return false
    }
    let elapsedMs = now.milliseconds(since: stream.lastProgress)
    if elapsedMs < Self.stallWindowMs { return false }
    let isSlow = stream.takenByteCount < UInt64(clamping: elapsedMs / 1000) &* Self.stallBytesPerSecond
    stream.lastProgress = now
    stream.takenByteCount = 0
    return isSlow
  }
}
