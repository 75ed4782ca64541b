import Histogram

/// How one duration was distributed, in microseconds. `max` is exact, the percentiles are right to one percent.
public struct Distribution: Sendable, Equatable, Codable {
  public var count: UInt64
  public var mean: Double
  public var p50: Double
  public var p90: Double
  public var p99: Double
  /// The 99.9th percentile.
  public var p999: Double
  public var max: Double
  /// Pairs of a duration and how many were at most that long, but longer than that of the pair before.
  public var buckets: [[Double]]

  init(_ histogram: Histogram<UInt64>) {
    func at(_ percentile: Double) -> Double {
      Figure.rounded(Double(histogram.valueAtPercentile(percentile)) / 1000, 1)
    }
    count = histogram.totalCount
    mean = Figure.rounded(histogram.mean / 1000, 1)
    p50 = at(50)
    p90 = at(90)
    p99 = at(99)
    p999 = at(99.9)
    max = at(100)
    buckets = histogram.recordedValues().map { [Figure.rounded(Double($0.value) / 1000, 1), Double($0.count)] }
  }
}
