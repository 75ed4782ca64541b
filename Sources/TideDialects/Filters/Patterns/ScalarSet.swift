/// A set of characters, as sorted ranges that do not touch.
struct ScalarSet: Equatable, Sendable {
  private(set) var ranges: [ClosedRange<UInt32>]

  static let digits = ScalarSet([0x30...0x39])
  /// ASCII letters, digits and the underscore.
  static let words = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let spaces = ScalarSet([0x09...0x0D, 0x20...0x20])
  /// What `.` stands for: everything but a line feed.
  static let any = ScalarSet([0x0A...0x0A]).inverted

  init(_ ranges: [ClosedRange<UInt32>]) {
    var merged: [ClosedRange<UInt32>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, range.lowerBound <= last.upperBound &+ 1 {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    self.ranges = merged
  }

  init(_ value: UInt32) { ranges = [value...value] }

  var isEmpty: Bool { ranges.isEmpty }

  /// The only character in it, if there is one.
  var single: UInt32? {
    guard ranges.count == 1, let range = ranges.first, range.count == 1 else { return nil }
    return range.lowerBound
  }

  func contains(_ value: UInt32) -> Bool { ranges.contains { $0.contains(value) } }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  /// All other characters; surrogates are none.
  var inverted: ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { result.append(next...0x10FFFF) }
    return ScalarSet(result)
  }

  /// With every case variant of its characters.
  var caseClosed: ScalarSet {
    var result = ranges
    for range in ranges {
      // Nothing above has case, and a set that holds nearly everything holds the variants, too.
      for value in range.clamped(to: 0...0x1E943) {
        let variants = CaseFolding.variants(of: value)
        if variants.count > 1 { result += variants.map { $0...$0 } }
      }
    }
    return ScalarSet(result)
  }

  /// The longest encoding of a character in it.
  var byteCountMax: Int {
    guard let last = ranges.last?.upperBound else { return 0 }
    return last < 0x80 ? 1 : last < 0x800 ? 2 : last < 0x10000 ? 3 : 4
  }

  /// The shortest encoding of a character in it.
  var byteCountMin: Int {
    guard let first = ranges.first?.lowerBound else { return 0 }
    return first < 0x80 ? 1 : first < 0x800 ? 2 : first < 0x10000 ? 3 : 4
  }

  // MARK: UTF-8

  /// The characters below U+0080.
  var asciiRanges: [ClosedRange<UInt8>] {
    ranges.filter { $0.lowerBound < 0x80 }.map { UInt8($0.lowerBound)...UInt8(min($0.upperBound, 0x7F)) }
  }

  /// The other ones, as sequences of ranges of bytes.
  var wideSequences: [[ClosedRange<UInt8>]] {
    var result: [[ClosedRange<UInt8>]] = []
    for range in ranges where range.upperBound >= 0x80 {
      // Where the length of the encoding changes, and around the surrogates.
      for part: ClosedRange<UInt32> in [0x80...0x7FF, 0x800...0xD7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF]
      where part.overlaps(range) {
        Self.split(range.clamped(to: part), into: &result)
      }
    }
    return result
  }

  /// Splits characters of one encoded length until each part is a product of ranges of bytes.
  private static func split(_ range: ClosedRange<UInt32>, into result: inout [[ClosedRange<UInt8>]]) {
    let low = encoded(range.lowerBound)
    let high = encoded(range.upperBound)
    for index in 1..<low.count {
      let mask = UInt32(1) << UInt32(6 * (low.count - index)) - 1
      guard range.lowerBound & ~mask != range.upperBound & ~mask else { continue }
      if range.lowerBound & mask != 0 {
        split(range.lowerBound...(range.lowerBound | mask), into: &result)
        return split(((range.lowerBound | mask) + 1)...range.upperBound, into: &result)
      }
      if range.upperBound & mask != mask {
        split(range.lowerBound...((range.upperBound & ~mask) - 1), into: &result)
        return split((range.upperBound & ~mask)...range.upperBound, into: &result)
      }
    }
    result.append(zip(low, high).map { $0...$1 })
  }

  private static func encoded(_ value: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    UTF8Text.append(value, to: &bytes)
    return bytes
  }
}
