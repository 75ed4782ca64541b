import Glibc

/// An instant of the calendar, printed as RFC 3339 in UTC with milliseconds. No locale, no time zone, no library.
public struct UTCTimestamp: Sendable, Equatable, CustomStringConvertible {
  /// Milliseconds since 1970.
  public var milliseconds: UInt64

  public init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  public static func now() -> UTCTimestamp {
    var value = timespec()
    clock_gettime(CLOCK_REALTIME, &value)
    let seconds = UInt64(clamping: value.tv_sec)
    return UTCTimestamp(milliseconds: seconds &* 1000 &+ UInt64(clamping: value.tv_nsec) / 1_000_000)
  }

  func append(to line: inout [UInt8]) {
    let days = milliseconds / 86_400_000
    let ms = milliseconds % 86_400_000
    // Civil date from days (H. Hinnant, "chrono-compatible low-level date algorithms"), for days since 1970.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let civilMonth = month < 10 ? month + 3 : month - 9
    let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
    func put(_ value: UInt64, _ width: Int, _ separator: Character?) {
      let digits = String(value)
      for _ in 0..<max(0, width - digits.utf8.count) { line.append(UInt8(ascii: "0")) }
      line.append(contentsOf: digits.utf8)
      if let separator { line.append(separator.asciiValue ?? 0x20) }
    }
    put(year, 4, "-")
    put(civilMonth, 2, "-")
    put(day, 2, "T")
    put(ms / 3_600_000, 2, ":")
    put(ms / 60_000 % 60, 2, ":")
    put(ms / 1000 % 60, 2, ".")
    put(ms % 1000, 3, "Z")
  }

  public var description: String {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}
