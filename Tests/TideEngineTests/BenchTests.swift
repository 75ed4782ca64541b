import Testing

@testable import TideBench
@testable import TideEngine

@Suite struct BenchTests {
  @Test func bucketsKnowValuesToThreePercent() {
    for value: UInt64 in [0, 1, 31, 32, 33, 100, 1023, 1024, 25_000_000, 3_600_000_000_000] {
      let middle = LogBuckets.middle(of: LogBuckets.bucket(of: value))
      #expect(max(middle, value) - min(middle, value) <= value / 32)
    }
    var last = -1
    for exponent in 0..<60 {
      let bucket = LogBuckets.bucket(of: 1 << UInt64(exponent))
      #expect(bucket > last)
      last = bucket
    }
    #expect(LogBuckets.bucket(of: .max) < 60 * 32)
  }

  @Test func percentilesOfBuckets() {
    var buckets = LogBuckets()
    for millisecond: UInt64 in 1...100 { buckets.record(millisecond * 1_000_000) }
    let values = BenchReport.Percentiles(buckets)
    #expect(values.count == 100)
    #expect(abs(values.p50 - 50_000) < 2_000)
    #expect(abs(values.p99 - 99_000) < 3_500)
  }

  @Test func tokensAreFoundHoweverTheChunksWereCut() {
    let stream = Array(
      (#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"# + "\n\n"
        + #"data: {"choices":[{"index":0,"delta":{"content":"a"}}],"due":17}"# + "\n\n" + ": note\n\n"
        + #"data: {"choices":[{"index":0,"delta":{"content":"\n\"b"}}],"due":123,"usage":null}"# + "\r\n\r\n"
        + #"data: {"choices":[{"text":"c"}]}"# + "\n\n" + #"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#
        + "\n\ndata: [DONE]\n\n").utf8)
    for size in 1...stream.count {
      var scanner = TokenScanner()
      var due: [UInt64] = []
      var start = 0
      while start < stream.count {
        let end = min(start + size, stream.count)
        stream[start..<end].withUnsafeBytes { scanner.feed($0) { due.append($0) } }
        start = end
      }
      #expect(due == [17, 123, 0], "\(size)")
      #expect(scanner.isDone)
    }
  }

  @Test func targets() throws {
    let plain = try BenchTarget("http://127.0.0.1:8080")
    #expect(plain.path == "/v1/chat/completions")
    #expect(plain.authority == "127.0.0.1:8080")
    let secure = try BenchTarget("https://[::1]/v1/completions")
    #expect(secure.address.port == 443 && secure.isSecure && secure.path == "/v1/completions")
    let named = try BenchTarget("http://localhost:9")
    #expect(named.address.port == 9)
    for wrong in ["127.0.0.1:80", "ftp://x", "http://example.com", "http://127.0.0.1:99999"] {
      #expect(throws: (any Error).self) { try BenchTarget(wrong) }
    }
    #expect(plain.source(of: 9, outOf: 100) == nil)
    #expect(plain.source(of: 9, outOf: 15_000)?.host == "127.0.0.2")
  }

  @Test func numbersAsText() {
    #expect(BenchReport.text(3.14159, 2) == "3.14")
    #expect(BenchReport.text(0.999, 2) == "1.00")
    #expect(BenchReport.text(1.05, 3) == "1.050")
    #expect(BenchReport.text(-0.001, 1) == "0.0")
    #expect(BenchReport.text(.nan, 1) == "0")
  }

  @Test func aRunAgainstTheEngine() throws {
    let engine = Engine(EngineSettings(intervalMicroseconds: 1000))
    let address = try engine.start()
    for (kind, version) in [
      (BenchSettings.Kind.streams, BenchSettings.Version.h2c), (.streams, .http1), (.requests, .h2c),
      (.firstToken, .http1),
    ] {
      var settings = BenchSettings(url: "http://\(address)")
      settings.kind = kind
      settings.version = version
      settings.connections = 3
      settings.streamsPerConnection = 2
      settings.rampMs = 1
      settings.warmUpMs = 20
      settings.measureMs = 100
      settings.model = kind == .streams ? "lorem-20" : "lorem-1"
      let report = try Bench(settings).run()
      #expect(report.failures == BenchFailures())
      #expect(report.completed > 0)
      #expect(kind == .requests ? report.firstToken.count > 0 : report.tokens > 0)
      #expect(JSONValue(report.json()) != nil)
      #expect(report.table().contains("failures      0"))
    }
    engine.stop()
  }
}
