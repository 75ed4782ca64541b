/// A bucket of `capacity` units that refills at `perSecond`: how often something may happen before it is an attack.
///
/// Pure: the caller brings the clock.
public struct TokenBucket: Sendable {
  public let capacity: Double
  public let perSecond: Double
  private var level: Double
  private var updated: MonotonicTime

  public init(capacity: Double, perSecond: Double, now: MonotonicTime) {
    self.capacity = capacity
    self.perSecond = perSecond
    level = capacity
    updated = now
  }

  /// Takes `amount`; false when the bucket had less, and then nothing is left in it.
  public mutating func take(_ amount: Double, now: MonotonicTime) -> Bool {
    if now > updated {
      level = min(capacity, level + Double(now.nanoseconds(since: updated)) * perSecond / 1e9)
      updated = now
    }
    level -= amount
    if level < 0 {
      level = 0
      return false
    }
    return true
  }

  /// Puts `amount` back, up to the capacity.
  public mutating func give(_ amount: Double) { level = min(capacity, level + amount) }
}
