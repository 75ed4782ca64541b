import TideCore

/// Refuses keys that are collections or aliases in documents that use anchors, before the document is composed.
///
/// The YAML library hashes keys to find duplicates, and an alias as a key would make it walk all that the alias unfolds to: a few
/// hundred bytes could keep it busy for ever. No configuration needs such a key. The scan looks at bytes outside quotes and comments
/// only; it is an estimate that errs to the side of refusing, and does nothing in a document without an anchor.
enum YAMLComplexKey {
  static func find(in text: String, file: String) -> Diagnostic? {
    var scan = Scan()
    var previous = UInt8(ascii: "\n")
    var iterator = text.utf8.makeIterator()
    var current = iterator.next()
    while let byte = current {
      let next = iterator.next()
      scan.take(byte, after: previous, before: next ?? UInt8(ascii: "\n"))
      previous = byte
      current = next
    }
    guard scan.hasAnchor, let complex = scan.complexKey else { return nil }
    return Diagnostic(
      file: file, line: complex.line, column: complex.column,
      message: "a key must be a single word or string, not a collection or an alias")
  }

  private struct Scan {
    var hasAnchor = false
    var complexKey: (line: Int, column: Int)?
    private var line = 1
    private var column = 0
    private var flowDepth = 0
    private var quote: UInt8 = 0
    private var isComment = false
    /// Whether the next byte begins a token.
    private var isStart = true
    /// Inside an anchor or tag, behind which a token begins.
    private var isProperty = false
    private var isAlias = false
    /// Behind an alias or a closing bracket: a colon here makes it a key.
    private var mayBeKey = false

    mutating func take(_ byte: UInt8, after previous: UInt8, before next: UInt8) {
      column += 1
      if byte == UInt8(ascii: "\n") {
        // A quote is forgotten at the line's end: what looks like one in a plain text must not hide the lines below.
        self = Scan(nextLineOf: self)
      } else if isComment {
        return
      } else if quote != 0 {
        if byte == quote, !(quote == UInt8(ascii: "\"") && previous == UInt8(ascii: "\\")) { quote = 0 }
      } else if Self.isSpace(byte) {
        isAlias = false
        isStart = isStart || isProperty
        isProperty = false
      } else {
        takeVisible(byte, after: previous, before: next)
      }
    }

    private mutating func takeVisible(_ byte: UInt8, after previous: UInt8, before next: UInt8) {
      var beginsNext = false
      switch byte {
      case UInt8(ascii: "#") where Self.isSpace(previous): isComment = true
      case UInt8(ascii: "\"") where isStart, UInt8(ascii: "'") where isStart: quote = byte
      case UInt8(ascii: "&") where isStart && !Self.isSpace(next):
        hasAnchor = true
        isProperty = true
      case UInt8(ascii: "!") where isStart: isProperty = true
      case UInt8(ascii: "*") where isStart: isAlias = true
      case UInt8(ascii: "[") where isStart, UInt8(ascii: "{") where isStart:
        flowDepth += 1
        beginsNext = true
      case UInt8(ascii: "]"), UInt8(ascii: "}"): flowDepth = max(0, flowDepth - 1)
      case UInt8(ascii: ",") where flowDepth > 0: beginsNext = true
      case UInt8(ascii: "?") where isStart && Self.isSpace(next): found()
      case UInt8(ascii: ":") where mayBeKey && (Self.isSpace(next) || flowDepth > 0): found()
      default: break
      }
      if Self.isSpace(next), "-?:".utf8.contains(byte) { beginsNext = true }
      mayBeKey = isAlias || byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}")
      isStart = beginsNext
    }

    private mutating func found() {
      if complexKey == nil { complexKey = (line, column) }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    init() {}

    private init(nextLineOf scan: Scan) {
      hasAnchor = scan.hasAnchor
      complexKey = scan.complexKey
      line = scan.line + 1
      flowDepth = scan.flowDepth
    }
  }
}
