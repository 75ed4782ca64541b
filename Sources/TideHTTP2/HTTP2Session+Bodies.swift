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
  private static let outputByteCount = 512
  /// How many bodies before its own a stream is fetched, and its output.
  private static let streamLead = 8
  private static let outputLead = 4

  func noteOutput(of stream: HTTPStream) {
    scheduleOutput(of: stream)
    owner.codecNeedsFlush()
  }

  /// Puts `stream` in the queue if it has something to send and is not there yet.
  @inline(__always)
  func scheduleOutput(of stream: HTTPStream) {
    guard stream.isHeadSent, !stream.output.isEmpty || stream.outputEnd != .open,
      stream.flags.isDisjoint(with: [.isInSendQueue, .isLocalEnded])
    else { return }
    stream.flags.insert(.isInSendQueue)
    sendQueue.append(stream)
  }

  /// Writes a frame of each stream in turn, until there is nothing more, or no room.
  ///
  /// - Returns: nghttp2's error; 0 for none.
  func writeBodies(_ session: OpaquePointer) -> Int32 {
    fetchFirst()
    var error: Int32 = 0
    // While the connection's window is used up, ends without bytes still leave; the others keep their order.
    var heldBack: ContiguousArray<Unmanaged<HTTPStream>> = []
    while error == 0, closing == nil, !isTerminated, let next = sendQueue.peek(0) {
      let result: BodyStep = next._withUnsafeGuaranteedRef { stream in
        // One that was reset meanwhile is known to nobody any more.
        stream.carrier == nil || stream.flags.contains(.isAborted) ? .done : writeBody(of: stream)
      }
      if result == .bufferIsFull { break }
      _ = sendQueue.popFirst()
      fetchNext()
      if result == .windowIsUsedUp {
        heldBack.append(next)
        continue
      }
      next._withUnsafeGuaranteedRef { stream in
        stream.flags.remove(.isInSendQueue)
        if result == .more { scheduleOutput(of: stream) }
      }
      guard result == .ends else { continue }
      error = sendNative(session)
      if ranOutOfRoom { break }
    }
    for stream in heldBack { stream._withUnsafeGuaranteedRef { restore($0) } }
    return error
  }

  /// Puts one back that was held back, unless it has gone since.
  private func restore(_ stream: HTTPStream) {
    stream.flags.remove(.isInSendQueue)
    if stream.carrier != nil { scheduleOutput(of: stream) }
  }

  private enum BodyStep {
    /// Nothing can be sent on the stream now; it comes back when that changes.
    case done
    /// A frame has been written, and there is more.
    case more
    /// nghttp2 has been told that the stream's last frame may leave.
    case ends
    case bufferIsFull
    /// The connection's.
    case windowIsUsedUp
  }

  /// Writes a frame of one stream.
  @inline(__always)
  private func writeBody(of stream: HTTPStream) -> BodyStep {
    // A request's head may wait until the peer lets another stream be opened; it brings its stream back when it leaves.
    guard stream.flags.intersection([.isOnWire, .isLocalEnded]) == .isOnWire else { return .done }
    let available = stream.output.byteCount
    let room = outCapacity &- outCount &- FrameHeader.byteCount
    if stream.outputEnd != .open, isLastPart(available, of: stream) {
      if available <= room { return end(stream) }
      ranOutOfRoom = available == 0
      if ranOutOfRoom { return .bufferIsFull }
    }
    if available == 0 || stream.carrierWindow <= 0 { return .done }
    if sendWindow <= 0 { return .windowIsUsedUp }
    let wanted = min(min(available, FrameHeader.payloadLimit), min(stream.carrierWindow, sendWindow))
    let byteCount = min(wanted, room)
    guard byteCount >= min(wanted, Self.smallestCut), let place = reserve(FrameHeader.byteCount &+ byteCount) else {
      ranOutOfRoom = true
      return .bufferIsFull
    }
    FrameHeader(length: byteCount, kind: FrameHeader.Kind.data, stream: stream.id).write(to: place)
    outCount &+= FrameHeader.byteCount
    moveOutput(of: stream, byteCount)
    return byteCount < available || stream.outputEnd != .open ? .more : .done
  }

  /// Whether what `stream` holds leaves with its end, which the windows let through. Trailers have nothing with them.
  private func isLastPart(_ byteCount: Int, of stream: HTTPStream) -> Bool {
    byteCount == 0
      || stream.outputEnd == .ended && byteCount <= min(stream.carrierWindow, sendWindow)
        && byteCount <= FrameHeader.payloadLimit
  }

  /// Has nghttp2 end `stream`: it will ask for the last frame, or get the trailers.
  private func end(_ stream: HTTPStream) -> BodyStep {
    guard let session else { return .done }
    // A peer that begins with windows of nothing has nghttp2 hold back even what it takes for empty. One byte, never to be used, opens it.
    if lacksNativeRoom(stream.id) {
      guard intake.isBetweenFrames else {
        roomless.insert(stream.id)
        intake.stopsBetweenFrames = true
        return .done
      }
      giveNativeRoom(session, stream.id)
    }
    // Else it has not asked yet.
    guard stream.isOutputDeferred else { return .ends }
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

  private func lacksNativeRoom(_ streamID: Int32) -> Bool {
    guard peerInitialWindow == 0, let session else { return false }
    return nghttp2_session_get_stream_remote_window_size(session, streamID) == 0
  }

  /// Brings back the streams that waited for the end of a frame of the peer's.
  func giveNativeRoom() {
    intake.stopsBetweenFrames = false
    let waiting = roomless
    roomless.removeAll()
    for streamID in waiting {
      if let session, lacksNativeRoom(streamID) { giveNativeRoom(session, streamID) }
      if let stream = liveStream(streamID) { noteOutput(of: stream) }
    }
  }

  private func giveNativeRoom(_ session: OpaquePointer, _ streamID: Int32) {
    withUnsafeTemporaryAllocation(byteCount: FrameHeader.windowUpdateByteCount, alignment: 8) { frame in
      guard let base = frame.baseAddress else { return }
      FrameHeader.writeWindowUpdate(1, on: streamID, to: base)
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
      scheduleOutput(of: stream)
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
    guard sendQueue.count > 1 else { return }
    for place in 0..<Self.streamLead { cprefetch(sendQueue.peek(place)?.toOpaque(), HTTPStream.byteCount) }
    for place in 0..<Self.outputLead { fetchOutput(place) }
  }

  @inline(__always)
  private func fetchNext() {
    guard let stream = sendQueue.peek(Self.outputLead) else { return }
    stream._withUnsafeGuaranteedRef { Self.fetchOutput(of: $0) }
    cprefetch(sendQueue.peek(Self.streamLead)?.toOpaque(), HTTPStream.byteCount)
  }

  @inline(__always)
  private func fetchOutput(_ place: Int) {
    sendQueue.peek(place)?._withUnsafeGuaranteedRef { Self.fetchOutput(of: $0) }
  }

  /// Fetches what a stream's DATA frame is made of.
  @inline(__always)
  static func fetchOutput(of stream: HTTPStream) {
    cprefetch(stream.output.readableBytes.baseAddress, min(stream.output.byteCount, outputByteCount))
  }
}
