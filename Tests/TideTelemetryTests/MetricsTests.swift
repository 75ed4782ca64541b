import Testing

@testable import TideTelemetry

@Suite("Counters and histograms")
struct MetricsTests {
  @Test(
    "a value lies in the first bucket whose bound is not below it",
    arguments: [Histogram.Scale.time, .shortTime, .tokens])
  func buckets(scale: Histogram.Scale) {
    for index in 0..<scale.boundCount {
      let bound = scale.bound(at: index)
      #expect(scale.index(of: bound) == index)
      #expect(scale.index(of: bound + 1) == index + 1)
      #expect(scale.index(of: bound - 1) == (index > 0 && bound - 1 <= scale.bound(at: index - 1) ? index - 1 : index))
    }
    #expect(scale.index(of: 0) == 0 && scale.index(of: .max) == scale.boundCount)
  }

  @Test("the bounds that OpenTelemetry names are among ours")
  func bounds() {
    let time = (0..<Histogram.Scale.time.boundCount).map { Histogram.Scale.time.bound(at: $0) }
    #expect(time.contains(10_000_000) && time.contains(81_920_000_000))
    #expect(Histogram.Scale.tokens.bound(at: 13) == 67_108_864)
  }

  @Test("merging is as if one histogram had seen all")
  func merging() {
    let (one, two, all) = (Histogram(.time), Histogram(.time), Histogram(.time))
    var seed: UInt64 = 1
    for round in 0..<1000 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = seed >> (20 + seed % 40)
      (round % 3 == 0 ? one : two).record(value)
      all.record(value)
    }
    var merged = one.snapshot
    merged.merge(two.snapshot)
    #expect(merged == all.snapshot && merged.count == 1000)
  }

  @Test("tokens that came together share the gap")
  func gaps() {
    let metrics = WorkerMetrics()
    metrics.recordTokenGap(nanoseconds: 100, tokenCount: 4)
    metrics.recordTokenGap(nanoseconds: 100)
    metrics.recordTokenGap(nanoseconds: 100, tokenCount: -1)
    #expect(metrics.tokenGap.snapshot.count == 6 && metrics.tokenGap.snapshot.sum == 300)
  }

  @Test("numbers that are none are counted as nothing, not trapped over")
  func oddNumbers() {
    let metrics = WorkerMetrics()
    for ms in [Double.nan, .infinity, -1, 1e300] {
      var record = AccessRecord()
      record.durationMs = ms
      record.tokensIn = -5
      record.tokensOut = .max
      metrics.record(record)
      metrics.record(record)
    }
    #expect(metrics.exchanges.count == 1 && metrics.exchanges[0].duration.snapshot.count == 8)
  }
}
