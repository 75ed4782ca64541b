/// The limits of one HTTP/1.1 connection, either role.
public struct HTTP1Settings: Sendable {
  /// Whether the connection is TLS: the scheme of its requests, which an absolute-form target must agree with.
  public var isSecure = false
  /// The longest request line, in bytes.
  public var requestLineBytes = 8 * 1024
  /// The longest head, first line included, in bytes.
  public var headBytes = 32 * 1024
  /// The most fields in a head.
  public var fieldCount = 100
  /// From the first byte of a head, or from accept for the first one, to its last byte; absolute, never extended.
  public var headDeadlineMs = 10_000
  /// How long a client's connection may stay without a request.
  public var idleDeadlineMs = 75_000
  /// Body bytes that may wait, unreturned, before the connection stops wanting to read; and bytes read ahead of the
  /// running exchange.
  public var relayBytes = 64 * 1024
  /// A request body of at most this many bytes is read and dropped after an early response; a longer one costs the
  /// connection (S-11).
  public var drainBytes = 64 * 1024
  /// A stream whose output waits this long while less than `stallBytesPerSecond` is taken of it is reset (H2-09).
  public var stallMs = 30_000
  public var stallBytesPerSecond = 256
  /// Requests dispatched at one instant, pipelined ones included; the rest wait for the next turn.
  public var requestsPerTurn = 32
  /// Interim responses accepted before the final one.
  public var interimResponses = 10

  public init() {}
}
