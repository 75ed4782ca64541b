import TideCore

/// Whether an endpoint should get new requests: five failures in a row take it out for 30 s, and each further time for 30 s more.
///
/// Pure: the caller brings the clock. A 429 is not a failure. That the last endpoint of a cluster is never left out is the balancer's
/// rule, not this type's.
struct EndpointHealth {
  static let failureLimit = 5
  static let ejectionMs = 30_000
  static let ejectionCountMax = 10

  private var failuresInARow = 0
  private var ejectionCount = 0
  private var ejectedUntil = MonotonicTime.zero

  mutating func recordSuccess() {
    failuresInARow = 0
    ejectionCount = 0
  }

  mutating func recordFailure(now: MonotonicTime) {
    failuresInARow += 1
    guard failuresInARow >= Self.failureLimit else { return }
    failuresInARow = 0
    ejectionCount = min(ejectionCount + 1, Self.ejectionCountMax)
    ejectedUntil = now.advanced(byMs: Self.ejectionMs * ejectionCount)
  }

  func isHealthy(now: MonotonicTime) -> Bool { now >= ejectedUntil }
}
