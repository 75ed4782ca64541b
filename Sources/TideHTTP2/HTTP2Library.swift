import CNghttp2

/// What all sessions of the process share: nghttp2's callback table and options, made once and never changed.
enum HTTP2Library {
  // nghttp2 copies both on `nghttp2_session_*_new2` and only reads them; after their one-time initialisation nobody
  // writes.
  private nonisolated(unsafe) static let callbacks: OpaquePointer = HTTP2Session.makeCallbacks()
  private nonisolated(unsafe) static let serverOptions: OpaquePointer = makeOptions(.server)
  private nonisolated(unsafe) static let clientOptions: OpaquePointer = makeOptions(.client)

  static func makeSession(role: HTTP2Role, userData: UnsafeMutableRawPointer) -> OpaquePointer {
    var session: OpaquePointer?
    let result =
      switch role {
      case .server: nghttp2_session_server_new2(&session, callbacks, userData, serverOptions)
      case .client: nghttp2_session_client_new2(&session, callbacks, userData, clientOptions)
      }
    guard result == 0, let session else { fatalError("no memory for an HTTP/2 session") }
    return session
  }

  /// The source nghttp2 asks for the end of a stream's body.
  static func dataProvider(for stream: UnsafeMutableRawPointer) -> nghttp2_data_provider {
    nghttp2_data_provider(source: nghttp2_data_source(ptr: stream), read_callback: HTTP2Session.readData)
  }

  /// The design's set-up table.
  private static func makeOptions(_ role: HTTP2Role) -> OpaquePointer {
    var made: OpaquePointer?
    guard nghttp2_option_new(&made) == 0, let options = made else { fatalError("no memory for HTTP/2 options") }
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_max_outbound_ack(options, 128)
    nghttp2_option_set_max_settings(options, 32)
    // nghttp2 counts reads and not frames, so that its own default refuses honest, slow peers. Frames are counted here.
    nghttp2_option_set_max_continuations(options, 128)
    switch role {
    case .server:
      nghttp2_option_set_stream_reset_rate_limit(options, 200, 33)
    case .client:
      nghttp2_option_set_peer_max_concurrent_streams(options, 100)
      nghttp2_option_set_max_reserved_remote_streams(options, 0)
    }
    return options
  }
}
