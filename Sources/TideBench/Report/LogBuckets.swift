import Histogram

/// Counts of durations by size, cheap enough for every token: 32 buckets for each power of two, so that a value is known to
/// three percent. Becomes an HdrHistogram when all is over.
struct LogBuckets: Sendable {
  private static let subBits: UInt64 = 5
  private static let subCount = 1 << subBits
  private var counts = [UInt64](repeating: 0, count: 60 * subCount)
  private(set) var total: UInt64 = 0

  /// Records a duration in nanoseconds.
  @inline(__always)
  mutating func record(_ nanoseconds: UInt64) {
    counts[Self.bucket(of: nanoseconds)] &+= 1
    total &+= 1
  }

  static func += (sum: inout LogBuckets, one: LogBuckets) {
    for index in sum.counts.indices { sum.counts[index] &+= one.counts[index] }
    sum.total &+= one.total
  }

  /// As a histogram of three significant digits, each bucket as its middle.
  var histogram: Histogram<UInt64> {
    var result = Histogram<UInt64>(highestTrackableValue: 3_600_000_000_000, numberOfSignificantValueDigits: .three)
    result.autoResize = true
    for (index, count) in counts.enumerated() where count > 0 { result.record(Self.middle(of: index), count: count) }
    return result
  }

  @inline(__always)
  static func bucket(of value: UInt64) -> Int {
    guard value >= UInt64(subCount) else { return Int(value) }
    let exponent = UInt64(63 &- value.leadingZeroBitCount)
    let index = Int((exponent &- subBits &+ 1) << subBits) &+ Int(value >> (exponent &- subBits)) &- subCount
    return min(index, 60 * subCount - 1)
  }

  static func middle(of index: Int) -> UInt64 {
    guard index >= subCount else { return UInt64(index) }
    let shift = UInt64(index >> Int(subBits)) - 1
    let low = UInt64(index & (subCount - 1) | subCount) << shift
    return low + (shift > 0 ? 1 << (shift - 1) : 0)
  }
}
