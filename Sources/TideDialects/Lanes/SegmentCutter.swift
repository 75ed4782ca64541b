#if canImport(Glibc)
  import Glibc
#endif

/// Finds the segments of one buffer from left to right: a pure function of its bytes, which is what makes units independent of cuts.
struct SegmentCutter {
  private let bytes: UnsafePointer<UInt8>
  private let count: Int
  private let unit: Segmenter.Unit
  private let maxHeld: Int
  /// Nothing follows this buffer: hand out the rest, too.
  private let isEnd: Bool
  private var cursor = 0

  /// - Parameter buffer: not empty.
  init(_ buffer: UnsafeRawBufferPointer, unit: Segmenter.Unit, maxHeld: Int, isEnd: Bool) {
    bytes = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
    count = min(buffer.count, Int(Int32.max))
    self.unit = unit
    self.maxHeld = maxHeld
    self.isEnd = isEnd
  }

  /// The next segment; nil when the rest must wait for more text, or there is none.
  mutating func next() -> Segment? {
    guard cursor < count else { return nil }
    switch unit {
    case .word: return nextWord()
    case .line: return nextLine()
    case .sentence: return nextSentence()
    case .lane: return nextPiece(maxHeld)
    case .bytes(let size): return nextPiece(size)
    }
  }

  // MARK: Characters

  private enum Class { case word, ideograph, apostrophe, other, incomplete }

  private struct Character {
    var kind: Class
    var length: Int
    var value: UInt32
  }

  /// The character at `offset`; a byte that begins none counts as one of its own.
  @inline(__always)
  private func character(_ offset: Int) -> Character {
    let lead = bytes[offset]
    if lead < 0x80 {
      let kind: Class
      switch lead {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"):
        kind = .word
      case UInt8(ascii: "'"): kind = .apostrophe
      default: kind = .other
      }
      return Character(kind: kind, length: 1, value: UInt32(lead))
    }
    return wideCharacter(offset)
  }

  private func wideCharacter(_ offset: Int) -> Character {
    let length = UTF8Text.sequence(bytes + offset, count &- offset)
    if length < 0 {
      return Character(kind: isEnd ? .other : .incomplete, length: isEnd ? 1 : count &- offset, value: 0xFFFD)
    }
    guard length > 0 else { return Character(kind: .other, length: 1, value: 0xFFFD) }
    var value = UInt32(bytes[offset]) & (0xFF >> UInt32(length &+ 1))
    for index in 1..<length { value = value << 6 | UInt32(bytes[offset &+ index] & 0x3F) }
    return Character(kind: Self.kind(of: value), length: length, value: value)
  }

  private static func kind(of value: UInt32) -> Class {
    switch CharacterClass.ofWide(value) {
    case .word: .word
    case .ideograph: .ideograph
    case .apostrophe: .apostrophe
    case .other: .other
    }
  }

  private static func isSpace(_ value: UInt32) -> Bool {
    if value < 0x80 { return value == 0x20 || (value >= 0x09 && value <= 0x0D) }
    return Unicode.Scalar(value)?.properties.isWhitespace ?? false
  }

  // MARK: Words

  private mutating func nextWord() -> Segment? {
    let start = cursor
    let first = character(start)
    switch first.kind {
    case .incomplete: return nil
    case .ideograph: return segment(to: start &+ first.length, isUnit: true)
    case .apostrophe, .other: return gap(from: start &+ first.length)
    case .word: break
    }
    var end = start &+ first.length
    while end < count {
      let next = character(end)
      var after = end &+ next.length
      switch next.kind {
      case .word: break
      case .incomplete: return nil
      case .ideograph, .other: return segment(to: end, isUnit: true)
      case .apostrophe:
        guard after < count else { return isEnd ? segment(to: end, isUnit: true) : nil }
        let follower = character(after)
        if follower.kind == .incomplete { return nil }
        guard follower.kind == .word else { return segment(to: end, isUnit: true) }
        after &+= follower.length
      }
      if after &- start > maxHeld { return segment(to: end, isUnit: true) }
      end = after
    }
    return isEnd ? segment(to: end, isUnit: true) : nil
  }

  /// What lies between words, up to the next one or to the end of what is there.
  private mutating func gap(from offset: Int) -> Segment {
    var end = offset
    while end < count {
      let next = character(end)
      guard next.kind == .other || next.kind == .apostrophe else { break }
      end &+= next.length
    }
    return segment(to: end, isUnit: false)
  }

  // MARK: Lines

  private mutating func nextLine() -> Segment? {
    let start = cursor
    let available = count &- start
    let feed = memchr(bytes + start, 0x0A, available).map {
      UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) - bytes
    }
    guard let feed else {
      if available > maxHeld &+ 1 { return segment(to: boundary(start &+ maxHeld, after: start), isUnit: true) }
      return isEnd ? segment(to: count, isUnit: true) : nil
    }
    let end = feed > start && bytes[feed &- 1] == 0x0D ? feed &- 1 : feed
    if end == start { return segment(to: feed &+ 1, isUnit: false) }
    if end &- start > maxHeld { return segment(to: boundary(start &+ maxHeld, after: start), isUnit: true) }
    return segment(to: end, isUnit: true)
  }

  // MARK: Sentences

  private mutating func nextSentence() -> Segment? {
    let start = cursor
    var end = start
    // 0: inside; 1: after a terminator that needs white space; 2: after one that needs none.
    var terminator = 0
    while end < count {
      let next = character(end)
      if next.kind == .incomplete {
        return end > start && Self.isSpace(character(start).value) ? segment(to: end, isUnit: false) : nil
      }
      let value = next.value
      if end == start || Self.isSpace(character(start).value) {
        // White space before a sentence passes at once.
        if Self.isSpace(value) {
          end &+= next.length
          continue
        }
        if end > start { return segment(to: end, isUnit: false) }
      }
      if value == 0x0A || (terminator > 0 && Self.isSpace(value)) { return segment(to: end, isUnit: true) }
      switch value {
      case 0x2E, 0x21, 0x3F, 0x2026: terminator = max(terminator, 1)
      case 0x3002, 0xFF01, 0xFF1F, 0xFF61: terminator = 2
      case 0x22, 0x27, 0x29, 0x5D, 0x7D, 0x2019, 0x201D, 0xBB, 0x300D, 0x300F, 0xFF09: break
      default:
        if terminator == 2 { return segment(to: end, isUnit: true) }
        terminator = 0
      }
      if end &+ next.length &- start > maxHeld { return segment(to: end, isUnit: true) }
      end &+= next.length
    }
    if Self.isSpace(character(start).value) { return segment(to: end, isUnit: false) }
    return isEnd ? segment(to: end, isUnit: true) : nil
  }

  // MARK: Pieces

  private mutating func nextPiece(_ size: Int) -> Segment? {
    let available = count &- cursor
    if available <= size && !(unit != .lane && available == size) {
      return isEnd ? segment(to: count, isUnit: true) : nil
    }
    let end = boundary(cursor &+ max(size, 1), after: cursor)
    return end > count ? nil : segment(to: end, isUnit: true)
  }

  /// The last beginning of a character at or before `offset`; when that is `start` itself, the end of the character there.
  private func boundary(_ offset: Int, after start: Int) -> Int {
    var end = offset
    var steps = 0
    while end > start, end < count, steps < 3, bytes[end] & 0xC0 == 0x80 {
      end &-= 1
      steps &+= 1
    }
    // At the end of what is there a character may have begun whose rest is still to come.
    if end == count, !isEnd {
      var lead = end &- 1
      while lead > start, end &- lead < 4, bytes[lead] & 0xC0 == 0x80 { lead &-= 1 }
      if UTF8Text.sequence(bytes + lead, end &- lead) < 0 { end = lead }
    }
    if end > start { return end }
    let length = UTF8Text.sequence(bytes + start, count &- start)
    return start &+ (length > 0 ? length : length < 0 && !isEnd ? count &+ 1 : 1)
  }

  private mutating func segment(to end: Int, isUnit: Bool) -> Segment {
    defer { cursor = end }
    return Segment(start: Int32(truncatingIfNeeded: cursor), end: Int32(truncatingIfNeeded: end), isUnit: isUnit)
  }
}
