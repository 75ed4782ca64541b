import CNghttp2
import TideCore

/// The life of streams on this side: handed on once, ended once.
extension HTTP2Session {
  /// Keeps a stream alive for nghttp2, whose user data it is, until `streamIsClosed`.
  func hold(_ stream: HTTPStream) {
    stream.carrierWindow = peerInitialWindow
    stream.carrierPosition = live.count
    live.append(stream)
    liveCount = live.count
  }

  /// Hands on the requests of the batch that are still there at its end.
  func dispatchPending() {
    while !pending.isEmpty, closing == nil, !isTerminated {
      hand(on: pending.removeFirst(), endsHere: true)
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Hands on one request before the end of the batch, since its body is here.
  func dispatch(_ stream: HTTPStream, endsHere: Bool = true) {
    guard let index = pending.firstIndex(where: { $0.stream === stream }) else { return }
    hand(on: pending.remove(at: index), endsHere: endsHere)
  }

  /// - Parameter endsHere: END_STREAM that came with the head is told here.
  private func hand(on request: consuming PendingRequest, endsHere: Bool) {
    let stream = request.stream
    let isEnd = endsHere && stream.flags.contains(.isRemoteEnded)
    stream.flags.insert(.isDispatched)
    owner.codecDidReceive(request.head, on: stream, endStream: isEnd)
    if isEnd { stream.consumer?.streamEnd(stream, trailers: nil) }
  }

  /// Ends `stream` for its consumer. On the wire it may live on until its RST_STREAM has left.
  func abort(_ stream: HTTPStream, _ reason: StreamReset) {
    guard !stream.flags.contains(.isAborted) else { return }
    stream.flags.insert(.isAborted)
    let consumer = stream.consumer
    stream.consumer = nil
    stream.carrier = nil
    stream.output.removeAll()
    stream.carrierTaken = 0
    if stream.flags.contains(.isDispatched) {
      consumer?.streamReset(stream, reason)
    } else if let index = pending.firstIndex(where: { $0.stream === stream }) {
      pending.remove(at: index)
    }
  }

  /// Ends every stream for its consumer. A request that has not left can be tried again elsewhere.
  func abortAll(_ reason: StreamReset) {
    let streams = live
    for stream in streams {
      abort(stream, role == .client && !stream.flags.contains(.isOnWire) ? .refused : reason)
    }
  }

  /// nghttp2 has forgotten the stream: both ends came, or RST_STREAM did, or GOAWAY left it out.
  func streamIsClosed(id: Int32, code: UInt32) -> Int32 {
    guard let stream = liveStream(id) else { return 0 }
    let position = stream.carrierPosition
    if position < live.count, live[position] === stream {
      closed.append(stream)
      let last = live.removeLast()
      if last !== stream {
        last.carrierPosition = position
        live[position] = last
      }
      liveCount = live.count
    }
    if id == foundID { found = nil }
    table?.remove(stream)
    if stream.flags.contains(.isInSendQueue) { sendQueue.remove(stream) }
    hasCapacityChanged = true
    guard !stream.flags.contains(.isAborted) else { return 0 }
    if isComplete(stream, code: code) {
      stream.flags.insert(.isAborted)
      tellTaken(stream)
      let consumer = stream.consumer
      stream.consumer = nil
      stream.carrier = nil
      consumer?.streamClosed(stream)
    } else {
      abort(stream, Self.reason(code, role: role))
    }
    return 0
  }

  /// Whether all that mattered has passed: a server's response has left, a client's response has come.
  private func isComplete(_ stream: HTTPStream, code: UInt32) -> Bool {
    switch role {
    case .server: stream.flags.contains(.isLocalEnded)
    case .client: code == NGHTTP2_NO_ERROR.rawValue && stream.flags.contains(.isRemoteEnded)
    }
  }

  /// What a code received in RST_STREAM, or given by nghttp2 after GOAWAY, means to a consumer.
  private static func reason(_ code: UInt32, role: HTTP2Role) -> StreamReset {
    switch nghttp2_error_code(code) {
    case NGHTTP2_CANCEL: .peerGone
    case NGHTTP2_NO_ERROR where role == .server: .peerGone
    case NGHTTP2_REFUSED_STREAM where role == .client: .refused
    default: .peerCode(code)
    }
  }
}
