/// What one connection has seen of trouble, for `/metrics`. The owner reads it when the connection closes.
public struct HTTP2Counters: Sendable, Equatable {
  /// Errors and oddities of the peer that each cost a unit of the glitch bucket.
  public var glitches: UInt32 = 0
  /// RST_STREAM frames the peer sent.
  public var resetsReceived: UInt32 = 0
  /// RST_STREAM frames this side sent, refusals included.
  public var resetsSent: UInt32 = 0
  /// Streams refused because they were over the limit.
  public var refused: UInt32 = 0
  /// Limits against floods that were passed: each closed the connection.
  public var floods: UInt32 = 0
  /// Streams ended because the peer took less than 256 bytes a second over 30 seconds.
  public var stalls: UInt32 = 0
  /// Heads answered here with 400, 405 or 431 and not dispatched.
  public var rejectedHeads: UInt32 = 0

  public init() {}
}
