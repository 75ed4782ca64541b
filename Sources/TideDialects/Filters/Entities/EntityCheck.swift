/// What a find must satisfy beyond its form. Pure arithmetic on the bytes of the find; nothing is allocated.
enum EntityCheck: UInt8, Sendable, BitwiseCopyable {
  case none, email, luhn, iban, phone, ipv4, ipv6

  /// - Parameters:
  ///   - text: what a pattern of the kind has matched.
  ///   - before: the character before it, `WordEdge.none` at the beginning.
  func holds(_ text: UnsafeRawBufferPointer, before: UInt32) -> Bool {
    switch self {
    case .none: true
    case .email: Self.isEmail(text)
    case .luhn: Self.isCard(text)
    case .iban: Self.isIBAN(text)
    case .phone: Self.isPhone(text, before)
    case .ipv4: before != UInt32(UInt8(ascii: "."))
    case .ipv6: before != UInt32(UInt8(ascii: ":")) && Self.isIPv6(text)
    }
  }

  /// The part before the at sign ends with no dot and has no two in a row (RFC 5321's dot-string).
  private static func isEmail(_ text: UnsafeRawBufferPointer) -> Bool {
    var last: UInt8 = 0
    for byte in text {
      if byte == UInt8(ascii: "@") { return last != UInt8(ascii: ".") }
      if byte == UInt8(ascii: "."), last == byte { return false }
      last = byte
    }
    return false
  }

  // MARK: Payment cards

  /// ISO/IEC 7812-1, annex B. Numbers of one repeated digit satisfy it, and are none.
  private static func isCard(_ text: UnsafeRawBufferPointer) -> Bool {
    var sum = 0
    var count = 0
    var first: Int?
    var differs = false
    for byte in text.reversed() {
      guard let digit = digit(byte) else { continue }
      if let first { differs = differs || digit != first } else { first = digit }
      let doubled = digit &* 2
      sum &+= count & 1 == 0 ? digit : doubled > 9 ? doubled &- 9 : doubled
      count &+= 1
    }
    return count >= 13 && count <= 19 && differs && sum % 10 == 0
  }

  // MARK: Bank accounts

  /// ISO 13616: the length that the country has fixed, and the remainder of 97 after the first four characters went to the end.
  private static func isIBAN(_ text: UnsafeRawBufferPointer) -> Bool {
    guard text.count >= 15, let length = IBANLengths.length(text[0], text[1]) else { return false }
    var count = 0
    for byte in text where byte != 0x20 { count &+= 1 }
    guard count == length else { return false }
    var remainder = 0
    // The first four characters are of one group, whether spaces follow or not.
    for index in 4..<text.count { take(text[index], &remainder) }
    for index in 0..<4 { take(text[index], &remainder) }
    return remainder == 1
  }

  private static func take(_ byte: UInt8, _ remainder: inout Int) {
    if let digit = digit(byte) {
      remainder = (remainder &* 10 &+ digit) % 97
    } else if byte >= UInt8(ascii: "A"), byte <= UInt8(ascii: "Z") {
      remainder = (remainder &* 100 &+ Int(byte &- UInt8(ascii: "A")) &+ 10) % 97
    }
  }

  // MARK: Telephone numbers

  /// E.164: 7 to 15 digits after the plus. Brackets come in pairs.
  private static func isPhone(_ text: UnsafeRawBufferPointer, _ before: UInt32) -> Bool {
    guard before != UInt32(UInt8(ascii: "+")) else { return false }
    var count = 0
    var open = 0
    for byte in text {
      if digit(byte) != nil { count &+= 1 }
      if byte == UInt8(ascii: "(") { open &+= 1 }
      if byte == UInt8(ascii: ")") {
        open &-= 1
        if open < 0 { return false }
      }
    }
    return count >= 7 && count <= 15 && open == 0
  }

  // MARK: Addresses

  /// RFC 4291, section 2.2. Beyond it a decimal digit is asked for, since `a::b` is a name in many languages.
  private static func isIPv6(_ text: UnsafeRawBufferPointer) -> Bool {
    var groups = 0
    var hasGap = false
    var hasDigit = false
    var index = 0
    let count = text.count
    let colon = UInt8(ascii: ":")
    while index < count {
      if text[index] == colon {
        guard index &+ 1 < count else { return false }
        if text[index &+ 1] == colon {
          // One gap only, and a single colon never begins an address.
          guard !hasGap else { return false }
          hasGap = true
          index &+= 2
          guard index < count else { break }
          guard text[index] != colon else { return false }
        } else {
          guard index > 0 else { return false }
          index &+= 1
        }
      }
      let start = index
      var isDotted = false
      while index < count, text[index] != colon {
        if text[index] == UInt8(ascii: ".") { isDotted = true }
        if digit(text[index]) != nil { hasDigit = true }
        index &+= 1
      }
      if isDotted {
        guard index == count, isIPv4(UnsafeRawBufferPointer(rebasing: text[start..<index])) else { return false }
        groups &+= 2
      } else {
        groups &+= 1
      }
    }
    return hasDigit && (hasGap ? groups <= 7 : groups == 8)
  }

  private static func isIPv4(_ text: UnsafeRawBufferPointer) -> Bool {
    var parts = 0
    var value = 0
    var digits = 0
    for byte in text {
      if let digit = digit(byte) {
        value = value &* 10 &+ digit
        digits &+= 1
        guard digits <= 3, value <= 255 else { return false }
      } else {
        guard digits > 0 else { return false }
        parts &+= 1
        value = 0
        digits = 0
      }
    }
    return parts == 3 && digits > 0
  }

  @inline(__always)
  private static func digit(_ byte: UInt8) -> Int? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int(byte &- UInt8(ascii: "0")) : nil
  }
}
