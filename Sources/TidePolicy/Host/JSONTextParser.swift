/// Parses a JSON text (RFC 8259) into a tree. Not for the data path: scripts ask for it.
struct JSONTextParser {
  private let bytes: UnsafeRawBufferPointer
  private var cursor = 0
  private var valueCount = 0
  private let refusesDuplicateKeys: Bool

  init(_ bytes: UnsafeRawBufferPointer, refusesDuplicateKeys: Bool = false) {
    self.bytes = bytes
    self.refusesDuplicateKeys = refusesDuplicateKeys
  }

  mutating func document() throws(HostError) -> PolicyValue {
    let value = try value(depth: 0)
    skipSpace()
    guard cursor == bytes.count else { throw failure("text after the value") }
    return value
  }

  private func failure(_ what: String) -> HostError { HostError("tide.json: \(what) at byte \(cursor + 1)") }

  private var next: UInt8? { cursor < bytes.count ? bytes[cursor] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { cursor += 1 }
  }

  private mutating func value(depth: Int) throws(HostError) -> PolicyValue {
    guard depth <= JSONText.depthMax else { throw failure("nested deeper than 64") }
    valueCount += 1
    guard valueCount <= 200_000 else { throw failure("more than 200,000 values") }
    skipSpace()
    switch next ?? 0 {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure("expected a value")
    }
  }

  private mutating func word(_ text: StaticString, _ value: PolicyValue) throws(HostError) -> PolicyValue {
    let count = text.utf8CodeUnitCount
    guard cursor + count <= bytes.count,
      (0..<count).allSatisfy({ bytes[cursor + $0] == text.utf8Start[$0] })
    else { throw failure("expected \(text)") }
    cursor += count
    return value
  }

  private mutating func array(depth: Int) throws(HostError) -> PolicyValue {
    cursor += 1
    var elements: [PolicyValue] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      cursor += 1
      return .array([])
    }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      let separator = next
      guard separator == UInt8(ascii: ",") || separator == UInt8(ascii: "]") else { throw failure("expected , or ]") }
      cursor += 1
      if separator == UInt8(ascii: "]") { return .array(elements) }
    }
  }

  private mutating func object(depth: Int) throws(HostError) -> PolicyValue {
    cursor += 1
    var entries: [PolicyValue.Entry] = []
    var keys: Set<String> = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      cursor += 1
      return .map([])
    }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw failure("expected a key") }
      let key = try string()
      if refusesDuplicateKeys, !keys.insert(key).inserted { throw failure("a key that was there before") }
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw failure("expected :") }
      cursor += 1
      entries.append(PolicyValue.Entry(key, try value(depth: depth + 1)))
      skipSpace()
      let separator = next
      guard separator == UInt8(ascii: ",") || separator == UInt8(ascii: "}") else { throw failure("expected , or }") }
      cursor += 1
      if separator == UInt8(ascii: "}") { return .map(entries) }
    }
  }

  private mutating func number() throws(HostError) -> PolicyValue {
    let start = cursor
    var isWhole = true
    if next == UInt8(ascii: "-") { cursor += 1 }
    let digits = cursor
    while let byte = next, byte &- 0x30 < 10 { cursor += 1 }
    guard cursor > digits, cursor == digits + 1 || bytes[digits] != UInt8(ascii: "0") else {
      throw failure("a malformed number")
    }
    if next == UInt8(ascii: ".") {
      isWhole = false
      cursor += 1
      let fraction = cursor
      while let byte = next, byte &- 0x30 < 10 { cursor += 1 }
      guard cursor > fraction else { throw failure("a malformed number") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isWhole = false
      cursor += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { cursor += 1 }
      let exponent = cursor
      while let byte = next, byte &- 0x30 < 10 { cursor += 1 }
      guard cursor > exponent else { throw failure("a malformed number") }
    }
    let text = String(decoding: bytes[start..<cursor], as: UTF8.self)
    if isWhole, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else { throw failure("a number out of range") }
    return .number(number)
  }

  private mutating func string() throws(HostError) -> String {
    cursor += 1
    var out: [UInt8] = []
    while let byte = next {
      cursor += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: out, as: UTF8.self) else { throw failure("invalid UTF-8") }
        return text
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<0x20: throw failure("a control character in a string")
      default: out.append(byte)
      }
    }
    throw failure("an unfinished string")
  }

  private mutating func escape(into out: inout [UInt8]) throws(HostError) {
    guard let byte = next else { throw failure("an unfinished string") }
    cursor += 1
    switch byte {
    case UInt8(ascii: "n"): out.append(0x0A)
    case UInt8(ascii: "r"): out.append(0x0D)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0C)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "u"):
      var value = try hexQuad()
      if value & 0xFC00 == 0xD800, next == UInt8(ascii: "\\"), cursor + 1 < bytes.count,
        bytes[cursor + 1] == UInt8(ascii: "u")
      {
        cursor += 2
        let low = try hexQuad()
        guard low & 0xFC00 == 0xDC00 else { throw failure("half a surrogate pair") }
        value = 0x10000 + ((value & 0x3FF) << 10 | low & 0x3FF)
      }
      guard let scalar = Unicode.Scalar(value) else { throw failure("half a surrogate pair") }
      out += String(Character(scalar)).utf8
    default: throw failure("an unknown escape")
    }
  }

  private mutating func hexQuad() throws(HostError) -> UInt32 {
    guard cursor + 4 <= bytes.count else { throw failure("an unfinished escape") }
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = bytes[cursor]
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - 0x30
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - 0x57
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - 0x37
      default: throw failure("a malformed escape")
      }
      value = value << 4 | UInt32(digit)
      cursor += 1
    }
    return value
  }
}
