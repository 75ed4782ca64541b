/// Where a whole word may begin and end.
///
/// Two characters are joined, so that no word ends between them, when both are letters, digits, marks or connecting punctuation of any
/// script, or when the second is a mark or a joiner, whatever the first. Han and Hiragana characters join nothing, as in word units:
/// those scripts put no space between words. Between two others, `+` and `1` as well, there is an edge.
enum WordEdge {
  /// Stands for the beginning and the end of the text.
  static let none: UInt32 = .max

  /// Whether a word may end between the two characters.
  static func isEdge(_ before: UInt32, _ after: UInt32) -> Bool {
    guard before != none, after != none else { return true }
    if after < 0x80 {
      guard isASCIIWord(UInt8(truncatingIfNeeded: after)) else { return true }
    } else {
      if isAttached(after) { return false }
      guard CharacterClass.ofWide(after) == .word else { return true }
    }
    if before < 0x80 { return !isASCIIWord(UInt8(truncatingIfNeeded: before)) }
    return !isJoiner(before) && CharacterClass.ofWide(before) != .word
  }

  /// A letter, a digit or an underscore.
  @inline(__always)
  static func isASCIIWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// Zero-width non-joiner and joiner: inside words of some scripts, and inside emoji.
  private static func isJoiner(_ value: UInt32) -> Bool { value == 0x200C || value == 0x200D }

  private static func isAttached(_ value: UInt32) -> Bool {
    if isJoiner(value) { return true }
    guard let scalar = Unicode.Scalar(value) else { return false }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return true
    default: return false
    }
  }
}
