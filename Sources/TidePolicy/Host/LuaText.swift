/// Looks at Lua source without running it.
enum LuaText {
  /// The source with comments and strings blanked; line feeds stay, so that lines keep their numbers.
  static func withoutCommentsAndStrings(_ source: [UInt8]) -> [UInt8] { blanked(source, keepsStrings: false) }

  /// The source with comments blanked.
  static func withoutComments(_ source: [UInt8]) -> [UInt8] { blanked(source, keepsStrings: true) }

  private static func blanked(_ source: [UInt8], keepsStrings: Bool) -> [UInt8] {
    var out = source
    var cursor = 0
    func blank(to end: Int) {
      while cursor < min(end, out.count) {
        if out[cursor] != 0x0A { out[cursor] = 0x20 }
        cursor += 1
      }
    }
    func blankString(to end: Int) { if keepsStrings { cursor = min(end, out.count) } else { blank(to: end) } }
    while cursor < source.count {
      let byte = source[cursor]
      let isComment = byte == UInt8(ascii: "-") && cursor + 1 < source.count && source[cursor + 1] == UInt8(ascii: "-")
      if isComment, let end = longBracketEnd(source, cursor + 2) {
        blank(to: end)
      } else if isComment {
        blank(to: source[cursor...].firstIndex(of: 0x0A) ?? source.count)
      } else if byte == UInt8(ascii: "["), let end = longBracketEnd(source, cursor) {
        blankString(to: end)
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        var end = cursor + 1
        while end < source.count, source[end] != byte, source[end] != 0x0A {
          end += source[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        blankString(to: end + 1)
      } else {
        cursor += 1
      }
    }
    return out
  }

  /// Where a long bracket that opens at `start` ends; nil when none opens there.
  private static func longBracketEnd(_ source: [UInt8], _ start: Int) -> Int? {
    guard start < source.count, source[start] == UInt8(ascii: "[") else { return nil }
    var cursor = start + 1
    var level = 0
    while cursor < source.count, source[cursor] == UInt8(ascii: "=") {
      level += 1
      cursor += 1
    }
    guard cursor < source.count, source[cursor] == UInt8(ascii: "[") else { return nil }
    let closing: [UInt8] = [UInt8(ascii: "]")] + Array(repeating: UInt8(ascii: "="), count: level) + [UInt8(ascii: "]")]
    while cursor + closing.count <= source.count {
      if source[cursor..<cursor + closing.count].elementsEqual(closing) { return cursor + closing.count }
      cursor += 1
    }
    return source.count
  }

  /// The line, from 1, of the first place where `name` stands as a whole name.
  static func firstLine(of name: [UInt8], in code: [UInt8]) -> Int? {
    guard let first = name.first, code.count >= name.count else { return nil }
    var line = 1
    for index in 0...(code.count - name.count) {
      if code[index] == 0x0A { line += 1 }
      guard code[index] == first, code[index..<index + name.count].elementsEqual(name) else { continue }
      let isBegun = index > 0 && (isNameByte(code[index - 1]) || code[index - 1] == UInt8(ascii: "."))
      let after = index + name.count
      if !isBegun && !(after < code.count && isNameByte(code[after])) { return line }
      // `ctx.prompt:mask` is a name that others lead up to.
      if name.contains(UInt8(ascii: ":")), !(after < code.count && isNameByte(code[after])) { return line }
    }
    return nil
  }

  /// Whether the bytes of `name` stand anywhere in the source: a hint, not a parse.
  static func mentions(_ name: StaticString, in source: [UInt8]) -> Bool {
    let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    guard source.count >= wanted.count else { return false }
    return (0...(source.count - wanted.count)).contains {
      source[$0] == wanted[0] && source[$0..<$0 + wanted.count].elementsEqual(wanted)
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == UInt8(ascii: "_")
  }
}
