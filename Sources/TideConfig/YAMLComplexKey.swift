import TideCore

/// Refuses keys that are collections or aliases in documents that use anchors, before the document is composed.
///
/// The YAML library hashes keys to find duplicates, and an alias as a key would make it walk all that the alias unfolds to: a few
/// hundred bytes could keep it busy for ever. No configuration needs such a key. The scan looks at bytes outside quotes and comments
/// only; it is an estimate that errs to the side of refusing, and does nothing in a document without an anchor.
enum YAMLComplexKey {
  static func find(in text: String, file: String) -> Diagnostic? {
    var hasAnchor = false
    var complex: (line: Int, column: Int)?
    var line = 1
    var column = 0
    var quote: UInt8 = 0
    var isComment = false
    /// Whether the next byte begins a token.
    var isStart = true
    /// Inside an alias, or just behind one or behind a closing bracket.
    var mayBeKey = false
    var isAlias = false
    var previous: UInt8 = UInt8(ascii: "\n")
    var iterator = text.utf8.makeIterator()
    var current = iterator.next()
    while let byte = current {
      let next = iterator.next()
      let isNextSpace = next.map { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D } ?? true
      column += 1
      let isSpace = byte == 0x20 || byte == 0x09 || byte == 0x0D
      if byte == 0x0A {
        line += 1
        column = 0
        isComment = false
        isStart = quote == 0
        mayBeKey = false
        isAlias = false
      } else if isComment {
      } else if quote != 0 {
        if byte == quote, !(quote == UInt8(ascii: "\"") && previous == UInt8(ascii: "\\")) { quote = 0 }
      } else if isSpace {
        isAlias = false
      } else {
        switch byte {
        case UInt8(ascii: "#") where previous == 0x20 || previous == 0x09 || previous == 0x0A: isComment = true
        case UInt8(ascii: "\"") where isStart, UInt8(ascii: "'") where isStart: quote = byte
        case UInt8(ascii: "&") where isStart && !isNextSpace: hasAnchor = true
        case UInt8(ascii: "?") where isStart && isNextSpace: complex = complex ?? (line, column)
        case UInt8(ascii: ":") where mayBeKey && (isNextSpace || next == UInt8(ascii: ",")):
          complex = complex ?? (line, column)
        default: break
        }
        if byte == UInt8(ascii: "*") && isStart {
          isAlias = true
          mayBeKey = true
        } else if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") {
          mayBeKey = true
        } else if !isAlias {
          mayBeKey = false
        }
        isStart = "[{,:-?".utf8.contains(byte)
      }
      previous = byte
      current = next
    }
    guard hasAnchor, let complex else { return nil }
    return Diagnostic(
      file: file, line: complex.line, column: complex.column,
      message: "a key must be a single word or string, not a collection or an alias")
  }
}
