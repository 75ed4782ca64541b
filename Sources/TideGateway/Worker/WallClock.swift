import Glibc

/// The time of day, for what people and protocols read; intervals are measured on the monotonic clock.
enum WallClock {
  /// Seconds since 1970 (UTC).
  static func seconds() -> Int { time(nil) }

  /// Milliseconds since 1970 (UTC).
  static func milliseconds() -> Int {
    var value = timespec()
    clock_gettime(CLOCK_REALTIME, &value)
    return value.tv_sec * 1000 + value.tv_nsec / 1_000_000
  }
}
