import CNghttp2
import CPrefetch
import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// What goes out: the order of it all, heads, trailers, resets.
extension HTTP2Session {
  /// Bytes of a session, from its beginning, that a flush touches.
  private static let sessionByteCount = 320

  /// Writes as much as there is and `buffer` (1 KiB at least) takes. 0 when nothing can go out now.
  ///
  /// DATA is copied once, from the stream's queue to `buffer`. Afterwards each stream that bytes were taken from hears
  /// so once.
  public func produce(into buffer: UnsafeMutableRawBufferPointer, now: MonotonicTime) -> Int {
    guard let session, !isTerminated else { return 0 }
    self.now = now
    outBase = buffer.baseAddress
    outCapacity = buffer.count
    outCount = 0
    ranOutOfRoom = false
    depth += 1
    // nghttp2 first: what it could not write whole goes on in the next buffer, and nothing may come in between.
    var result = isNativeDue ? sendNative(session) : 0
    if result == 0, !ranOutOfRoom, closing == nil, !owed.isEmpty { writeOwed() }
    if result == 0, !ranOutOfRoom, !sendQueue.isEmpty { result = writeBodies(session) }
    outBase = nil
    outCapacity = 0
    if result != 0, result != NGHTTP2_ERR_CALLBACK_FAILURE.rawValue { fail(.protocolError, code: nil) }
    if !earlyEnds.isEmpty { resetEarlyEnds() }
    tellTaken()
    // Not before: a consumer that is told may end the connection, and `taken` must not outlive its streams.
    depth -= 1
    settle()
    return outCount
  }

  /// Lets nghttp2 write what it has.
  func sendNative(_ session: OpaquePointer) -> Int32 {
    let result = nghttp2_session_send(session)
    isNativeDue = ranOutOfRoom
    hasNativeRun = true
    return result
  }

  /// nghttp2 has something to write.
  func nativeNeedsFlush() {
    isNativeDue = true
    owner.codecNeedsFlush()
  }

  /// Fetches what the next `produce` of `session` will touch: the session (step 0), the first stream that waits (1), that stream's output (2).
  /// Takes an address, since a reference would be counted in the memory that is to be fetched.
  public static func prefetch(_ session: Unmanaged<HTTP2Session>, _ step: Int) {
    if step == 0 { return cprefetch(session.toOpaque(), Self.sessionByteCount) }
    guard let stream = session._withUnsafeGuaranteedRef({ $0.sendQueue.peek(0) }) else { return }
    if step == 1 {
      cprefetch(stream.toOpaque(), HTTPStream.byteCount)
    } else {
      stream._withUnsafeGuaranteedRef { fetchOutput(of: $0) }
    }
  }

  // MARK: What streams ask for

  func submit(_ head: ResponseHead, endStream: Bool, on stream: HTTPStream) {
    guard role == .server, let session, !isTerminated, !stream.isHeadSent else { return }
    let isInterim = head.status < 200 && !endStream
    let userData = Unmanaged.passUnretained(stream).toOpaque()
    var provider = HTTP2Library.dataProvider(for: userData)
    let result = HeaderFieldVector.with(head) { vector, count in
      if isInterim {
        return nghttp2_submit_headers(
          session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, nil, vector, count, nil)
      }
      if endStream { return nghttp2_submit_response(session, stream.id, vector, count, nil) }
      return nghttp2_submit_response(session, stream.id, vector, count, &provider)
    }
    guard result == 0 else {
      submitReset(stream, .internalError)
      abort(stream, .internalError)
      return
    }
    if !isInterim {
      stream.isHeadSent = true
      if endStream { stream.outputEnd = .ended }
    }
    nativeNeedsFlush()
  }

  func cancel(_ stream: HTTPStream, _ reason: StreamReset) {
    guard session != nil, !isTerminated, !stream.flags.contains(.isAborted) else { return }
    // The consumer has let go of the stream and hears nothing more.
    stream.consumer = nil
    submitReset(stream, reason)
    abort(stream, reason)
    if role == .client, !shouldRetire, !resetBudget.take(1, now: now) {
      shouldRetire = true
      hasCapacityChanged = true
    }
  }

  /// Queues RST_STREAM and, until it has left, keeps what the peer still sends on the stream from everybody.
  func submitReset(_ stream: HTTPStream, _ reason: StreamReset) {
    guard let session, !stream.flags.contains(.isLocallyReset) else { return }
    stream.flags.insert(.isLocallyReset)
    nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, reason.http2Code)
    nativeNeedsFlush()
  }

  func submitTrailers(_ stream: HTTPStream) {
    guard let session else { return }
    _ = HeaderFieldVector.with(trailers: stream.outputTrailers ?? HeaderList()) { vector, count in
      nghttp2_submit_trailer(session, stream.id, vector, count)
    }
  }

  private func resetEarlyEnds() {
    while let stream = earlyEnds.popLast() {
      guard let session, stream.carrier != nil || stream.flags.contains(.isAborted),
        !stream.flags.contains(.isRemoteEnded), !stream.flags.contains(.isLocallyReset)
      else { continue }
      stream.flags.insert(.isLocallyReset)
      nghttp2_submit_rst_stream(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, NGHTTP2_NO_ERROR.rawValue)
      nativeNeedsFlush()
    }
  }

  private func tellTaken() {
    while let stream = taken.popFirst() { stream._withUnsafeGuaranteedRef { tellTaken($0) } }
  }

  /// Tells the consumer of `stream` what was taken since the last time, if anything.
  func tellTaken(_ stream: HTTPStream) {
    let count = stream.carrierTaken
    guard count > 0 else { return }
    stream.carrierTaken = 0
    stream.consumer?.streamTaken(stream, byteCount: Int(count))
  }

  // MARK: From nghttp2

  /// Control frames and heads: as many bytes as there is room for.
  func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    if isTerminated { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    let count = min(bytes.count, outCapacity &- outCount)
    guard count > 0, let outBase, let source = bytes.baseAddress else {
      ranOutOfRoom = true
      return Int(NGHTTP2_ERR_WOULDBLOCK.rawValue)
    }
    if count < bytes.count { ranOutOfRoom = true }
    memcpy(outBase + outCount, source, count)
    outCount &+= count
    return count
  }

  /// Where the next `byteCount` bytes go; nil when there is no room for all of them.
  @inline(__always)
  func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard let outBase, outCapacity &- outCount >= byteCount else {
      ranOutOfRoom = true
      return nil
    }
    return outBase + outCount
  }

  func frameLeaves(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
    let header = frame.pointee.hd
    switch nghttp2_frame_type(UInt32(header.type)) {
    case NGHTTP2_HEADERS:
      monitor.frameSent()
      guard let stream = liveStream(header.stream_id) else { break }
      stream.flags.insert(.isOnWire)
      if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 {
        stream.flags.insert(.isLocalEnded)
        if role == .server, !stream.flags.contains(.isRemoteEnded) { earlyEnds.append(stream) }
      } else {
        scheduleOutput(of: stream)
      }
    case NGHTTP2_RST_STREAM:
      counters.resetsSent &+= 1
      guard let stream = liveStream(header.stream_id) else { break }
      if !stream.flags.contains(.isRemoteEnded) {
        // What is under way on the stream is ignored when it arrives, and is nobody's fault.
        monitor.exempt(settings.initialWindowSize)
      }
      if !stream.flags.contains(.isLocallyReset) { streamIsFaulty(stream) }
    case NGHTTP2_GOAWAY:
      let code = frame.pointee.goaway.error_code
      // nghttp2 found the connection broken and ignores all input from here on.
      if code != NGHTTP2_NO_ERROR.rawValue { fail(.protocolError, code: nil) }
    default: break
    }
    return 0
  }

  /// A head that cannot be sent, because it is too large, ends its stream: the consumer would wait for ever.
  func frameCannotLeave(_ header: nghttp2_frame_hd, error: Int32) -> Int32 {
    guard nghttp2_frame_type(UInt32(header.type)) == NGHTTP2_HEADERS,
      error == NGHTTP2_ERR_FRAME_SIZE_ERROR.rawValue, let stream = liveStream(header.stream_id)
    else { return 0 }
    submitReset(stream, .internalError)
    abort(stream, .internalError)
    return 0
  }
}
