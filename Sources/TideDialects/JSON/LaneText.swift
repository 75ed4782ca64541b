import TideCore

/// The decoder of one lane: the contents of its JSON strings, one after another, as valid UTF-8.
///
/// A character may be cut between two deltas in two ways, and both are joined: as raw UTF-8 bytes, and as the two halves of an
/// escaped surrogate pair. What can never become a character is U+FFFD.
struct LaneText: BitwiseCopyable, Sendable {
  private var repair = UTF8Repair()
  /// A high surrogate whose low half may come with the next delta; 0 when there is none.
  private var highSurrogate: UInt16 = 0

  init() {}

  /// True when nothing is held between deltas.
  var isClear: Bool { highSurrogate == 0 && repair.isClear }

  /// Decodes the content of one JSON string, whose escapes are known to be well formed.
  ///
  /// - Returns: false when something was replaced.
  @discardableResult
  mutating func append(_ content: UnsafeRawBufferPointer, into out: inout ByteQueue) -> Bool {
    guard let base = content.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return true }
    let count = content.count
    var isExact = true
    var cursor = 0
    while cursor < count {
      var next = cursor
      while next < count, base[next] != 0x5C {
        next = JSONText.nextSpecial(base, from: next, to: count)
        // Quotes and control bytes end no run here: the scanner has already judged them.
        if next < count, base[next] != 0x5C { next &+= 1 }
      }
      if next > cursor {
        if !dropSurrogate(into: &out) { isExact = false }
        let run = UnsafeRawBufferPointer(start: base + cursor, count: next &- cursor)
        if !repair.append(run, into: &out) { isExact = false }
        cursor = next
      }
      guard cursor &+ 1 < count else { break }
      if !repair.end(into: &out) { isExact = false }
      if base[cursor &+ 1] == UInt8(ascii: "u") {
        guard cursor &+ 6 <= count, let unit = JSONText.hexQuad(base + cursor + 2) else { break }
        if !appendUnit(unit, into: &out) { isExact = false }
        cursor &+= 6
      } else {
        if !dropSurrogate(into: &out) { isExact = false }
        out.append(byte: Self.plainEscape(base[cursor &+ 1]))
        cursor &+= 2
      }
    }
    return isExact
  }

  /// Replaces what is held: the lane is at its end.
  mutating func end(into out: inout ByteQueue) {
    _ = dropSurrogate(into: &out)
    repair.end(into: &out)
  }

  /// Returns false when a half had to be replaced.
  private mutating func appendUnit(_ unit: UInt16, into out: inout ByteQueue) -> Bool {
    if unit & 0xFC00 == 0xDC00 {
      guard highSurrogate != 0 else {
        out.append("\u{FFFD}")
        return false
      }
      let value = 0x10000 &+ (UInt32(highSurrogate & 0x3FF) << 10 | UInt32(unit & 0x3FF))
      highSurrogate = 0
      Self.append(scalar: value, into: &out)
      return true
    }
    let isExact = dropSurrogate(into: &out)
    if unit & 0xFC00 == 0xD800 {
      highSurrogate = unit
    } else {
      Self.append(scalar: UInt32(unit), into: &out)
    }
    return isExact
  }

  @inline(__always)
  private mutating func dropSurrogate(into out: inout ByteQueue) -> Bool {
    guard highSurrogate != 0 else { return true }
    highSurrogate = 0
    out.append("\u{FFFD}")
    return false
  }

  private static func append(scalar value: UInt32, into out: inout ByteQueue) {
    switch value {
    case 0..<0x80: out.append(byte: UInt8(truncatingIfNeeded: value))
    case 0x80..<0x800:
      out.append(byte: 0xC0 | UInt8(truncatingIfNeeded: value >> 6))
      out.append(byte: 0x80 | UInt8(truncatingIfNeeded: value & 0x3F))
    case 0x800..<0x10000:
      out.append(byte: 0xE0 | UInt8(truncatingIfNeeded: value >> 12))
      out.append(byte: 0x80 | UInt8(truncatingIfNeeded: value >> 6 & 0x3F))
      out.append(byte: 0x80 | UInt8(truncatingIfNeeded: value & 0x3F))
    default:
      out.append(byte: 0xF0 | UInt8(truncatingIfNeeded: value >> 18))
      out.append(byte: 0x80 | UInt8(truncatingIfNeeded: value >> 12 & 0x3F))
      out.append(byte: 0x80 | UInt8(truncatingIfNeeded: value >> 6 & 0x3F))
      out.append(byte: 0x80 | UInt8(truncatingIfNeeded: value & 0x3F))
    }
  }

  private static func plainEscape(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "n"): 0x0A
    case UInt8(ascii: "r"): 0x0D
    case UInt8(ascii: "t"): 0x09
    case UInt8(ascii: "b"): 0x08
    case UInt8(ascii: "f"): 0x0C
    default: byte
    }
  }
}
