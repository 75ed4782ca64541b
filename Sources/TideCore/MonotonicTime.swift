#if canImport(Glibc)
  import Glibc
#endif

/// An instant on the machine's monotonic clock, in nanoseconds. Comparable only on one machine and boot.
public struct MonotonicTime: Sendable, Hashable, Comparable, BitwiseCopyable {
  public var nanoseconds: UInt64

  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// An instant that no deadline reaches.
  public static let distantFuture = MonotonicTime(nanoseconds: .max)
  public static let zero = MonotonicTime(nanoseconds: 0)

  /// Reads the clock. On the data path use the worker's `now`, which is read once a turn.
  public static func now() -> MonotonicTime {
    var value = timespec()
    clock_gettime(CLOCK_MONOTONIC, &value)
    return MonotonicTime(nanoseconds: UInt64(value.tv_sec) &* 1_000_000_000 &+ UInt64(value.tv_nsec))
  }

  public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Later by `milliseconds`; saturates.
  public func advanced(byMs milliseconds: Int) -> MonotonicTime {
    advanced(byNs: UInt64(clamping: milliseconds).multipliedSaturating(1_000_000))
  }

  public func advanced(byNs delta: UInt64) -> MonotonicTime {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
    return MonotonicTime(nanoseconds: overflow ? .max : sum)
  }

  /// Nanoseconds since `earlier`, or 0 when `earlier` is later.
  public func nanoseconds(since earlier: MonotonicTime) -> UInt64 {
    nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0
  }

  public func milliseconds(since earlier: MonotonicTime) -> Int {
    Int(nanoseconds(since: earlier) / 1_000_000)
  }
}

extension UInt64 {
  func multipliedSaturating(_ factor: UInt64) -> UInt64 {
    let (product, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? .max : product
  }
}
