import CNghttp2
import TideCore

/// What comes in: slices of bytes, and nghttp2's events about them.
extension HTTP2Session {
  /// Downstream bytes enter nghttp2 in slices, with the queue and the buckets checked after each.
  private static let serverSliceByteCount = 16 * 1024
  private static let clientSliceByteCount = 2 << 20
  /// Control frames that may wait to be sent. A client answers many streams at once, a server's peer is not to be
  /// trusted.
  private static let serverQueueLimit = 1_000
  private static let clientQueueLimit = 10_000
  private static let interimLimit: UInt32 = 10

  /// Takes bytes from the transport. Never throws: what is wrong ends streams or the connection.
  public func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
    guard closing == nil, !isTerminated, bytes.baseAddress != nil else { return }
    self.now = now
    withExtendedLifetime(self) {
      let limit = role == .server ? Self.serverSliceByteCount : Self.clientSliceByteCount
      var offset = 0
      while offset < bytes.count, closing == nil, !isTerminated {
        let count = min(limit, bytes.count &- offset)
        take(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset &+ count]))
        offset &+= count
      }
      giveConnectionCredit()
      if !pending.isEmpty { dispatchPending() }
      if isNativeDue, let session { isNativeDue = nghttp2_session_want_write(session) != 0 }
      if isNativeDue || closing != nil || !sendQueue.isEmpty { owner.codecNeedsFlush() }
      settle()
    }
  }

  /// Takes one slice: what is nghttp2's goes to nghttp2.
  private func take(_ bytes: UnsafeRawBufferPointer) {
    ahead?.begin(bytes)
    depth += 1
    var offset = 0
    while closing == nil, !isTerminated, let piece = intake.next(in: bytes, from: &offset) {
      switch piece {
      case .data(let streamID, let frame):
        let part = UnsafeRawBufferPointer(rebasing: bytes[frame])
        if !bodyPartReceived(on: streamID, UnsafeRawBufferPointer(rebasing: part[FrameHeader.byteCount...])) {
          feed(part)
        }
      case .native(let range): feed(UnsafeRawBufferPointer(rebasing: bytes[range]))
      case .nativeHeld: intake.withHeld { feed($0) }
      case .windowUpdate(let streamID, let increment, let frame):
        if !windowGrows(streamID, by: increment) { feed(UnsafeRawBufferPointer(rebasing: bytes[frame])) }
      case .windowUpdateHeld(let streamID, let increment):
        if !windowGrows(streamID, by: increment) { intake.withHeld { feed($0) } }
      }
      if !roomless.isEmpty, intake.isBetweenFrames { giveNativeRoom() }
    }
    depth -= 1
    ahead?.end()
  }

  private func feed(_ bytes: UnsafeRawBufferPointer) {
    guard let session, let base = bytes.baseAddress else { return }
    let result = nghttp2_session_mem_recv(session, base.assumingMemoryBound(to: UInt8.self), bytes.count)
    isNativeDue = true
    hasNativeRun = true
    if result < 0 {
      receiveFailed(Int32(clamping: result))
    } else if !monitor.fed(bytes.count, now: now) {
      failAttack("overhead")
    } else if nghttp2_session_get_outbound_queue_size(session)
      > (role == .server ? Self.serverQueueLimit : Self.clientQueueLimit)
    {
      failAttack("outbound queue")
    }
  }

  private func receiveFailed(_ error: Int32) {
    switch nghttp2_error(error) {
    case NGHTTP2_ERR_CALLBACK_FAILURE: break
    case NGHTTP2_ERR_FLOODED: failAttack("outbound acknowledgements")
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: failAttack("continuations")
    case NGHTTP2_ERR_TOO_MANY_SETTINGS: failAttack("settings entries")
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC, NGHTTP2_ERR_NOMEM: fail(.protocolError, code: nil)
    default: fail(.protocolError, code: NGHTTP2_PROTOCOL_ERROR)
    }
  }

  // MARK: Frames

  func frameBegins(_ header: nghttp2_frame_hd) -> Int32 {
    let isAcknowledgement = header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
    let type = nghttp2_frame_type(UInt32(header.type))
    if type != NGHTTP2_CONTINUATION { headerBlockDeadline = .distantFuture }
    switch type {
    case NGHTTP2_DATA:
      // An engine that sends each token alone does nothing wrong; only a client's frame headers are overhead.
      monitor.exempt(header.length &+ (role == .client && header.length > 0 ? 9 : 0))
      if header.length > 0 { ahead?.frameBegins(header.stream_id) }
      if let found = findLive(header.stream_id) {
        found._withUnsafeGuaranteedRef {
          checkAnnouncedLength(header, of: $0)
          checkWindow(header.length, of: $0)
        }
      }
    case NGHTTP2_HEADERS:
      monitor.exempt(header.length)
      monitor.beginBlock()
      let isNew = header.stream_id > highestPeerStreamID && role == .server
      if isNew { highestPeerStreamID = header.stream_id }
      let isListenedTo = liveStream(header.stream_id).map { !$0.flags.contains(.isAborted) } ?? false
      // nghttp2 is silent about blocks on streams that are gone: a deadline would never be lifted.
      if isNew && !isFinalGoawaySubmitted || isListenedTo { armHeaderBlockDeadline() }
    case NGHTTP2_CONTINUATION:
      monitor.exempt(header.length)
      if !monitor.continuation() { failAttack("continuations") }
    case NGHTTP2_PRIORITY:
      if !monitor.priority() { glitch() }
    case NGHTTP2_RST_STREAM:
      counters.resetsReceived &+= 1
      if role == .server, !monitor.reset(now: now) { failAttack("resets") }
    case NGHTTP2_SETTINGS:
      if !isAcknowledgement, !monitor.settings(now: now) { failAttack("settings") }
    case NGHTTP2_PING:
      if !isAcknowledgement, !monitor.ping(now: now) { failAttack("pings") }
    case NGHTTP2_WINDOW_UPDATE:
      if !isGivingNativeRoom { noteWindowUpdate() }
    case NGHTTP2_GOAWAY:
      // A second one is the end of a drain; more are a game.
      if isGoawayReceived { glitch() }
    default: break
    }
    return callbackResult
  }

  func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
    let header = frame.pointee.hd
    let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    let isAcknowledgement = header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
    switch nghttp2_frame_type(UInt32(header.type)) {
    case NGHTTP2_DATA:
      guard isEnd || header.length &- frame.pointee.data.padlen == 0, let stream = liveStream(header.stream_id) else {
        break
      }
      if isEnd {
        remoteEnds(stream, trailers: nil)
      } else {
        if stream.flags.contains(.hadEmptyData) { glitch() }
        stream.flags.insert(.hadEmptyData)
      }
    case NGHTTP2_HEADERS:
      headerBlockDeadline = .distantFuture
      guard var block = self.block.take() else { break }
      if role == .client {
        responseBlockEnds(&block, id: header.stream_id, isEnd: isEnd)
      } else if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
        requestBlockEnds(&block, id: header.stream_id, isEnd: isEnd)
      } else if let stream = liveStream(header.stream_id) {
        trailersEnd(&block, on: stream)
      }
    case NGHTTP2_SETTINGS:
      if isAcknowledgement {
        settingsAckDeadline = .distantFuture
      } else {
        firstSettingsDeadline = .distantFuture
        hasCapacityChanged = true
        initialWindowMayHaveChanged()
      }
    case NGHTTP2_PING:
      if isAcknowledgement { pingIsAcknowledged() }
    case NGHTTP2_GOAWAY:
      isGoawayReceived = true
      hasCapacityChanged = true
    default: break
    }
    return callbackResult
  }

  func frameIsInvalid(_ header: nghttp2_frame_hd, error: Int32) -> Int32 {
    headerBlockDeadline = .distantFuture
    if error == NGHTTP2_ERR_REFUSED_STREAM.rawValue {
      counters.refused &+= 1
      if !monitor.refusal() { failAttack("refused streams") }
      return callbackResult
    }
    if let stream = liveStream(header.stream_id) {
      streamIsFaulty(stream)
    } else {
      block = nil
      glitch()
    }
    return callbackResult
  }

  /// The peer broke the rules of one stream: its consumer hears so now and not when RST_STREAM gets out, for a peer
  /// that does not read must not keep the other side of the exchange running.
  func streamIsFaulty(_ stream: HTTPStream) {
    if !stream.flags.contains(.isGlitchCounted) {
      stream.flags.insert(.isGlitchCounted)
      glitch()
    }
    abort(stream, .protocolError)
  }

  /// nghttp2 resets a stream whose body is not as long as announced, and tells nobody. Padded frames are left to the
  /// moment when its RST_STREAM leaves.
  @inline(__always)
  private func checkAnnouncedLength(_ header: nghttp2_frame_hd, of stream: HTTPStream) {
    guard stream.carrierAwaited >= 0, !stream.flags.contains(.isAborted),
      header.flags & UInt8(NGHTTP2_FLAG_PADDED.rawValue) == 0
    else { return }
    let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    guard header.length > stream.carrierAwaited || (isEnd && header.length != stream.carrierAwaited) else { return }
    submitReset(stream, .protocolError)
    streamIsFaulty(stream)
  }

  /// DATA beyond what the stream's window can have had room for. nghttp2 would end the stream; a peer that cannot count
  /// cannot be talked to at all.
  @inline(__always)
  private func checkWindow(_ byteCount: Int, of stream: HTTPStream) {
    guard stream.unreturnedCredit &+ byteCount > max(settings.initialWindowSize, Self.firstWindow) else { return }
    fail(.protocolError, code: NGHTTP2_FLOW_CONTROL_ERROR)
  }

  /// Takes a body part that nghttp2 is not to see.
  ///
  /// - Returns: false when it is one that concerns nghttp2.
  private func bodyPartReceived(on streamID: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let found = table?[streamID] else { return false }
    return found._withUnsafeGuaranteedRef { stream in
      guard stream.flags.intersection([.isBodyPlain, .isAborted, .isLocallyReset, .isRemoteEnded]) == .isBodyPlain
      else {
        return false
      }
      ahead?.frameBegins(streamID)
      checkWindow(bytes.count, of: stream)
      connectionReceived &+= bytes.count
      if connectionReceived > settings.connectionWindowSize { fail(.protocolError, code: NGHTTP2_FLOW_CONTROL_ERROR) }
      guard closing == nil else { return true }
      stream.carrierReceived &+= Int32(truncatingIfNeeded: bytes.count)
      bodyReceived(on: stream, bytes)
      return true
    }
  }

  func bodyReceived(id: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
    receivedBodyByteCount &+= bytes.count
    findLive(id)?._withUnsafeGuaranteedRef { bodyReceived(on: $0, bytes) }
    return callbackResult
  }

  private func bodyReceived(on stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    guard !stream.flags.contains(.isAborted) else { return }
    if stream.carrierAwaited >= 0 { stream.carrierAwaited = max(0, stream.carrierAwaited &- bytes.count) }
    if !stream.flags.contains(.isDispatched) { dispatch(stream) }
    if let consumer = stream.consumer {
      stream.unreturnedCredit &+= bytes.count
      consumer.streamBody(stream, bytes)
    } else if !stream.flags.contains(.isAborted) {
      // Nobody wants the body of a request that is answered without looking at it.
      giveCredit(bytes.count, to: stream)
    }
  }

  // MARK: Header blocks

  func blockBegins() -> Int32 {
    block = HeaderBlock(fieldLimit: settings.maxHeaderFields, sizeLimit: settings.maxHeaderListSize)
    return 0
  }

  func blockContinues(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Int32 {
    block?.append(name, value)
    if let count = block?.fieldCount, count > settings.maxDecodedFields { failAttack("header fields") }
    return callbackResult
  }

  /// Fails the stream: left alone, nghttp2 would drop the field in silence and let the message pass.
  func blockHasInvalidField() -> Int32 {
    block?.countInvalid()
    return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
  }

  private func requestBlockEnds(_ block: inout HeaderBlock, id: Int32, isEnd: Bool) {
    guard let session else { return }
    monitor.streamOpened()
    let stream = HTTPStream(id: id, carrier: self)
    if isEnd { stream.flags.insert(.isRemoteEnded) }
    hold(stream)
    nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(stream).toOpaque())
    switch RequestRules.judge(block, isSecure: settings.isSecure) {
    case .rejected(let status):
      counters.rejectedHeads &+= 1
      if status == 431 { glitch() }
      stream.flags.insert(.isAborted)
      send(ResponseHead(status: status, contentLength: 0), endStream: true, on: stream)
    case .accepted(let authority):
      stream.carrierAwaited = isEnd ? -1 : block.contentLength ?? -1
      let head = RequestHead(
        method: block.method, scheme: block.scheme, authority: authority, path: block.path,
        headers: block.finishedFields(), contentLength: block.contentLength)
      pending.append(PendingRequest(stream: stream, head: head))
      armStallScan()
    }
  }

  private func responseBlockEnds(_ block: inout HeaderBlock, id: Int32, isEnd: Bool) {
    guard let stream = liveStream(id), !stream.flags.contains(.isAborted) else { return }
    if stream.flags.contains(.hasFinalHead) { return trailersEnd(&block, on: stream) }
    let isInterim = block.status < 200
    if isInterim { stream.carrierFlags &+= StreamFlags.interimUnit }
    if block.isOverLimit || block.isContradictory || stream.interimCount > Self.interimLimit {
      submitReset(stream, .enhanceYourCalm)
      return streamIsFaulty(stream)
    }
    let head = ResponseHead(
      status: block.status, headers: block.finishedFields(), contentLength: block.contentLength)
    if !isInterim {
      stream.flags.insert(.hasFinalHead)
      if !isEnd { table?.insert(stream) }
      // Without a length there is nothing to check but the end. What else may have no body is nghttp2's to know.
      if block.status == 200, block.contentLength == nil, !stream.flags.contains(.isHeadOnly) {
        stream.flags.insert(.isBodyPlain)
      }
    }
    stream.consumer?.streamHead(stream, head, isInterim: isInterim)
    if isEnd { remoteEnds(stream, trailers: nil) }
  }

  private func trailersEnd(_ block: inout HeaderBlock, on stream: HTTPStream) {
    guard !stream.flags.contains(.isAborted) else { return }
    if block.isOverLimit {
      submitReset(stream, .enhanceYourCalm)
      return streamIsFaulty(stream)
    }
    remoteEnds(stream, trailers: block.finishedFields())
  }

  /// END_STREAM has come.
  private func remoteEnds(_ stream: HTTPStream, trailers: HeaderList?) {
    guard !stream.flags.contains(.isRemoteEnded) else { return }
    stream.flags.insert(.isRemoteEnded)
    guard !stream.flags.contains(.isAborted) else { return }
    if !stream.flags.contains(.isDispatched) { dispatch(stream, endsHere: false) }
    stream.consumer?.streamEnd(stream, trailers: trailers)
  }
}
