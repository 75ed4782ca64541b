import Testing
import TideCore

@testable import TideGateway

@Suite struct EndpointHealthTests {
  private let start = MonotonicTime(nanoseconds: 1_000_000_000_000)

  @Test func fiveFailuresInARowTakeItOutForThirtySeconds() {
    var health = EndpointHealth()
    for _ in 0..<4 { health.recordFailure(now: start) }
    #expect(health.isHealthy(now: start))
    health.recordFailure(now: start)
    #expect(!health.isHealthy(now: start))
    #expect(!health.isHealthy(now: start.advanced(byMs: 29_999)))
    #expect(health.isHealthy(now: start.advanced(byMs: 30_000)))
  }

  @Test func aSuccessBetweenForgivesAll() {
    var health = EndpointHealth()
    for _ in 0..<20 {
      for _ in 0..<4 { health.recordFailure(now: start) }
      health.recordSuccess()
    }
    #expect(health.isHealthy(now: start))
  }

  @Test func eachFurtherTimeIsLongerUpToALimit() {
    var health = EndpointHealth()
    var now = start
    for round in 1...12 {
      for _ in 0..<5 { health.recordFailure(now: now) }
      let length = 30_000 * min(round, 10)
      #expect(!health.isHealthy(now: now.advanced(byMs: length - 1)))
      now = now.advanced(byMs: length)
      #expect(health.isHealthy(now: now))
    }
  }
}
