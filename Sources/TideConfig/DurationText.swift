/// Durations as users write them: a number and one of `ms, s, m, h, d`.
enum DurationText {
  private static let units: [(suffix: String, ms: Int)] = [
    ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
  ]

  static func milliseconds(_ text: String) -> Int? {
    QuantityText.parse(text, units: units.map { ($0.suffix, $0.ms) })
  }

  /// In the largest unit that leaves no remainder.
  static func text(ms: Int) -> String {
    let unit = units.last { ms >= $0.ms && ms % $0.ms == 0 } ?? units[0]
    return "\(ms / unit.ms)\(unit.suffix)"
  }
}

/// Sizes as users write them: a number and one of `B, KiB, MiB, GiB`.
enum SizeText {
  private static let units: [(suffix: String, bytes: Int)] = [
    ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30),
  ]

  static func bytes(_ text: String) -> Int? {
    QuantityText.parse(text, units: units.map { ($0.suffix, $0.bytes) })
  }

  static func text(bytes: Int) -> String {
    let unit = units.last { bytes >= $0.bytes && bytes % $0.bytes == 0 } ?? units[0]
    return "\(bytes / unit.bytes)\(unit.suffix)"
  }
}

/// A number, up to three decimals, and a unit without a space between.
private enum QuantityText {
  static func parse(_ text: String, units: [(String, Int)]) -> Int? {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let suffix = text[number.endIndex...]
    guard let unit = units.first(where: { $0.0 == suffix })?.1 else { return nil }
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty && $0.count <= 15 }),
      let whole = parts.first.flatMap({ Int($0) })
    else { return nil }
    let (scaled, overflow) = whole.multipliedReportingOverflow(by: unit)
    guard !overflow else { return nil }
    guard parts.count == 2 else { return scaled }
    guard parts[1].count <= 3, let fraction = Int(parts[1]) else { return nil }
    let scale = [1, 10, 100, 1000][parts[1].count]
    let (sum, sumOverflow) = scaled.addingReportingOverflow(fraction * unit / scale)
    return sumOverflow ? nil : sum
  }
}
