import CNghttp2
import TideCore

/// The C entry points: each finds its session, converts, and forwards.
extension HTTP2Session {
  static func makeCallbacks() -> OpaquePointer {
    var made: OpaquePointer?
    guard nghttp2_session_callbacks_new(&made) == 0, let table = made else {
      fatalError("no memory for HTTP/2 callbacks")
    }
    nghttp2_session_callbacks_set_send_callback(table) { _, data, count, _, userData in
      HTTP2Session.with(userData) { $0.write(UnsafeRawBufferPointer(start: data, count: count)) }
    }
    nghttp2_session_callbacks_set_send_data_callback(table) { _, _, header, _, source, userData in
      guard let stream = source?.pointee.ptr, let header else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
      return HTTP2Session.with(userData) { session in
        HTTP2Session.stream(stream)._withUnsafeGuaranteedRef {
          session.writeLastPart(header: header, of: $0)
        }
      }
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(table) { _, header, userData in
      guard let header else { return 0 }
      return HTTP2Session.with(userData) { $0.frameBegins(header.pointee) }
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, userData in
      HTTP2Session.with(userData) { $0.blockBegins() }
    }
    nghttp2_session_callbacks_set_on_header_callback(table) { _, _, name, nameCount, value, valueCount, _, userData in
      HTTP2Session.with(userData) {
        $0.blockContinues(
          UnsafeRawBufferPointer(start: name, count: nameCount), UnsafeRawBufferPointer(start: value, count: valueCount)
        )
      }
    }
    nghttp2_session_callbacks_set_on_invalid_header_callback2(table) { _, _, _, _, _, userData in
      HTTP2Session.with(userData) { $0.blockHasInvalidField() }
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, userData in
      guard let frame else { return 0 }
      return HTTP2Session.with(userData) { $0.frameReceived(frame) }
    }
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table) { _, frame, error, userData in
      guard let frame else { return 0 }
      return HTTP2Session.with(userData) { $0.frameIsInvalid(frame.pointee.hd, error: error) }
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) { _, _, id, bytes, count, userData in
      HTTP2Session.with(userData) { $0.bodyReceived(id: id, UnsafeRawBufferPointer(start: bytes, count: count)) }
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(table) { _, id, code, userData in
      HTTP2Session.with(userData) { $0.streamIsClosed(id: id, code: code) }
    }
    nghttp2_session_callbacks_set_before_frame_send_callback(table) { _, frame, userData in
      guard let frame else { return 0 }
      return HTTP2Session.with(userData) { $0.frameLeaves(frame) }
    }
    nghttp2_session_callbacks_set_on_frame_not_send_callback(table) { _, frame, error, userData in
      guard let frame else { return 0 }
      return HTTP2Session.with(userData) { $0.frameCannotLeave(frame.pointee.hd, error: error) }
    }
    return table
  }

  /// nghttp2's pull on a stream's output.
  static let readData: nghttp2_data_source_read_callback = { _, _, _, _, flags, source, userData in
    guard let stream = source?.pointee.ptr, let flags else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    return HTTP2Session.with(userData) { session in
      HTTP2Session.stream(stream)._withUnsafeGuaranteedRef {
        session.offerData(of: $0, flags: &flags.pointee)
      }
    }
  }

  // The session outlives nghttp2's, and `live` holds every stream that nghttp2 can name: neither needs a reference count here.
  @inline(__always)
  private static func with<R>(_ userData: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> R) -> R {
    guard let userData else { fatalError("nghttp2 lost its user data") }
    return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef(body)
  }

  @inline(__always)
  static func stream(_ userData: UnsafeMutableRawPointer) -> Unmanaged<HTTPStream> {
    Unmanaged<HTTPStream>.fromOpaque(userData)
  }

  /// The stream that nghttp2 has under `id`; nil for one whose head was never accepted and for a closed one.
  @inline(__always)
  func findLive(_ id: Int32) -> Unmanaged<HTTPStream>? {
    if id == foundID, let found { return found }
    if let stream = table?[id] {
      foundID = id
      found = stream
      return stream
    }
    guard let session, let userData = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    foundID = id
    found = HTTP2Session.stream(userData)
    return found
  }

  /// The same, retained: for what is rare, and for what may close the stream.
  func liveStream(_ id: Int32) -> HTTPStream? { findLive(id)?.takeUnretainedValue() }
}
