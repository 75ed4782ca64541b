/// Reads the units that users write: durations (`250ms`, `5s`, `10m`, `1h`, `7d`) and sizes (`64KiB`, `10MiB`).
public enum UnitText {
  /// Milliseconds, or nil when `text` is no duration.
  public static func milliseconds(_ text: String) -> Int? {
    scaled(text, units: [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)])
  }

  /// Bytes, or nil when `text` is no size.
  public static func byteCount(_ text: String) -> Int? {
    scaled(text, units: [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
  }

  private static func scaled(_ text: String, units: [(name: String, factor: Int)]) -> Int? {
    let digits = text.utf8.prefix { $0 &- 0x30 < 10 || $0 == UInt8(ascii: ".") }
    let suffix = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self).drop { $0 == " " }
    guard !digits.isEmpty, digits.count < 19, let unit = units.first(where: { $0.name == suffix }),
      let number = Double(String(decoding: digits, as: UTF8.self))
    else { return nil }
    let product = (number * Double(unit.factor)).rounded()
    return product < 9e15 ? Int(product) : nil
  }
}
