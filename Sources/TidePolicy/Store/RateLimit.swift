/// A rate as the generic cell rate algorithm sees it: one number of state, the theoretical arrival time of the next
/// request.
///
/// All in whole nanoseconds, so that what is allowed is exact: from a full bucket exactly `burst`, then one an
/// interval.
public struct RateLimit: Sendable, Equatable {
  public struct Decision: Sendable, Equatable {
    public var isAllowed: Bool
    /// How many more would be allowed at once.
    public var remaining: Int
    /// Milliseconds until the same request would be allowed; nil when it is now, or never will be (more than the
    /// burst).
    public var retryAfterMs: Int?
  }

  public let intervalNs: UInt64
  public let burst: Int

  /// - Parameters:
  ///   - rate: requests in each `perMs`.
  ///   - burst: how many at once from rest; nil is `rate`.
  /// - Returns: nil when a number is not positive or too large to reckon with.
  public init?(rate: Int, perMs: Int, burst: Int?) {
    let burst = burst ?? rate
    guard rate > 0, perMs > 0, burst > 0, rate <= 1_000_000_000, burst <= 1_000_000_000, perMs <= 31_622_400_000 else {
      return nil
    }
    let perNs = UInt64(perMs) * 1_000_000
    intervalNs = max(1, (perNs + UInt64(rate) - 1) / UInt64(rate))
    guard intervalNs.multipliedReportingOverflow(by: UInt64(burst)).overflow == false,
      intervalNs * UInt64(burst) < 1 << 62
    else { return nil }
    self.burst = burst
  }

  /// - Parameters:
  ///   - amount: 0 only asks.
  ///   - arrival: the state; `now` or less when unused.
  /// - Returns: the decision and the state to keep when it is allowed.
  func take(_ amount: Int, arrival: UInt64, now: UInt64) -> (Decision, next: UInt64) {
    let arrival = max(arrival, now)
    let capacity = intervalNs * UInt64(burst)
    let used = min(arrival - now, capacity)
    let wanted = UInt64(clamping: amount).multipliedReportingOverflow(by: intervalNs)
    guard !wanted.overflow, wanted.partialValue <= capacity else {
      return (Decision(isAllowed: false, remaining: Int((capacity - used) / intervalNs), retryAfterMs: nil), arrival)
    }
    if used + wanted.partialValue <= capacity {
      let next = now + used + wanted.partialValue
      let left = capacity - used - wanted.partialValue
      return (Decision(isAllowed: true, remaining: Int(left / intervalNs), retryAfterMs: nil), next)
    }
    let waitNs = used + wanted.partialValue - capacity
    let decision = Decision(
      isAllowed: false, remaining: Int((capacity - used) / intervalNs),
      retryAfterMs: Int((waitNs + 999_999) / 1_000_000))
    return (decision, arrival)
  }
}
