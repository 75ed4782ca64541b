/// `deflate`: zlib's container, or the bare format without one. Its first two bytes tell which.
final class DeflateCodec: Codec {
  private var inflater: Inflater?
  /// The first byte, when it came alone and could begin either.
  private var first: UInt8?
  private var hasEnded = false

  override var isAtEnd: Bool { hasEnded }

  override func step(_ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Outcome {
    if hasEnded { return Outcome(produced: 0, failure: input.isEmpty ? nil : .trailing) }
    if inflater == nil {
      guard let container = container(&input) else { return Outcome(produced: 0) }
      inflater = Inflater(container)
      if let first {
        self.first = nil
        // Of a lone first byte nothing can come out yet: it is half of a header, or the beginning of one.
        let early = withUnsafeBytes(of: first) { byte in
          var byte = byte
          return step(of: &byte, into: output)
        }
        if early.failure != nil || early.produced > 0 { return early }
      }
    }
    return step(of: &input, into: output)
  }

  private func step(of input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Outcome {
    guard let (produced, state) = inflater?.step(&input, into: output) else { return Outcome(produced: 0) }
    switch state {
    case .running: break
    case .ended: hasEnded = true
    case .failed(let failure): return Outcome(produced: produced, failure: failure)
    }
    return Outcome(produced: produced)
  }

  /// Which container begins here; nil when the byte that tells has not come.
  private func container(_ input: inout UnsafeRawBufferPointer) -> Inflater.Container? {
    guard let next = input.first else { return nil }
    guard let method = first else {
      guard Self.mayBeZlib(next) else { return .raw }
      guard input.count > 1 else {
        first = next
        input.drop(1)
        return nil
      }
      return Self.isZlib(next, input[1]) ? .zlib : .raw
    }
    return Self.isZlib(method, next) ? .zlib : .raw
  }

  /// Compression method 8 with a window of up to 32 KiB. As bare data it would be a stored block with dirt in its padding.
  private static func mayBeZlib(_ method: UInt8) -> Bool { method & 0x0F == 8 && method >> 4 <= 7 }

  /// The header's two bytes, as one number, divide by 31 (RFC 1950, section 2.2).
  private static func isZlib(_ method: UInt8, _ flags: UInt8) -> Bool {
    mayBeZlib(method) && (UInt16(method) << 8 | UInt16(flags)) % 31 == 0
  }
}
