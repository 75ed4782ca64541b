/// Why one exchange failed. Eight plain bytes: as a typed throw it never touches the heap.
public struct ExchangeFailure: Error, Equatable, Sendable, BitwiseCopyable {
  public enum Kind: UInt8, Sendable, BitwiseCopyable {
    case connectFailed, timedOut, reset, malformed, rejected, overLimit, policy
  }
  public enum Source: UInt8, Sendable, BitwiseCopyable { case downstream, upstream, policy, gateway }
  public enum Retry: UInt8, Sendable, BitwiseCopyable { case never, onlyIfUnprocessed, always }

  public var kind: Kind
  public var source: Source
  public var retry: Retry
  /// The HTTP status it is rendered with, before the head was sent.
  public var code: Int32

  public init(_ kind: Kind, source: Source, retry: Retry = .never, code: Int32) {
    self.kind = kind
    self.source = source
    self.retry = retry
    self.code = code
  }
}
