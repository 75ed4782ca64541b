/// A string or key as it stands in the JSON: the bytes between the quotes, escapes and all.
public struct JSONString: Equatable, Sendable, BitwiseCopyable {
  /// Offset of the first byte after the opening quote.
  public var start: Int
  /// Offset of the closing quote.
  public var end: Int
  public var hasEscapes: Bool

  /// The value with its quotes.
  public var quoted: Range<Int> { start - 1..<end + 1 }
}

/// What a JSON value is, told by its first byte.
public enum JSONKind: UInt8, Sendable, BitwiseCopyable {
  case object, array, string, number, bool, null
  /// No value starts here.
  case invalid
}

/// A pull scanner over one complete JSON text: the caller asks for what it expects and gets ranges, never copies.
///
/// Syntax is checked strictly (RFC 8259); UTF-8 is not, see `UTF8Text`. Nesting is bounded by `depthLimit`. After a failure every
/// call fails, so a caller may check `failure` once at the end. Offsets count from the start of the bytes given.
public struct JSONScanner {
  public enum Failure: UInt8, Sendable, BitwiseCopyable { case none, syntax, tooDeep }

  /// One bit a level in `skipValue`; more depth than any request has.
  public static let depthLimit = 64

  let bytes: UnsafePointer<UInt8>
  public let count: Int
  public private(set) var offset: Int
  public private(set) var failure = Failure.none
  public private(set) var depth = 0
  /// The container just entered has had no element yet.
  private var isFirst = false

  /// - Parameter buffer: must outlive the scanner.
  public init(_ buffer: UnsafeRawBufferPointer, from offset: Int = 0) {
    if let base = buffer.baseAddress {
      bytes = base.assumingMemoryBound(to: UInt8.self)
      count = buffer.count
    } else {
      bytes = UnsafePointer(bitPattern: 1)!
      count = 0
    }
    self.offset = max(0, min(offset, count))
  }

  public var hasFailed: Bool { failure != .none }

  // MARK: Values

  /// The kind of the value that comes next.
  @inline(__always)
  public mutating func peek() -> JSONKind {
    skipSpace()
    guard offset < count else { return .invalid }
    switch bytes[offset] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: return .invalid
    }
  }

  /// Enters an object; `nextKey` then walks it.
  @inline(__always)
  public mutating func enterObject() -> Bool { enter(UInt8(ascii: "{")) }

  /// Enters an array; `nextElement` then walks it.
  @inline(__always)
  public mutating func enterArray() -> Bool { enter(UInt8(ascii: "[")) }

  /// The next key of the object entered last, its colon passed; nil at the object's end, which is passed too, or on failure.
  /// The caller must take the value before it asks again.
  @inline(__always)
  public mutating func nextKey() -> JSONString? {
    guard advance(closing: UInt8(ascii: "}")), let key = string() else { return nil }
    skipSpace()
    guard offset < count, bytes[offset] == UInt8(ascii: ":") else {
      fail(.syntax)
      return nil
    }
    offset &+= 1
    return key
  }

  /// True when another element of the array entered last follows; at the array's end, which is passed, false.
  @inline(__always)
  public mutating func nextElement() -> Bool { advance(closing: UInt8(ascii: "]")) }

  /// A string value, or nil and a failure.
  @inline(__always)
  public mutating func string() -> JSONString? {
    skipSpace()
    guard failure == .none, offset < count, bytes[offset] == UInt8(ascii: "\"") else {
      fail(.syntax)
      return nil
    }
    let start = offset &+ 1
    var cursor = start
    var hasEscapes = false
    while true {
      cursor = JSONText.nextSpecial(bytes, from: cursor, to: count)
      guard cursor < count else { break }
      let byte = bytes[cursor]
      if byte == UInt8(ascii: "\"") {
        offset = cursor &+ 1
        return JSONString(start: start, end: cursor, hasEscapes: hasEscapes)
      }
      guard byte == UInt8(ascii: "\\"), let next = escapeEnd(cursor) else { break }
      hasEscapes = true
      cursor = next
    }
    fail(.syntax)
    return nil
  }

  /// A string value for a place that may be filled once; `repeated` is set when it was filled before.
  ///
  /// - Returns: true, so that it can end a chain of questions about a key.
  @discardableResult
  mutating func string(into place: inout JSONString?, repeated: inout Bool) -> Bool {
    if place != nil { repeated = true }
    place = string()
    return true
  }

  /// Passes any value and returns where it stands; nil on failure.
  @inline(__always)
  public mutating func skipValue() -> Range<Int>? {
    switch peek() {
    case .string:
      guard let text = string() else { return nil }
      return text.quoted
    case .number: return number()
    case .bool: return bytes[offset] == UInt8(ascii: "t") ? literal("true") : literal("false")
    case .null: return literal("null")
    case .object, .array: return skipContainer()
    case .invalid:
      fail(.syntax)
      return nil
    }
  }

  /// A number's range, its grammar checked; nil on failure.
  public mutating func number() -> Range<Int>? {
    skipSpace()
    let start = offset
    guard failure == .none else { return nil }
    if offset < count, bytes[offset] == UInt8(ascii: "-") { offset &+= 1 }
    let whole = offset
    guard passDigits() else { return failedRange() }
    if bytes[whole] == UInt8(ascii: "0"), offset &- whole > 1 { return failedRange() }
    if offset < count, bytes[offset] == UInt8(ascii: ".") {
      offset &+= 1
      guard passDigits() else { return failedRange() }
    }
    if offset < count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      offset &+= 1
      if offset < count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-") { offset &+= 1 }
      guard passDigits() else { return failedRange() }
    }
    return start..<offset
  }

  /// A boolean, or nil and a failure.
  public mutating func bool() -> Bool? {
    guard peek() == .bool else {
      fail(.syntax)
      return nil
    }
    let value = bytes[offset] == UInt8(ascii: "t")
    return (value ? literal("true") : literal("false")) == nil ? nil : value
  }

  /// True when only white space is left.
  public mutating func atEnd() -> Bool {
    skipSpace()
    return failure == .none && offset == count
  }

  // MARK: Comparing and reading

  /// True when the key says `name`, in whatever spelling.
  @inline(__always)
  public func equals(_ key: JSONString, _ name: StaticString) -> Bool {
    if !key.hasEscapes {
      let length = name.utf8CodeUnitCount
      return key.end &- key.start == length && JSONText.equal(bytes + key.start, name.utf8Start, length)
    }
    return JSONText.unescape(content(key)).elementsEqual(
      UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
  }

  /// The bytes between a string's quotes.
  @inline(__always)
  public func content(_ string: JSONString) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: bytes + string.start, count: string.end &- string.start)
  }

  /// The whole number at `range`; nil when it has a fraction, an exponent or more digits than an Int32 holds.
  public func integer(_ range: Range<Int>) -> Int32? {
    var value: Int64 = 0
    var cursor = range.lowerBound
    let isNegative = cursor < range.upperBound && bytes[cursor] == UInt8(ascii: "-")
    if isNegative { cursor &+= 1 }
    guard cursor < range.upperBound, range.upperBound &- cursor <= 10 else { return nil }
    while cursor < range.upperBound {
      let digit = bytes[cursor] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      value = value &* 10 &+ Int64(digit)
      cursor &+= 1
    }
    return Int32(exactly: isNegative ? -value : value)
  }

  // MARK: Inside

  @inline(__always)
  private mutating func skipSpace() {
    while offset < count {
      let byte = bytes[offset]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      offset &+= 1
    }
  }

  private mutating func fail(_ kind: Failure) {
    if failure == .none { failure = kind }
    offset = count
  }

  private mutating func failedRange() -> Range<Int>? {
    fail(.syntax)
    return nil
  }

  @inline(__always)
  private mutating func enter(_ opening: UInt8) -> Bool {
    skipSpace()
    guard failure == .none, offset < count, bytes[offset] == opening else {
      fail(.syntax)
      return false
    }
    guard depth < Self.depthLimit else {
      fail(.tooDeep)
      return false
    }
    depth &+= 1
    offset &+= 1
    isFirst = true
    return true
  }

  @inline(__always)
  private mutating func advance(closing: UInt8) -> Bool {
    skipSpace()
    guard failure == .none, offset < count, depth > 0 else {
      fail(.syntax)
      return false
    }
    if bytes[offset] == closing {
      offset &+= 1
      depth &-= 1
      isFirst = false
      return false
    }
    if isFirst {
      isFirst = false
      return true
    }
    guard bytes[offset] == UInt8(ascii: ",") else {
      fail(.syntax)
      return false
    }
    offset &+= 1
    return true
  }

  private mutating func passDigits() -> Bool {
    let start = offset
    while offset < count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset &+= 1 }
    return offset > start
  }

  @inline(__always)
  private mutating func literal(_ text: StaticString) -> Range<Int>? {
    let length = text.utf8CodeUnitCount
    guard failure == .none, count &- offset >= length, JSONText.equal(bytes + offset, text.utf8Start, length) else {
      fail(.syntax)
      return nil
    }
    offset &+= length
    return offset &- length..<offset
  }

  /// The offset after the escape that starts at `start`; nil when it is none.
  @inline(__always)
  private func escapeEnd(_ start: Int) -> Int? {
    guard start &+ 1 < count else { return nil }
    switch bytes[start &+ 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      return start &+ 2
    case UInt8(ascii: "u"):
      guard start &+ 6 <= count, JSONText.hexQuad(bytes + start + 2) != nil else { return nil }
      return start &+ 6
    default: return nil
    }
  }

  /// Passes an object or array without recursion: one bit a level says which of the two it is.
  private mutating func skipContainer() -> Range<Int>? {
    let start = offset
    let floor = depth
    var objects: UInt64 = 0
    repeat {
      // Here a value is due at the current level.
      switch peek() {
      case .object:
        guard enterObject() else { return nil }
        objects = objects << 1 | 1
      case .array:
        guard enterArray() else { return nil }
        objects = objects << 1
      default:
        guard skipScalar() else { return nil }
      }
      // Here a value or an opening bracket was passed: close what ends, and stop where the next value is due.
      while depth > floor {
        let more = objects & 1 == 1 ? nextKey() != nil : nextElement()
        if failure != .none { return nil }
        if more { break }
        objects >>= 1
      }
    } while depth > floor
    return start..<offset
  }

  private mutating func skipScalar() -> Bool {
    switch peek() {
    case .string: return string() != nil
    case .number: return number() != nil
    case .bool: return bool() != nil
    case .null: return literal("null") != nil
    default:
      fail(.syntax)
      return false
    }
  }
}
