/// Base64 (RFC 4648), read strictly: one text for each value, so that nothing can be written in two ways.
public enum Base64 {
  public enum Alphabet: Sendable {
    /// `+` and `/`, padded with `=`.
    case standard
    /// `-` and `_`, never padded: what URLs and web tokens carry.
    case url

    fileprivate var digits: [UInt8] { self == .url ? Base64.urlDigits : Base64.standardDigits }
    fileprivate var isPadded: Bool { self == .standard }
  }

  private static let common = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
  private static let standardDigits = common + Array("+/".utf8)
  private static let urlDigits = common + Array("-_".utf8)
  private static let standardValues = values(standardDigits)
  private static let urlValues = values(urlDigits)
  private static let pad = UInt8(ascii: "=")

  /// The value of each byte as a digit; 255 for what is none.
  private static func values(_ digits: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 255, count: 256)
    for (value, digit) in digits.enumerated() { result[Int(digit)] = UInt8(value) }
    return result
  }

  public static func encode(_ bytes: UnsafeRawBufferPointer, _ alphabet: Alphabet = .standard) -> [UInt8] {
    let digits = alphabet.digits
    let rest = bytes.count % 3
    let fullCount = bytes.count / 3 * 4
    let count = fullCount + (rest == 0 ? 0 : alphabet.isPadded ? 4 : rest + 1)
    return [UInt8](unsafeUninitializedCapacity: count) { out, filled in
      func write(_ group: UInt32, _ digitCount: Int, at place: Int) {
        for index in 0..<digitCount { out[place + index] = digits[Int(group >> UInt32(18 - 6 * index) & 63)] }
      }
      var place = 0
      var index = 0
      while index + 3 <= bytes.count {
        write(UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]), 4, at: place)
        index += 3
        place += 4
      }
      if rest > 0 {
        write(UInt32(bytes[index]) << 16 | (rest == 2 ? UInt32(bytes[index + 1]) << 8 : 0), rest + 1, at: place)
        for padding in place + rest + 1..<max(count, place + rest + 1) { out[padding] = pad }
      }
      filled = count
    }
  }

  /// The bytes, or nil when the text is not exactly what `encode` writes: other characters, white space, wrong padding, bits
  /// left over.
  public static func decode(_ text: UnsafeRawBufferPointer, _ alphabet: Alphabet = .standard) -> [UInt8]? {
    var digitCount = text.count
    if alphabet.isPadded {
      guard digitCount % 4 == 0 else { return nil }
      var padding = 0
      while padding < 2, digitCount > 0, text[digitCount - 1] == pad {
        digitCount -= 1
        padding += 1
      }
    }
    let rest = digitCount % 4
    guard rest != 1 else { return nil }
    let values = alphabet == .url ? urlValues : standardValues
    var isValid = true
    let result = [UInt8](unsafeUninitializedCapacity: digitCount / 4 * 3 + max(0, rest - 1)) { out, filled in
      var place = 0
      var group: UInt32 = 0
      for index in 0..<digitCount {
        let value = values[Int(text[index])]
        guard value < 64 else {
          isValid = false
          return
        }
        group = group << 6 | UInt32(value)
        guard index % 4 == 3 else { continue }
        out[place] = UInt8(truncatingIfNeeded: group >> 16)
        out[place + 1] = UInt8(truncatingIfNeeded: group >> 8)
        out[place + 2] = UInt8(truncatingIfNeeded: group)
        place += 3
        group = 0
      }
      switch rest {
      case 2:
        isValid = group & 0x0F == 0
        out[place] = UInt8(truncatingIfNeeded: group >> 4)
        place += 1
      case 3:
        isValid = group & 0x03 == 0
        out[place] = UInt8(truncatingIfNeeded: group >> 10)
        out[place + 1] = UInt8(truncatingIfNeeded: group >> 2)
        place += 2
      default: break
      }
      filled = place
    }
    return isValid ? result : nil
  }
}
