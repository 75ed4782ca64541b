#if canImport(Glibc)
  import Glibc
#endif

/// A look at a chunk that tells, without decoding it, whether it says anything the gateway must act on.
///
/// Goes from colon to colon and compares the key before each. Inside a JSON string every quote is escaped, so text cannot look like a
/// key. A key in an escaped spelling is missed: here that costs a figure, never a filter, since with filters every event is decoded.
struct ChatGlance {
  /// A usage object, an error or a finish reason: decode the event.
  private(set) var isNotable = false
  /// Text or tool arguments that are not empty.
  private(set) var hasContent = false
  /// Bytes of text (not of tool arguments) as they stand in the JSON.
  private(set) var textByteCount = 0

  init(_ data: UnsafeRawBufferPointer) {
    guard let bytes = data.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    let count = data.count
    var cursor = 0
    while let colon = memchr(bytes + cursor, 0x3A, count &- cursor) {
      let place = UnsafePointer(colon.assumingMemoryBound(to: UInt8.self)) - bytes
      cursor = place &+ 1
      var end = place &- 1
      while end > 0, bytes[end] == 0x20 || bytes[end] == 0x09 { end &-= 1 }
      guard end > 4, bytes[end] == 0x22 else { continue }
      var value = cursor
      while value < count, bytes[value] == 0x20 || bytes[value] == 0x09 { value &+= 1 }
      guard value &+ 1 < count else { return }
      switch bytes[end &- 1] {
      case UInt8(ascii: "e"):
        if bytes[value] != UInt8(ascii: "n"), Self.key(bytes, end, "usage") { isNotable = true }
      case UInt8(ascii: "r"):
        if bytes[value] != UInt8(ascii: "n"), Self.key(bytes, end, "error") { isNotable = true }
      case UInt8(ascii: "n"):
        if bytes[value] == 0x22, Self.key(bytes, end, "finish_reason") { isNotable = true }
      case UInt8(ascii: "t"):
        if Self.key(bytes, end, "content") || Self.key(bytes, end, "reasoning_content") || Self.key(bytes, end, "text")
        {
          cursor = note(bytes, value, count, isText: true)
        }
      case UInt8(ascii: "g"):
        if Self.key(bytes, end, "reasoning") { cursor = note(bytes, value, count, isText: true) }
      case UInt8(ascii: "l"):
        if Self.key(bytes, end, "refusal") { cursor = note(bytes, value, count, isText: true) }
      case UInt8(ascii: "s"):
        if Self.key(bytes, end, "arguments") { cursor = note(bytes, value, count, isText: false) }
      default: break
      }
    }
  }

  /// Notes a string that is not empty and returns where to go on.
  @inline(__always)
  private mutating func note(_ bytes: UnsafePointer<UInt8>, _ value: Int, _ count: Int, isText: Bool) -> Int {
    guard bytes[value] == 0x22 else { return value }
    var end = value &+ 1
    while true {
      end = JSONText.nextSpecial(bytes, from: end, to: count)
      guard end < count else { return count }
      if bytes[end] == 0x22 { break }
      end = min(bytes[end] == 0x5C ? end &+ 2 : end &+ 1, count)
    }
    let length = end &- value &- 1
    if length > 0 {
      hasContent = true
      if isText { textByteCount &+= length }
    }
    return end &+ 1
  }

  /// True when the key whose closing quote is at `end` is `name`.
  @inline(__always)
  private static func key(_ bytes: UnsafePointer<UInt8>, _ end: Int, _ name: StaticString) -> Bool {
    let length = name.utf8CodeUnitCount
    let start = end &- length
    return start > 0 && bytes[start &- 1] == 0x22 && memcmp(bytes + start, name.utf8Start, length) == 0
  }
}
