/// Numbers as people and JSON read them, without the locale.
enum Figure {
  /// With so many decimals; `0` for what is no number.
  static func text(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "0" }
    let scaled = (abs(value) * power(decimals)).rounded()
    let sign = value < 0 && scaled > 0 ? "-" : ""
    let whole = Int((scaled / power(decimals)).rounded(.down))
    guard decimals > 0 else { return "\(sign)\(whole)" }
    let fraction = String(Int(scaled - Double(whole) * power(decimals)))
    return "\(sign)\(whole)." + String(repeating: "0", count: max(0, decimals - fraction.utf8.count)) + fraction
  }

  /// `15,000`; `0.5` for what is not whole.
  static func grouped(_ value: Double) -> String {
    if value != value.rounded() { return text(value, abs(value) < 0.1 ? 2 : 1) }
    var digits = text(abs(value), 0)
    var groups: [String] = []
    while digits.utf8.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// The nearest number with so many decimals, so that JSON shows no more digits than were measured.
  static func rounded(_ value: Double, _ decimals: Int) -> Double {
    guard value.isFinite else { return 0 }
    return (value * power(decimals)).rounded() / power(decimals)
  }

  private static func power(_ decimals: Int) -> Double { (0..<decimals).reduce(1.0) { product, _ in product * 10 } }
}
