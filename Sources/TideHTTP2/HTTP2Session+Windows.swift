import CNghttp2
import TideCore

/// Flow control: the room that the peer has given us for DATA, and the room that we give it.
///
/// nghttp2 knows of neither. It is shown no DATA that counts, neither in (`FrameIntake`) nor out (`offerData`), and so no WINDOW_UPDATE. What
/// it does read of bodies, frames with flags and those that a read cut in two, it accounts for by itself, beside the counts here.
extension HTTP2Session {
  private static let largestWindow = 0x7fff_ffff
  /// The part of a window that is given back at once, as one over this: small enough that the peer never waits for it.
  private static let creditShare = 4

  // MARK: The peer's room for us

  /// Takes a WINDOW_UPDATE.
  ///
  /// - Returns: false when it is one for nghttp2 to judge.
  func windowGrows(_ streamID: Int32, by increment: UInt32) -> Bool {
    guard increment > 0 else { return false }
    if streamID == 0 {
      noteWindowUpdate()
      sendWindow &+= Int(increment)
      if sendWindow > Self.largestWindow { fail(.protocolError, code: NGHTTP2_FLOW_CONTROL_ERROR) }
      return true
    }
    guard let stream = liveStream(streamID) else { return false }
    noteWindowUpdate()
    guard !stream.flags.contains(.isAborted) else { return true }
    stream.carrierWindow &+= Int(increment)
    if stream.carrierWindow > Self.largestWindow {
      submitReset(stream, .peerCode(NGHTTP2_FLOW_CONTROL_ERROR.rawValue))
      streamIsFaulty(stream)
    } else {
      noteOutput(of: stream)
    }
    return true
  }

  func noteWindowUpdate() {
    if !monitor.windowUpdate(activeStreamCount: live.count) { glitch() }
  }

  /// SETTINGS have come: a new SETTINGS_INITIAL_WINDOW_SIZE moves the window of every stream (RFC 9113 section 6.9.2).
  func initialWindowMayHaveChanged() {
    guard let session else { return }
    let size = Int(nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE))
    guard size != peerInitialWindow else { return }
    let change = size &- peerInitialWindow
    peerInitialWindow = size
    for stream in live where !stream.flags.contains(.isAborted) {
      stream.carrierWindow &+= change
      if stream.carrierWindow > Self.largestWindow {
        return fail(.protocolError, code: NGHTTP2_FLOW_CONTROL_ERROR)
      }
      if change > 0 { noteOutput(of: stream) }
    }
  }

  // MARK: Our room for the peer

  func giveCredit(_ byteCount: Int, to stream: HTTPStream) {
    guard let session, !isTerminated else { return }
    let read = min(byteCount, Int(stream.carrierReceived))
    stream.carrierReceived &-= Int32(truncatingIfNeeded: read)
    stream.carrierReturned &+= Int32(truncatingIfNeeded: read)
    if stream.carrierReturned > settings.initialWindowSize / Self.creditShare,
      stream.flags.isDisjoint(with: [.isRemoteEnded, .isAborted])
    {
      owe(UInt32(stream.carrierReturned), on: stream.id)
      stream.carrierReturned = 0
    }
    guard byteCount > read else { return }
    nghttp2_session_consume_stream(session, stream.id, byteCount &- read)
    nativeNeedsFlush()
  }

  /// Gives back what the connection's window has lost to DATA, at its receipt.
  func giveConnectionCredit() {
    if receivedBodyByteCount > 0, let session {
      nghttp2_session_consume_connection(session, receivedBodyByteCount)
      receivedBodyByteCount = 0
    }
    if connectionReceived &- connectionOwed > settings.connectionWindowSize / Self.creditShare {
      owe(UInt32(connectionReceived &- connectionOwed), on: 0)
      connectionOwed = connectionReceived
    }
  }

  private func owe(_ byteCount: UInt32, on streamID: Int32) {
    owed.append(OwedCredit(streamID: streamID, byteCount: byteCount))
    owner.codecNeedsFlush()
  }

  /// Writes WINDOW_UPDATE frames for all that is owed, but on streams that are over: no frame may follow their RST_STREAM, which nghttp2 has
  /// written by now.
  func writeOwed() {
    var count = 0
    while count < owed.count, let place = reserve(FrameHeader.windowUpdateByteCount) {
      let credit = owed[count]
      count += 1
      if credit.streamID == 0 {
        connectionReceived &-= Int(credit.byteCount)
        connectionOwed &-= Int(credit.byteCount)
      } else if findLive(credit.streamID) == nil {
        continue
      }
      FrameHeader.writeWindowUpdate(credit.byteCount, on: credit.streamID, to: place)
      outCount &+= FrameHeader.windowUpdateByteCount
    }
    owed.removeFirst(count)
  }
}

/// Room that a WINDOW_UPDATE is still to announce.
struct OwedCredit {
  /// 0: the connection.
  let streamID: Int32
  let byteCount: UInt32
}
