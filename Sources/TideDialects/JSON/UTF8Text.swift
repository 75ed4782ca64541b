/// Validity of UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
public enum UTF8Text {
  /// How many leading bytes are valid, whole characters.
  @inline(__always)
  public static func validPrefix(_ text: UnsafeRawBufferPointer) -> Int {
    guard let base = text.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
    let count = text.count
    var cursor = 0
    while cursor < count {
      while count &- cursor >= 8,
        UnsafeRawPointer(base + cursor).loadUnaligned(as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        cursor &+= 8
      }
      guard cursor < count else { break }
      if base[cursor] < 0x80 {
        cursor &+= 1
        continue
      }
      let length = sequence(base + cursor, count &- cursor)
      guard length > 0 else { return cursor }
      cursor &+= length
    }
    return count
  }

  /// The length of the character at `bytes`; 0 when it is not valid; -n when it is the n-byte beginning of a valid one.
  static func sequence(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    let lead = bytes[0]
    let needed: Int
    var low: UInt8 = 0x80
    var high: UInt8 = 0xBF
    switch lead {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: needed = 2
    case 0xE0...0xEF:
      needed = 3
      if lead == 0xE0 { low = 0xA0 }
      if lead == 0xED { high = 0x9F }
    case 0xF0...0xF4:
      needed = 4
      if lead == 0xF0 { low = 0x90 }
      if lead == 0xF4 { high = 0x8F }
    default: return 0
    }
    for index in 1..<needed {
      guard index < count else { return -count }
      guard bytes[index] >= low, bytes[index] <= high else { return 0 }
      low = 0x80
      high = 0xBF
    }
    return needed
  }
}
