import Testing
import TideCore

@testable import TideBench

@Suite struct FiguresTests {
  @Test func percentilesAreRightToOnePercent() {
    var histogram = BenchTally.durations
    for millisecond: UInt64 in 1...1000 { histogram.record(millisecond * 1_000_000) }
    let values = Distribution(histogram)
    #expect(values.count == 1000)
    for (value, expected) in [
      (values.p50, 500_000.0), (values.p90, 900_000), (values.p99, 990_000), (values.p999, 999_000),
    ] {
      #expect(abs(value - expected) <= expected / 100)
    }
    #expect(values.buckets.reduce(0) { $0 + $1[1] } == 1000)
  }

  @Test func numbersAsText() {
    #expect(Figure.text(3.14159, 2) == "3.14")
    #expect(Figure.text(0.999, 2) == "1.00")
    #expect(Figure.text(1.05, 3) == "1.050")
    #expect(Figure.text(-0.001, 1) == "0.0")
    #expect(Figure.text(.nan, 1) == "0")
    #expect(Figure.grouped(15_000) == "15,000")
    #expect(Figure.grouped(-1_234_567) == "-1,234,567")
    #expect(Figure.grouped(0.25) == "0.3")
  }

  @Test func targets() throws {
    let plain = try BenchTarget("http://127.0.0.1:8080")
    #expect(plain.path == "/v1/chat/completions" && plain.authority == "127.0.0.1:8080")
    let secure = try BenchTarget("https://[::1]/v1/completions")
    #expect(secure.address.port == 443 && secure.isSecure && secure.path == "/v1/completions")
    #expect(try BenchTarget("http://localhost:9").address.port == 9)
    for wrong in [
      "127.0.0.1:80", "ftp://x", "http://127.0.0.1:99999", "http://127.0.0.1:0", "http://:80", "http://h/a b",
    ] {
      #expect(throws: Diagnostic.self, "\(wrong)") { try BenchTarget(wrong) }
    }
  }

  @Test func connectionsSpreadOverSourceAddressesBeforePortsRunOut() throws {
    let target = try BenchTarget("http://127.0.0.1:8080").address
    var few = SourceAddresses(for: target, connections: 100, portCount: 1000)
    #expect(few.next() == nil)
    var many = SourceAddresses(for: target, connections: 1200, portCount: 1000)
    #expect((0..<4).compactMap { _ in many.next()?.host } == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"])
    var far = SourceAddresses(for: try BenchTarget("http://192.0.2.1:80").address, connections: 1200, portCount: 1000)
    #expect(far.next() == nil && far.advice.contains("fewer connections"))
  }
}
