import TideCore

/// The text of an answer, cut into tokens: one block of bytes, escaped for JSON already, and where each token ends.
///
/// Made once per request, or once per process for the texts that all share; never changed, and read on every token.
final class TokenText: Sendable {
  /// Longer words are cut, so that no token is larger than a chunk of a real engine would be.
  static let tokenBytes = 512

  let bytes: [UInt8]
  private let ends: [UInt32]
  /// Bytes that the very first token leaves out.
  private let lead: Int

  static let empty = TokenText(bytes: [], ends: [])

  private init(bytes: [UInt8], ends: [UInt32], lead: Int = 0) {
    self.bytes = bytes
    self.ends = ends
    self.lead = lead
  }

  /// Cuts `escaped`, the inside of a JSON string, into words, each with the white space before it.
  ///
  /// - Parameter repeats: the text begins with a space that is sent only when it begins again.
  convenience init(wordsOf escaped: [UInt8], repeats: Bool = false) {
    var ends: [UInt32] = []
    var start = 0
    var hasWord = false
    Self.forEachUnit(of: escaped) { unit, isSpace in
      if (isSpace && hasWord) || unit.lowerBound &- start >= Self.tokenBytes {
        ends.append(UInt32(unit.lowerBound))
        start = unit.lowerBound
        hasWord = false
      }
      if !isSpace { hasWord = true }
    }
    // White space at the end belongs to the last word.
    if start < escaped.count {
      if hasWord || ends.isEmpty {
        ends.append(UInt32(escaped.count))
      } else {
        ends[ends.count - 1] = UInt32(escaped.count)
      }
    }
    self.init(bytes: escaped, ends: ends, lead: repeats ? 1 : 0)
  }

  /// Cuts `escaped` into pieces of about `byteCount` bytes, never inside a character or an escape.
  convenience init(piecesOf escaped: [UInt8], byteCount: Int) {
    var ends: [UInt32] = []
    var start = 0
    Self.forEachUnit(of: escaped) { unit, _ in
      if unit.lowerBound &- start >= byteCount {
        ends.append(UInt32(unit.lowerBound))
        start = unit.lowerBound
      }
    }
    if start < escaped.count { ends.append(UInt32(escaped.count)) }
    self.init(bytes: escaped, ends: ends)
  }

  var count: Int { ends.count }

  /// Where token `index` stands in `bytes`; from the beginning again after the last one.
  @inline(__always)
  func range(of index: Int) -> Range<Int> {
    let wrapped = index < ends.count ? index : index % ends.count
    // Only where a text begins again does its first token keep the space that parts it from the last one.
    let start = wrapped > 0 ? Int(ends[wrapped &- 1]) : index == 0 ? lead : 0
    return start..<Int(ends[wrapped])
  }

  /// Calls `body` with what must not be cut, a character or an escape, and whether it is white space.
  private static func forEachUnit(of escaped: [UInt8], _ body: (Range<Int>, Bool) -> Void) {
    var cursor = 0
    while cursor < escaped.count {
      let byte = escaped[cursor]
      var end = cursor + 1
      var isSpace = byte == 0x20
      if byte == UInt8(ascii: "\\"), end < escaped.count {
        let name = escaped[end]
        isSpace = name == UInt8(ascii: "n") || name == UInt8(ascii: "r") || name == UInt8(ascii: "t")
        end += name == UInt8(ascii: "u") ? 5 : 1
        if isHighSurrogate(escaped, at: cursor), end < escaped.count, escaped[end] == UInt8(ascii: "\\") { end += 6 }
      } else {
        while end < escaped.count, escaped[end] & 0xC0 == 0x80 { end += 1 }
      }
      end = min(end, escaped.count)
      body(cursor..<end, isSpace)
      cursor = end
    }
  }

  /// Whether `\uD8xx` to `\uDBxx` stands at `start`.
  private static func isHighSurrogate(_ escaped: [UInt8], at start: Int) -> Bool {
    guard start + 3 < escaped.count, escaped[start + 1] == UInt8(ascii: "u"),
      escaped[start + 2] | 0x20 == UInt8(ascii: "d")
    else { return false }
    switch escaped[start + 3] | 0x20 {
    case UInt8(ascii: "8") | 0x20, UInt8(ascii: "9") | 0x20, UInt8(ascii: "a"), UInt8(ascii: "b"): return true
    default: return false
    }
  }
}
