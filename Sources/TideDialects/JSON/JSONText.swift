import TideCore

#if canImport(Glibc)
  import Glibc
#endif

/// JSON strings as bytes: finding what needs care in them, reading escapes, writing escapes.
public enum JSONText {
  /// The offset of the first quote, backslash or control byte at or after `start`; `end` when there is none.
  ///
  /// Eight bytes a step: this loop is most of the cost of scanning a chunk.
  @inline(__always)
  static func nextSpecial(_ bytes: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
    var cursor = start
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    while end &- cursor >= 8 {
      let word = UInt64(littleEndian: UnsafeRawPointer(bytes + cursor).loadUnaligned(as: UInt64.self))
      let quotes = word ^ (ones &* 0x22)
      let slashes = word ^ (ones &* 0x5C)
      // The lowest set high bit is exact in each term; borrows only disturb bits above it.
      var hits = (word &- ones &* 0x20) & ~word
      hits |= (quotes &- ones) & ~quotes
      hits |= (slashes &- ones) & ~slashes
      hits &= highs
      if hits != 0 { return cursor &+ hits.trailingZeroBitCount >> 3 }
      cursor &+= 8
    }
    while cursor < end {
      let byte = bytes[cursor]
      if byte == 0x22 || byte == 0x5C || byte < 0x20 { return cursor }
      cursor &+= 1
    }
    return end
  }

  @inline(__always)
  static func equal(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    memcmp(left, right, count) == 0
  }

  /// The value of four hexadecimal digits; nil when one is none.
  @inline(__always)
  static func hexQuad(_ bytes: UnsafePointer<UInt8>) -> UInt16? {
    var value: UInt16 = 0
    for index in 0..<4 {
      let byte = bytes[index]
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte &- UInt8(ascii: "A") &+ 10
      default: return nil
      }
      value = value << 4 | UInt16(digit)
    }
    return value
  }

  /// The text of a JSON string's content: escapes resolved, surrogate pairs joined, whatever is not UTF-8 as U+FFFD.
  ///
  /// For requests and rare paths: it makes an array. Streams use `LaneText`.
  public static func unescape(_ content: UnsafeRawBufferPointer) -> [UInt8] {
    var out = ByteQueue()
    var lane = LaneText()
    lane.append(content, into: &out)
    lane.end(into: &out)
    return [UInt8](out.readableBytes)
  }

  /// Bytes of the text of a JSON string's content: what `unescape` gives, of a string that is UTF-8.
  static func textByteCount(_ content: UnsafeRawBufferPointer) -> Int {
    guard let bytes = content.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
    var textCount = 0
    var cursor = 0
    while cursor < content.count {
      let special = nextSpecial(bytes, from: cursor, to: content.count)
      textCount &+= special &- cursor
      guard special < content.count else { break }
      guard bytes[special] == 0x5C, special &+ 1 < content.count, bytes[special &+ 1] == UInt8(ascii: "u") else {
        textCount &+= 1
        cursor = special &+ (bytes[special] == 0x5C ? 2 : 1)
        continue
      }
      let code = special &+ 6 <= content.count ? hexQuad(bytes + special + 2) ?? 0xFFFD : 0xFFFD
      // The halves of a pair are two escapes, and four bytes.
      textCount &+= code < 0x80 ? 1 : code < 0x800 || (0xD800...0xDFFF).contains(code) ? 2 : 3
      cursor = special &+ 6
    }
    return textCount
  }

  /// Appends `text`, valid UTF-8, as the content of a JSON string: escapes only what JSON demands.
  public static func escape(_ text: UnsafeRawBufferPointer, into out: inout ByteQueue) {
    guard let base = text.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    var cursor = 0
    while cursor < text.count {
      let special = nextSpecial(base, from: cursor, to: text.count)
      if special > cursor {
        out.append(UnsafeRawBufferPointer(start: base + cursor, count: special &- cursor))
      }
      guard special < text.count else { return }
      switch base[special] {
      case 0x22: out.append("\\\"")
      case 0x5C: out.append("\\\\")
      case 0x0A: out.append("\\n")
      case 0x0D: out.append("\\r")
      case 0x09: out.append("\\t")
      case let control:
        out.append("\\u00")
        out.append(byte: hexDigit(control >> 4))
        out.append(byte: hexDigit(control & 15))
      }
      cursor = special &+ 1
    }
  }

  /// Appends `text` as a whole JSON string, quotes included.
  public static func quote(_ text: String, into out: inout ByteQueue) {
    var copy = text
    copy.withUTF8 {
      out.append(byte: 0x22)
      escape(UnsafeRawBufferPointer($0), into: &out)
      out.append(byte: 0x22)
    }
  }

  /// `text`, whatever its bytes, as a JSON string with quotes; invalid UTF-8 becomes U+FFFD.
  public static func quoted(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    var clean = ByteQueue()
    var out = ByteQueue()
    out.append(byte: 0x22)
    if UTF8Text.validPrefix(text) == text.count {
      escape(text, into: &out)
    } else {
      var repair = UTF8Repair()
      repair.append(text, into: &clean)
      repair.end(into: &clean)
      escape(clean.readableBytes, into: &out)
    }
    out.append(byte: 0x22)
    return [UInt8](out.readableBytes)
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &+ value &- 10
  }
}
