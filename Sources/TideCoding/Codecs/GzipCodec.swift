/// gzip: one member after another.
final class GzipCodec: Codec {
  private static let firstByte: UInt8 = 0x1F

  private var inflater = Inflater(.gzip)
  private var isBetweenMembers = false

  override var isAtEnd: Bool { isBetweenMembers }

  override func step(_ input: inout UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Outcome {
    if isBetweenMembers {
      guard let first = input.first else { return Outcome(produced: 0) }
      guard first == Self.firstByte else { return Outcome(produced: 0, failure: .trailing) }
      isBetweenMembers = false
      inflater.reset()
    }
    let (produced, state) = inflater.step(&input, into: output)
    switch state {
    case .running: break
    case .ended: isBetweenMembers = true
    case .failed(let failure): return Outcome(produced: produced, failure: failure)
    }
    return Outcome(produced: produced)
  }
}
