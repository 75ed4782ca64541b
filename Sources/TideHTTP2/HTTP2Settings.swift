/// The values one role runs an HTTP/2 connection with. Defaults are those of the design's set-up table.
public struct HTTP2Settings: Sendable, Equatable {
  /// Server: what SETTINGS announces. Client: our own cap below what the engine announces.
  public var maxConcurrentStreams = 100
  /// Room for body bytes on one stream before its consumer returns credit: the relay buffer's size.
  public var initialWindowSize = 65_535
  /// Room for body bytes on the whole connection; returned at receipt, so that one slow stream stalls no other.
  public var connectionWindowSize = 1 << 20
  /// More fields than this in one head: 431 and RST_STREAM.
  public var maxHeaderFields = 100
  /// A larger head (names, values and 32 bytes a field): 431 and RST_STREAM.
  public var maxHeaderListSize = 32 * 1024
  /// More fields than this in one block close the connection.
  public var maxDecodedFields = 1000
  /// Whether the transport is TLS: `:scheme` must say the same.
  public var isSecure = false
  /// Client: cancels that may go out on one connection before it should be replaced. Half of what Tidegate itself, and
  /// less than what Debian's nghttp2, accepts in a burst.
  public var resetBudget = 100
  /// Client: how fast the budget of cancels refills.
  public var resetBudgetPerSecond = 16

  /// The defaults of one role: 100 streams and 1 MiB a connection downstream; as many streams as the engine announces
  /// and 16 MiB a connection upstream. 64 KiB a stream both ways.
  public init(role: HTTP2Role) {
    if role == .client {
      maxConcurrentStreams = 1024
      connectionWindowSize = 16 << 20
    }
  }
}
