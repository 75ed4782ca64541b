/// Undoes one body's content coding: coded bytes in, cut anywhere; blocks of the body out, as early as they can be known.
///
/// Pure: no I/O, no clock. Owned by one worker. What a sender has flushed comes out before more is needed, so that an event of a
/// stream never waits for the next. Nothing but the library's window (32 KiB for gzip and deflate, at most 8 MiB for br and zstd, and
/// no more than has been decoded) is held, whatever the body expands to; it is freed with the decoder.
public struct ContentDecoder: ~Copyable {
  /// What `decode` found.
  public enum Step: Equatable, Sendable {
    /// So many bytes stand in the block: at least one. There may be more.
    case block(Int)
    /// The bytes given are used up, and so is what they hold.
    case needsInput
    /// The body cannot be read. Stays so.
    case failed(DecodingFailure)
  }

  private let codec: Codec
  private let limits: DecodingLimits
  private var failure: DecodingFailure?
  /// The last block was full: the library may hold more.
  private var mayHoldMore = false
  /// Bytes of the coded body that were used.
  public private(set) var consumedByteCount = 0
  /// Bytes that came out.
  public private(set) var producedByteCount = 0

  public init(_ coding: ContentCoding, limits: DecodingLimits) {
    self.limits = limits
    switch coding {
    case .gzip: codec = GzipCodec()
    case .deflate: codec = DeflateCodec()
    case .brotli: codec = BrotliCodec()
    case .zstd: codec = ZstdCodec()
    }
  }

  /// Decodes the next block. Call it until it says `.needsInput`, then with the bytes that follow.
  ///
  /// - Parameters:
  ///   - input: shrinks by what was used.
  ///   - block: where the block goes; must not be empty. 16 KiB are plenty.
  public mutating func decode(_ input: inout UnsafeRawBufferPointer, into block: UnsafeMutableRawBufferPointer) -> Step
  {
    while failure == nil {
      guard mayHoldMore || !input.isEmpty else { return .needsInput }
      let before = input.count
      let outcome = codec.step(&input, into: block)
      consumedByteCount &+= before &- input.count
      mayHoldMore = outcome.produced == block.count
      if outcome.produced > 0 {
        failure = limits.judge(produced: producedByteCount &+ outcome.produced, consumed: consumedByteCount)
        if failure != nil { break }
        // What came before a fault is good; the fault is told next.
        failure = outcome.failure
        producedByteCount &+= outcome.produced
        return .block(outcome.produced)
      }
      failure = outcome.failure
      // A library that neither takes nor gives would be asked for ever.
      if failure == nil, before == input.count, before > 0 { failure = .corrupt }
    }
    return .failed(failure ?? .corrupt)
  }

  /// What is wrong with a body that has no further bytes; nil when it is whole.
  public func failureAtEnd() -> DecodingFailure? {
    if let failure { return failure }
    return codec.isAtEnd ? nil : .truncated
  }
}
