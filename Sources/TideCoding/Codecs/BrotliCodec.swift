import CBrotli

/// br. Large windows, an extension, stay off, so that a window has at most 16 MiB; the one size above 8 MiB is refused by its code.
final class BrotliCodec: Codec {
  /// How a stream with a window of 16 MiB begins: four bits that are all one (RFC 7932, section 9.1).
  private static let largestWindow: UInt8 = 0x0F

  private let state = BrotliDecoderCreateInstance(nil, nil, nil)
  private var hasBegun = false
  private var hasEnded = false

  deinit { BrotliDecoderDestroyInstance(state) }

  override var isAtEnd: Bool { hasEnded }

  override func step(_ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Outcome {
    guard let state else { return Outcome(produced: 0, failure: .memory) }
    if hasEnded { return Outcome(produced: 0, failure: input.isEmpty ? nil : .trailing) }
    if !hasBegun, let first = input.first {
      hasBegun = true
      if first & 0x0F == Self.largestWindow { return Outcome(produced: 0, failure: .window) }
    }
    var availableIn = input.count
    var nextIn = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    var availableOut = output.count
    var nextOut = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let result = BrotliDecoderDecompressStream(state, &availableIn, &nextIn, &availableOut, &nextOut, nil)
    input.drop(input.count - availableIn)
    let produced = output.count - availableOut
    switch result {
    case BROTLI_DECODER_RESULT_SUCCESS: hasEnded = true
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT, BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: break
    default: return Outcome(produced: produced, failure: Self.failure(BrotliDecoderGetErrorCode(state)))
    }
    return Outcome(produced: produced)
  }

  private static func failure(_ code: BrotliDecoderErrorCode) -> DecodingFailure {
    switch code {
    case BROTLI_DECODER_ERROR_FORMAT_WINDOW_BITS: .window
    case BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES, BROTLI_DECODER_ERROR_ALLOC_TREE_GROUPS,
      BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MAP, BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_1,
      BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_2, BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES:
      .memory
    default: .corrupt
    }
  }
}
