/// A set of Unicode scalars as ranges: sorted, apart, never adjacent.
struct ScalarSet: Equatable, Sendable {
  private(set) var ranges: [ClosedRange<UInt32>]

  init(_ ranges: [ClosedRange<UInt32>] = []) { self.ranges = Self.joined(ranges) }

  init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }

  static let all = ScalarSet([0...0x10FFFF])
  static let lineFeed = ScalarSet([0x0A...0x0A])
  static let digits = ScalarSet([0x30...0x39])
  static let space = ScalarSet([0x09...0x0D, 0x20...0x20])
  static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])

  private static func joined(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var result: [ClosedRange<UInt32>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = result.last, range.lowerBound <= last.upperBound &+ 1 {
        result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  var inverted: ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { result.append(next...0x10FFFF) }
    return ScalarSet(result)
  }

  /// The set with every scalar that differs from one of its own in case only.
  var foldingCase: ScalarSet {
    var added: [ClosedRange<UInt32>] = []
    if ranges.last.map({ $0.upperBound < 0x80 }) ?? true {
      for range in ranges {
        for scalar in range {
          let letter = scalar | 0x20
          guard (0x61...0x7A).contains(letter) else { continue }
          added.append(letter...letter)
          added.append(letter & ~0x20...letter & ~0x20)
          // The long s and the Kelvin sign: the only others that fold to ASCII.
          if letter == 0x73 { added.append(0x17F...0x17F) }
          if letter == 0x6B { added.append(0x212A...0x212A) }
        }
      }
    } else {
      for range in ranges {
        for relative in CaseOrbits.relatives(of: range) { added.append(relative...relative) }
      }
    }
    return ScalarSet(ranges + added)
  }
}
