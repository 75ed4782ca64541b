extension ContentDecoder {
  private static let blockByteCount = 16 << 10

  /// Decodes a body that is here as a whole.
  ///
  /// - Parameter byteLimit: the longest body that may come of it.
  public static func decode(
    _ bytes: UnsafeRawBufferPointer, _ coding: ContentCoding, byteLimit: Int
  ) -> Result<[UInt8], DecodingFailure> {
    var decoder = ContentDecoder(coding, limits: DecodingLimits(byteCount: byteLimit))
    var body: [UInt8] = []
    if let failure = decoder.decode(bytes, appendingTo: &body) ?? decoder.failureAtEnd() { return .failure(failure) }
    return .success(body)
  }

  /// Decodes the next bytes of a body that is being collected.
  ///
  /// - Returns: why it cannot go on; nil when it can.
  public mutating func decode(_ bytes: UnsafeRawBufferPointer, appendingTo body: inout [UInt8]) -> DecodingFailure? {
    withUnsafeTemporaryAllocation(byteCount: Self.blockByteCount, alignment: 16) { block in
      var rest = bytes
      while true {
        switch decode(&rest, into: block) {
        case .block(let count): body.append(contentsOf: block[..<count])
        case .needsInput: return nil
        case .failed(let failure): return failure
        }
      }
    }
  }
}
