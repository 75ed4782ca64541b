/// The text in hand of one lane: what was held, then what came.
struct FilterWindow {
  let bytes: UnsafePointer<UInt8>
  /// Whole characters only: one that is cut off is left for later, unless nothing follows.
  let count: Int
  /// The character before the first one.
  let before: UInt32
  /// Nothing follows.
  let isEnd: Bool
  /// Filters that find nothing.
  let disabled: UInt64

  init(_ bytes: UnsafePointer<UInt8>, _ count: Int, before: UInt32, isEnd: Bool, disabled: UInt64) {
    self.disabled = disabled
    self.bytes = bytes
    self.before = before
    self.isEnd = isEnd
    self.count = isEnd || count == 0 || bytes[count &- 1] < 0x80 ? count : Self.wholeCount(bytes, count)
  }

  private static func wholeCount(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var start = count &- 1
    while start > 0, count &- start < 4, bytes[start] & 0xC0 == 0x80 { start &-= 1 }
    return UTF8Text.sequence(bytes + start, count &- start) < 0 ? start : count
  }

  /// The character before `place`.
  @inline(__always)
  func character(before place: Int) -> UInt32 {
    place > 0 ? UTF8Text.scalar(bytes, before: place).value : before
  }

  /// The character at `place`; nil when it has not come yet.
  @inline(__always)
  func character(at place: Int) -> UInt32? {
    guard place < count else { return isEnd ? WordEdge.none : nil }
    return UTF8Text.scalar(bytes, at: place, count: count).value
  }

  /// Whether an ASCII letter, digit or underscore stands before `place`.
  @inline(__always)
  func hasWord(before place: Int) -> Bool {
    if place > 0 { return WordEdge.isASCIIWord(bytes[place &- 1]) }
    return before < 0x80 && WordEdge.isASCIIWord(UInt8(truncatingIfNeeded: before))
  }
}
