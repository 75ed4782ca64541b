import CZstd

/// zstd: one frame after another, skippable ones between them.
final class ZstdCodec: Codec {
  private let context = ZSTD_createDCtx()
  private var isBetweenFrames = true
  private var hasSeenFrame = false

  override init() {
    if let context { ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, DecodingLimits.windowLog) }
  }

  deinit { ZSTD_freeDCtx(context) }

  override var isAtEnd: Bool { isBetweenFrames && hasSeenFrame }

  override func step(_ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Outcome {
    guard let context else { return Outcome(produced: 0, failure: .memory) }
    if isBetweenFrames {
      guard let first = input.first else { return Outcome(produced: 0) }
      // The library may know formats older than the standard, whose windows it does not limit.
      guard Self.beginsFrame(first) else { return Outcome(produced: 0, failure: hasSeenFrame ? .trailing : .corrupt) }
      isBetweenFrames = false
    }
    var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let result = ZSTD_decompressStream(context, &target, &source)
    input.drop(source.pos)
    if ZSTD_isError(result) != 0 {
      return Outcome(produced: target.pos, failure: Self.failure(ZSTD_getErrorCode(result)))
    }
    if result == 0 {
      isBetweenFrames = true
      hasSeenFrame = true
    }
    return Outcome(produced: target.pos)
  }

  /// The first byte of a frame's magic number, or of a skippable frame's (RFC 8878, section 3.1).
  private static func beginsFrame(_ byte: UInt8) -> Bool { byte == 0x28 || byte >> 4 == 0x5 }

  private static func failure(_ code: ZSTD_ErrorCode) -> DecodingFailure {
    switch code {
    case ZSTD_error_frameParameter_windowTooLarge: .window
    case ZSTD_error_checksum_wrong: .checksum
    case ZSTD_error_memory_allocation: .memory
    default: .corrupt
    }
  }
}
