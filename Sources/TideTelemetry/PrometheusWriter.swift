/// One family at a time: HELP and TYPE, then its series in the order of their labels.
struct PrometheusWriter {
  enum Kind: String { case counter, gauge, histogram }

  /// Names and values, in the order they are printed.
  typealias Labels = [(name: String, value: String)]

  private(set) var text = ""

  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  /// `unit`: how many of the value's units make one of the printed unit; 1,000,000,000 prints nanoseconds as seconds.
  mutating func sample(_ name: String, _ labels: Labels, _ value: UInt64, unit: UInt64 = 1) {
    sample(name, labels, text: Self.decimal(value, unit: unit))
  }

  mutating func histogram(_ name: String, _ labels: Labels, _ snapshot: HistogramSnapshot, unit: UInt64 = 1) {
    var cumulative: UInt64 = 0
    for index in 0..<snapshot.scale.boundCount {
      cumulative &+= snapshot.counts[index]
      let bound = Self.decimal(snapshot.scale.bound(at: index), unit: unit)
      sample(name + "_bucket", labels + [("le", bound)], cumulative)
    }
    sample(name + "_bucket", labels + [("le", "+Inf")], snapshot.count)
    sample(name + "_sum", labels, text: Self.decimal(snapshot.sum, unit: unit))
    sample(name + "_count", labels, snapshot.count)
  }

  mutating func sample(_ name: String, _ labels: Labels, number: Double) {
    sample(name, labels, text: Self.number(number))
  }

  /// Buckets with bounds of any size; `counts` has one more than `bounds`.
  mutating func histogram(_ name: String, _ labels: Labels, bounds: [Double], counts: [UInt64], sum: Double) {
    var cumulative: UInt64 = 0
    for (bound, count) in zip(bounds, counts) {
      cumulative &+= count
      sample(name + "_bucket", labels + [("le", Self.number(bound))], cumulative)
    }
    let total = counts.reduce(0, &+)
    sample(name + "_bucket", labels + [("le", "+Inf")], total)
    sample(name + "_sum", labels, number: sum)
    sample(name + "_count", labels, total)
  }

  private mutating func sample(_ name: String, _ labels: Labels, text value: String) {
    text += name
    if !labels.isEmpty {
      text += "{" + labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",") + "}"
    }
    text += " \(value)\n"
  }

  /// A label's value: backslash, quote and newline are escaped; other control characters become a space.
  static func escaped(_ value: String) -> String {
    var out = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\"": out += "\\\""
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7F ? " " : scalar)
      }
    }
    return out
  }

  /// A number as the format writes it; whole ones without a point.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf" }
    return Int64(exactly: value).map(String.init) ?? "\(value)"
  }

  /// `value / unit` exactly, for a unit that is a power of ten.
  static func decimal(_ value: UInt64, unit: UInt64) -> String {
    let fraction = value % unit
    guard fraction > 0 else { return String(value / unit) }
    // The leading 1 keeps the zeros behind the point.
    var digits = String(unit + fraction).dropFirst()
    while digits.hasSuffix("0") { digits = digits.dropLast() }
    return "\(value / unit).\(digits)"
  }
}
