import TideCore

/// What the session notes on a stream, in `HTTPStream.carrierFlags`.
struct StreamFlags: OptionSet {
  let rawValue: UInt32

  /// The consumer knows of the stream and is owed exactly one end.
  static let isDispatched = StreamFlags(rawValue: 1 << 0)
  /// The peer has sent END_STREAM.
  static let isRemoteEnded = StreamFlags(rawValue: 1 << 1)
  /// END_STREAM has been put on one of our frames.
  static let isLocalEnded = StreamFlags(rawValue: 1 << 2)
  /// The consumer has had its end, or there never was one; no event may follow.
  static let isAborted = StreamFlags(rawValue: 1 << 3)
  /// We asked for RST_STREAM ourselves, so it is not a glitch when it leaves.
  static let isLocallyReset = StreamFlags(rawValue: 1 << 4)
  /// Client: the final response head has arrived; what follows are trailers.
  static let hasFinalHead = StreamFlags(rawValue: 1 << 5)
  /// HEADERS have left: a client's peer may have acted on them, and DATA may follow.
  static let isOnWire = StreamFlags(rawValue: 1 << 6)
  /// The glitch bucket has been charged for this stream's error.
  static let isGlitchCounted = StreamFlags(rawValue: 1 << 7)
  /// An empty DATA frame was let pass; the next one is a glitch.
  static let hadEmptyData = StreamFlags(rawValue: 1 << 8)
  /// Client: the request was HEAD, whose answer has no body whatever its head says.
  static let isHeadOnly = StreamFlags(rawValue: 1 << 9)
  /// In the queue of those that have something to send.
  static let isInSendQueue = StreamFlags(rawValue: 1 << 10)

  /// Client: the answer's DATA is read here, since nothing but its end concerns nghttp2.
  static let isBodyPlain = StreamFlags(rawValue: 1 << 11)

  /// Interim responses are counted in the top byte.
  static let interimUnit: UInt32 = 1 << 24
}

extension HTTPStream {
  @inline(__always)
  var flags: StreamFlags {
    get { StreamFlags(rawValue: carrierFlags) }
    set { carrierFlags = newValue.rawValue }
  }

  var interimCount: UInt32 { carrierFlags / StreamFlags.interimUnit }
}
