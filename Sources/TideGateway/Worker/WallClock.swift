import Glibc

/// The time of day, for what people and protocols read; intervals are measured on the monotonic clock.
enum WallClock {
  /// Seconds since 1970 (UTC).
  static func seconds() -> Int { time(nil) }
}
