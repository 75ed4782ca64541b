/// Ranges of scalars as sequences of byte ranges: what an automaton over bytes needs to take one scalar.
enum UTF8Sequences {
  typealias Sequence = [ClosedRange<UInt8>]

  /// The sequences of every scalar in `range`, in order; surrogates have none.
  static func of(_ range: ClosedRange<UInt32>) -> [Sequence] {
    var result: [Sequence] = []
    // A few halvings a range: bounded by the form of UTF-8, not by the range.
    var pending = [range]
    while let range = pending.popLast() {
      if let (low, high) = split(range) {
        if let high { pending.append(high) }
        if let low { pending.append(low) }
      } else {
        result.append(zip(encoded(range.lowerBound), encoded(range.upperBound)).map { $0...$1 })
      }
    }
    return result
  }

  /// The parts of a range that is not yet one sequence; nil when it is one.
  private static func split(_ range: ClosedRange<UInt32>) -> (low: ClosedRange<UInt32>?, high: ClosedRange<UInt32>?)? {
    let (low, high) = (range.lowerBound, range.upperBound)
    if low <= 0xDFFF, high >= 0xD800 {
      return (low < 0xD800 ? low...0xD7FF : nil, high > 0xDFFF ? 0xE000...high : nil)
    }
    for last in [UInt32(0x7F), 0x7FF, 0xFFFF] where low <= last && high > last { return (low...last, last + 1...high) }
    guard high > 0x7F else { return nil }
    // Every continuation byte below the first that differs must take all its values.
    for shift in [UInt32(6), 12, 18] {
      let mask = UInt32(1) << shift - 1
      guard low & ~mask != high & ~mask else { return nil }
      if low & mask != 0 { return (low...low | mask, (low | mask) + 1...high) }
      if high & mask != mask { return (low...(high & ~mask) - 1, high & ~mask...high) }
    }
    return nil
  }

  private static func encoded(_ scalar: UInt32) -> [UInt8] {
    func continuation(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift & 0x3F)) }
    switch scalar {
    case ...0x7F: return [UInt8(scalar)]
    case ...0x7FF: return [UInt8(0xC0 | scalar >> 6), continuation(0)]
    case ...0xFFFF: return [UInt8(0xE0 | scalar >> 12), continuation(6), continuation(0)]
    default: return [UInt8(0xF0 | scalar >> 18), continuation(12), continuation(6), continuation(0)]
    }
  }
}
