/// Counts values in buckets whose bounds grow by a constant power of two; one thread records, any thread may read.
///
/// Recording is a division, a leading-zero count and three plain stores; nothing is allocated.
public final class Histogram: Sendable {
  /// Upper bounds of the buckets: `base << (step * index)`; what is above the last falls into one more bucket.
  public struct Scale: Sendable, Equatable {
    /// The first upper bound, in the histogram's unit.
    public var base: UInt64
    /// Each bound is 2 to the power of `step` times the one before.
    public var step: Int
    public var boundCount: Int

    public init(base: UInt64, step: Int, boundCount: Int) {
      precondition(base > 0 && step > 0 && boundCount > 0 && step * (boundCount - 1) < 40)
      self.base = base
      self.step = step
      self.boundCount = boundCount
    }

    /// 78.125 us to about 22 minutes, in ns. Doubling from there meets 10 ms, 20 ms, ... 81.92 s, the bounds that OpenTelemetry's
    /// GenAI conventions name.
    public static let time = Scale(base: 78_125, step: 1, boundCount: 25)
    /// 250 ns to about 2 s, in ns: what a hook or a turn of a loop takes.
    public static let shortTime = Scale(base: 250, step: 1, boundCount: 24)
    /// 1, 4, 16, ... 67,108,864 tokens, as OpenTelemetry's GenAI conventions say.
    public static let tokens = Scale(base: 1, step: 2, boundCount: 14)

    public func bound(at index: Int) -> UInt64 { base << UInt64(step * index) }

    /// The first bucket whose bound is not below `value`; `boundCount` when there is none.
    @inline(__always) func index(of value: UInt64) -> Int {
      guard value > base else { return 0 }
      let steps = 64 &- ((value &- 1) / base).leadingZeroBitCount
      return min((steps &+ step &- 1) / step, boundCount)
    }
  }

  public let scale: Scale
  private let buckets: CounterArray
  private let total = Counter()

  public init(_ scale: Scale) {
    self.scale = scale
    buckets = CounterArray(count: scale.boundCount + 1)
  }

  public func record(_ value: UInt64) {
    buckets.add(1, at: scale.index(of: value))
    total.add(value)
  }

  /// The same value several times.
  public func record(_ value: UInt64, times: UInt64) {
    buckets.add(times, at: scale.index(of: value))
    total.add(value &* times)
  }

  /// What was recorded so far. Taken while the owner records, sum and buckets may differ by the last value.
  public var snapshot: HistogramSnapshot {
    HistogramSnapshot(
      scale: scale, counts: (0..<buckets.count).map { buckets.current(at: $0) }, sum: total.current)
  }
}

/// A copy of a histogram's counts, which can be added to another's.
public struct HistogramSnapshot: Sendable, Equatable {
  public let scale: Histogram.Scale
  /// One a bucket, not cumulative; the last is for what is above all bounds.
  public private(set) var counts: [UInt64]
  public private(set) var sum: UInt64

  /// Nothing recorded.
  init(scale: Histogram.Scale) {
    self.init(scale: scale, counts: Array(repeating: 0, count: scale.boundCount + 1), sum: 0)
  }

  init(scale: Histogram.Scale, counts: [UInt64], sum: UInt64) {
    self.scale = scale
    self.counts = counts
    self.sum = sum
  }

  public var count: UInt64 { counts.reduce(0, &+) }

  /// Adds the counts of a histogram of the same scale.
  public mutating func merge(_ other: HistogramSnapshot) {
    precondition(scale == other.scale, "histograms of different scales cannot be added")
    for index in counts.indices { counts[index] &+= other.counts[index] }
    sum &+= other.sum
  }
}
