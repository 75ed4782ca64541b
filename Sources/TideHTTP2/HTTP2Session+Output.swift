import CNghttp2
import CPrefetch
import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// What goes out: heads, bodies pulled from the streams' queues, resets.
extension HTTP2Session {
  /// The shortest DATA frame that is cut because the caller's buffer is nearly full.
  private static let smallestCut = 512
  private static let frameHeaderByteCount = 9
  static let maxDataByteCount = 16_384
  // Bytes of what a flush touches, from its beginning; nghttp2's record of a stream's output stands around what it names to its callbacks.
  private static let sessionByteCount = 320
  private static let nativeByteCount = 512
  private static let recordByteCount = 256
  private static let sourceOffset = 112
  private static let sourceByteCount = 160
  private static let outputByteCount = 512
  /// Streams that nghttp2 is told of in one go: its order among them is its own.
  private static let scheduledAtOnce = 16

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
    var result = nghttp2_session_send(session)
    while result == 0, !ranOutOfRoom, scheduleNext(session) { result = nghttp2_session_send(session) }
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

  /// Fetches what the next `produce` of `session` will touch: the session (step 0), nghttp2's and the one stream of a client (1), that stream's
  /// output and record (2). Takes an address, since a reference would be counted in the memory that is to be fetched.
  public static func prefetch(_ session: Unmanaged<HTTP2Session>, _ step: Int) {
    switch step {
    case 0: cprefetch(session.toOpaque(), Self.sessionByteCount)
    case 1:
      session._withUnsafeGuaranteedRef {
        cprefetch(UnsafeRawPointer($0.session), Self.nativeByteCount)
        cprefetch($0.found?.toOpaque(), HTTPStream.byteCount)
      }
    default:
      session._withUnsafeGuaranteedRef {
        guard $0.liveCount == 1, let stream = $0.found else { return }
        stream._withUnsafeGuaranteedRef { fetchOutput(of: $0) }
      }
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
    owner.codecNeedsFlush()
  }

  func noteOutput(of stream: HTTPStream) {
    guard stream.isHeadSent else { return }
    if stream.isOutputDeferred {
      guard let session, !stream.output.isEmpty || stream.outputEnd != .open else { return }
      stream.isOutputDeferred = false
      if stream.outputEnd == .endedWithTrailers, stream.output.isEmpty {
        // nghttp2 would send an empty DATA frame first; the trailers alone say it all.
        stream.flags.insert(.isLocalEnded)
        submitTrailers(stream)
      } else if liveCount == 1 {
        nghttp2_session_resume_data(session, stream.id)
      } else {
        schedule(stream)
      }
    }
    owner.codecNeedsFlush()
  }

  @inline(__always)
  private func schedule(_ stream: HTTPStream) {
    stream.flags.insert(.isUnscheduled)
    unscheduled.append(stream)
  }

  /// Tells nghttp2 of the streams that have waited longest; false when none waits.
  private func scheduleNext(_ session: OpaquePointer) -> Bool {
    fetchScheduled(session)
    var count = 0
    while count < Self.scheduledAtOnce, let next = unscheduled.popFirst() {
      next._withUnsafeGuaranteedRef { stream in
        stream.flags.remove([.hasHadTurn, .isUnscheduled])
        // One that was reset meanwhile is known to nobody any more.
        guard stream.carrier != nil, !stream.flags.contains(.isAborted) else { return }
        nghttp2_session_resume_data(session, stream.id)
        count += 1
      }
    }
    return count > 0
  }

  /// Fetches the streams of this go, which nghttp2 will look up one by one, and those of the next.
  private func fetchScheduled(_ session: OpaquePointer) {
    var place = 0
    while place < Self.scheduledAtOnce, let stream = unscheduled.peek(place) {
      stream._withUnsafeGuaranteedRef {
        // The look-up itself fetches what it reads, and waits for none of the others.
        _ = nghttp2_session_find_stream(session, $0.id)
        Self.fetchOutput(of: $0)
      }
      if let later = unscheduled.peek(place &+ Self.scheduledAtOnce) {
        cprefetch(later.toOpaque(), HTTPStream.byteCount)
      }
      place &+= 1
    }
  }

  /// Fetches what a stream's DATA frame is made of: its bytes, and nghttp2's records of it.
  @inline(__always)
  private static func fetchOutput(of stream: HTTPStream) {
    cprefetch(stream.carrierRecord, recordByteCount)
    if let source = stream.carrierSource { cprefetch(source - sourceOffset, sourceByteCount) }
    cprefetch(stream.output.readableBytes.baseAddress, min(stream.output.byteCount, outputByteCount))
  }

  func giveCredit(_ byteCount: Int, to stream: HTTPStream) {
    guard let session, !isTerminated else { return }
    nghttp2_session_consume_stream(session, stream.id, byteCount)
    owner.codecNeedsFlush()
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
    owner.codecNeedsFlush()
  }

  private func submitTrailers(_ stream: HTTPStream) {
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
      owner.codecNeedsFlush()
    }
  }

  private func tellTaken() {
    while let stream = taken.popLast() { stream._withUnsafeGuaranteedRef { tellTaken($0) } }
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

  /// Says how many bytes the next DATA frame of `stream` takes, and whether it is the last.
  func offerData(of stream: HTTPStream, atMost limit: Int, flags: inout UInt32) -> Int {
    let available = stream.output.byteCount
    if available == 0, stream.outputEnd == .open {
      stream.isOutputDeferred = true
      stream.flags.remove(.hasHadTurn)
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    // A frame each: who has more waits behind those who have had none.
    if stream.flags.contains(.hasHadTurn), !unscheduled.isEmpty {
      stream.flags.remove(.hasHadTurn)
      schedule(stream)
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    stream.flags.insert(.hasHadTurn)
    let room = max(outCapacity &- outCount &- Self.frameHeaderByteCount, Self.smallestCut)
    let count = min(available, limit, room, Self.maxDataByteCount)
    flags |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    if count == available, stream.outputEnd != .open {
      flags |= NGHTTP2_DATA_FLAG_EOF.rawValue
      stream.flags.insert(.isLocalEnded)
      if stream.outputEnd == .endedWithTrailers {
        flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        submitTrailers(stream)
      } else if role == .server, !stream.flags.contains(.isRemoteEnded) {
        earlyEnds.append(stream)
      }
    }
    return count
  }

  /// Writes one DATA frame, all of it or nothing.
  func writeData(header: UnsafePointer<UInt8>, byteCount: Int, stream: HTTPStream) -> Int32 {
    if isTerminated { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    // An abandoned stream has dropped its output; its RST_STREAM is on the way.
    guard stream.output.byteCount >= byteCount else { return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    guard let outBase, outCapacity &- outCount >= Self.frameHeaderByteCount &+ byteCount else {
      ranOutOfRoom = true
      return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
    }
    memcpy(outBase + outCount, header, Self.frameHeaderByteCount)
    outCount &+= Self.frameHeaderByteCount
    monitor.frameSent()
    guard byteCount > 0 else { return 0 }
    outCount &+= stream.output.move(into: UnsafeMutableRawBufferPointer(start: outBase + outCount, count: byteCount))
    if stream.carrierTaken == 0 { taken.append(stream) }
    stream.carrierTaken &+= UInt32(truncatingIfNeeded: byteCount)
    stream.takenByteCount &+= UInt64(truncatingIfNeeded: byteCount)
    // All taken: whatever stalls later, its time begins anew.
    if stream.output.isEmpty {
      stream.lastProgress = .zero
      // Nothing more will wait in it, though the answer may run for long.
      if stream.outputEnd != .open { stream.output = ByteQueue() }
    }
    return 0
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
