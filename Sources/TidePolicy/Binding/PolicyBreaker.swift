import TideCore

/// Stops running a binding that keeps failing: 10 errors in 10 s apply the hook's failure action without running it for
/// 30 s; then one run decides.
///
/// One for each binding and worker. Pure: the caller brings the clock.
public struct PolicyBreaker: Sendable {
  public enum State: Sendable, Equatable {
    case closed
    case open(until: MonotonicTime)
    /// The next run closes it or opens it again.
    case halfOpen
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

  /// Whether a hook may run now.
  @inline(__always)
  public mutating func allowsRun(now: MonotonicTime) -> Bool {
    if case .open(let until) = state {
      if now < until { return false }
      state = .halfOpen
    }
    return true
  }

  @inline(__always)
  public mutating func succeeded() {
    if state == .halfOpen {
      state = .closed
      errors.removeAll(keepingCapacity: true)
    }
  }

  /// - Returns: true when this error opened the breaker.
  public mutating func failed(now: MonotonicTime) -> Bool {
    switch state {
    case .open: return false
    case .halfOpen: break
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
