import CNghttp2
import CPrefetch
import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// Bodies that go out, as DATA frames of our own.
///
/// nghttp2 learns of a body's end alone, which changes the state of the stream: the last frame passes through it, empty as far as it knows,
/// and gets its bytes when it is written.
extension HTTP2Session {
  /// The shortest DATA frame that is cut because the caller's buffer is nearly full.
  private static let smallestCut = 512
  private static let largestBodyPart = 16_384
  private static let outputByteCount = 512
  /// How many bodies before its own a stream is fetched, and its output.
  private static let streamLead = 8
  private static let outputLead = 4

  func noteOutput(of stream: HTTPStream) {
    guard stream.isHeadSent, !stream.output.isEmpty || stream.outputEnd != .open else { return }
    schedule(stream)
    owner.codecNeedsFlush()
  }

  @inline(__always)
  private func schedule(_ stream: HTTPStream) {
    guard stream.flags.isDisjoint(with: [.isUnscheduled, .isLocalEnded]) else { return }
    stream.flags.insert(.isUnscheduled)
    unscheduled.append(stream)
  }

  /// Writes a frame of each stream in turn, until there is nothing more, or no room.
  ///
  /// - Returns: nghttp2's error; 0 for none.
  func writeBodies(_ session: OpaquePointer) -> Int32 {
    fetchFirst()
    while closing == nil, !isTerminated, let next = unscheduled.peek(0) {
      let result: BodyStep = next._withUnsafeGuaranteedRef { stream in
        // One that was reset meanwhile is known to nobody any more.
        stream.carrier == nil || stream.flags.contains(.isAborted) ? .done : writeBody(of: stream)
      }
      if result == .noRoom { break }
      _ = unscheduled.popFirst()
      fetchNext()
      next._withUnsafeGuaranteedRef { stream in
        stream.flags.remove(.isUnscheduled)
        if result == .more { schedule(stream) }
      }
      guard result == .ends else { continue }
      let error = sendNative(session)
      if error != 0 || ranOutOfRoom { return error }
    }
    return 0
  }

  private enum BodyStep {
    /// Nothing can be sent on the stream now; it comes back when that changes.
    case done
    /// A frame has been written, and there is more.
    case more
    /// nghttp2 has been told that the stream's last frame may leave.
    case ends
    /// The connection takes no more: the buffer is full, or the window is.
    case noRoom
  }

  /// Writes a frame of one stream.
  @inline(__always)
  private func writeBody(of stream: HTTPStream) -> BodyStep {
    let available = stream.output.byteCount
    let room = outCapacity &- outCount &- FrameHeader.byteCount
    if stream.outputEnd != .open, isLastPart(available, of: stream) {
      if available <= room { return end(stream) }
      ranOutOfRoom = available == 0
      if ranOutOfRoom { return .noRoom }
    }
    if available == 0 || stream.carrierWindow <= 0 { return .done }
    // The connection's window holds all back: to pass over those in front would be to let them starve.
    if sendWindow <= 0 { return .noRoom }
    let wanted = min(min(available, Self.largestBodyPart), min(stream.carrierWindow, sendWindow))
    let byteCount = min(wanted, room)
    guard byteCount >= min(wanted, Self.smallestCut), let place = reserve(FrameHeader.byteCount &+ byteCount) else {
      ranOutOfRoom = true
      return .noRoom
    }
    FrameHeader(type: FrameHeader.data, streamID: stream.id, payloadByteCount: byteCount).write(to: place)
    outCount &+= FrameHeader.byteCount
    moveOutput(of: stream, byteCount)
    return byteCount < available || stream.outputEnd != .open ? .more : .done
  }

  /// Whether what `stream` holds leaves with its end, which the windows let through. Trailers have nothing with them.
  private func isLastPart(_ byteCount: Int, of stream: HTTPStream) -> Bool {
    byteCount == 0
      || stream.outputEnd == .ended && byteCount <= min(stream.carrierWindow, sendWindow)
        && byteCount <= Self.largestBodyPart
  }

  /// Has nghttp2 end `stream`: it will ask for the last frame, or the trailers.
  private func end(_ stream: HTTPStream) -> BodyStep {
    guard let session else { return .done }
    // A peer that begins with windows of nothing has nghttp2 hold back even what it takes for empty. One byte, never to be used, opens it.
    if peerInitialWindow == 0, nghttp2_session_get_stream_remote_window_size(session, stream.id) == 0 {
      guard intake.isBetweenFrames else { return .noRoom }
      giveNativeRoom(session, stream.id)
    }
    // Before its head has left, nghttp2 has not asked yet; it will.
    guard stream.isOutputDeferred else { return stream.flags.contains(.isOnWire) ? .ends : .done }
    stream.isOutputDeferred = false
    if stream.outputEnd == .endedWithTrailers, stream.output.isEmpty {
      // nghttp2 would send an empty DATA frame first; the trailers alone say it all.
      stream.flags.insert(.isLocalEnded)
      submitTrailers(stream)
    } else {
      nghttp2_session_resume_data(session, stream.id)
    }
    return .ends
  }

  private func giveNativeRoom(_ session: OpaquePointer, _ streamID: Int32) {
    withUnsafeTemporaryAllocation(byteCount: FrameIntake.windowUpdateByteCount, alignment: 8) { frame in
      guard let base = frame.baseAddress else { return }
      FrameHeader(type: FrameHeader.windowUpdate, streamID: streamID, payloadByteCount: 4).write(to: base)
      base.storeBytes(of: UInt32(1).bigEndian, toByteOffset: FrameHeader.byteCount, as: UInt32.self)
      isGivingNativeRoom = true
      nghttp2_session_mem_recv(session, base.assumingMemoryBound(to: UInt8.self), frame.count)
      isGivingNativeRoom = false
    }
  }

  /// Moves bytes of a stream's output to where the next ones go, which has room for them.
  @inline(__always)
  private func moveOutput(of stream: HTTPStream, _ byteCount: Int) {
    monitor.frameSent()
    guard byteCount > 0, let outBase else { return }
    outCount &+= stream.output.move(into: UnsafeMutableRawBufferPointer(start: outBase + outCount, count: byteCount))
    sendWindow &-= byteCount
    stream.carrierWindow &-= byteCount
    if stream.carrierTaken == 0 { taken.append(stream) }
    stream.carrierTaken &+= UInt32(truncatingIfNeeded: byteCount)
    stream.takenByteCount &+= UInt64(truncatingIfNeeded: byteCount)
    // All taken: whatever stalls later, its time begins anew.
    if stream.output.isEmpty {
      stream.lastProgress = .zero
      // Nothing more will wait in it, though the answer may run for long.
      if stream.outputEnd != .open { stream.output = ByteQueue() }
    }
  }

  // MARK: From nghttp2

  /// Lets the last frame of `stream` pass, as one without bytes; all others are not nghttp2's.
  func offerData(of stream: HTTPStream, flags: inout UInt32) -> Int {
    let byteCount = stream.output.byteCount
    guard stream.outputEnd == .ended, isLastPart(byteCount, of: stream),
      outCapacity &- outCount >= FrameHeader.byteCount &+ byteCount
    else {
      stream.isOutputDeferred = true
      if !stream.output.isEmpty || stream.outputEnd != .open { schedule(stream) }
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    flags |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue | NGHTTP2_DATA_FLAG_EOF.rawValue
    stream.flags.insert(.isLocalEnded)
    if role == .server, !stream.flags.contains(.isRemoteEnded) { earlyEnds.append(stream) }
    return 0
  }

  /// Writes the frame that `offerData` let pass, with its bytes.
  func writeLastPart(header: UnsafePointer<UInt8>, of stream: HTTPStream) -> Int32 {
    if isTerminated { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    // An abandoned stream has dropped its output; its RST_STREAM is on the way.
    if stream.flags.contains(.isAborted) { return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    let byteCount = stream.output.byteCount
    guard let place = reserve(FrameHeader.byteCount &+ byteCount) else {
      return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
    }
    memcpy(place, header, FrameHeader.byteCount)
    place.storeBytes(of: UInt8(truncatingIfNeeded: byteCount >> 16), as: UInt8.self)
    place.storeBytes(of: UInt16(truncatingIfNeeded: byteCount).bigEndian, toByteOffset: 1, as: UInt16.self)
    outCount &+= FrameHeader.byteCount
    moveOutput(of: stream, byteCount)
    return 0
  }

  // MARK: Fetching ahead

  /// Fetches the first streams that `writeBodies` comes to: where there are many, each was last touched hundreds of others ago.
  @inline(__always)
  private func fetchFirst() {
    guard unscheduled.count > 1 else { return }
    for place in 0..<Self.streamLead { cprefetch(unscheduled.peek(place)?.toOpaque(), HTTPStream.byteCount) }
    for place in 0..<Self.outputLead { fetchOutput(place) }
  }

  @inline(__always)
  private func fetchNext() {
    guard let stream = unscheduled.peek(Self.outputLead) else { return }
    stream._withUnsafeGuaranteedRef { Self.fetchOutput(of: $0) }
    cprefetch(unscheduled.peek(Self.streamLead)?.toOpaque(), HTTPStream.byteCount)
  }

  @inline(__always)
  private func fetchOutput(_ place: Int) {
    unscheduled.peek(place)?._withUnsafeGuaranteedRef { Self.fetchOutput(of: $0) }
  }

  /// Fetches what a stream's DATA frame is made of.
  @inline(__always)
  static func fetchOutput(of stream: HTTPStream) {
    cprefetch(stream.output.readableBytes.baseAddress, min(stream.output.byteCount, outputByteCount))
  }
}
