import TideCore

/// Stops running a binding that keeps failing: 10 errors in 10 s apply the hook's failure action without running it for
/// 30 s; then one run decides, and whatever comes before its result is refused.
///
/// One for each binding and worker. Pure: the caller brings the clock.
public struct PolicyBreaker: Sendable {
  public enum State: Sendable, Equatable {
    case closed
    case open(until: MonotonicTime)
    /// The next run is the trial.
    case halfOpen
    /// The trial runs, or waits: it closes the breaker or opens it again.
    case trying
  }

  public static let errorsMax = 10
  public static let windowMs = 10_000
  public static let openMs = 30_000

  public private(set) var state = State.closed {
    didSet { isClosed = state == .closed }
  }
  /// What every call asks.
  public private(set) var isClosed = true
  /// When the last errors were, oldest first.
  private var errors: [MonotonicTime] = []

  public init() {}

  /// Whether a hook might run now; what follows may still not run it.
  public mutating func mightRun(now: MonotonicTime) -> Bool {
    switch state {
    case .closed, .halfOpen: return true
    case .trying: return false
    case .open(let until):
      if now < until { return false }
      state = .halfOpen
      return true
    }
  }

  /// Whether a hook runs now. Of a breaker that is half open that is the trial: its result must be told, or that it has none.
  public mutating func allowsRun(now: MonotonicTime) -> Bool {
    guard mightRun(now: now) else { return false }
    if state == .halfOpen { state = .trying }
    return true
  }

  public mutating func succeeded() {
    if state == .trying {
      state = .closed
      errors.removeAll(keepingCapacity: true)
    }
  }

  /// The trial ended without a result: the next run is one.
  public mutating func trialWasGivenUp() {
    if state == .trying { state = .halfOpen }
  }

  /// - Returns: true when this error opened the breaker.
  public mutating func failed(now: MonotonicTime) -> Bool {
    switch state {
    case .open: return false
    case .halfOpen, .trying: break
    case .closed:
      errors.removeAll { now.milliseconds(since: $0) >= Self.windowMs }
      errors.append(now)
      if errors.count < Self.errorsMax { return false }
    }
    errors.removeAll(keepingCapacity: true)
    state = .open(until: now.advanced(byMs: Self.openMs))
    return true
  }
}
