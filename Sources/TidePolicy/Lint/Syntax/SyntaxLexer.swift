/// Cuts a Lua 5.4 source into tokens. Time and memory are in proportion to the source.
struct SyntaxLexer {
  private static let keywords: Set<String> = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not",
    "or", "repeat", "return", "then", "true", "until", "while",
  ]
  /// By their first byte; the longest of each come first.
  private static let symbols: [UInt8: [[UInt8]]] = {
    let all = [
      "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>", "+", "-", "*", "/", "%", "^", "#", "&", "~", "|",
      "<",
      ">", "=", "(", ")", "{", "}", "[", "]", ";", ":", ",", ".",
    ]
    return Dictionary(grouping: all.map { Array($0.utf8) }) { $0[0] }
  }()

  private let source: [UInt8]
  private var cursor = 0
  private var line = 1
  /// The rules that a comment `-- tide: allow rule` on a line names.
  private(set) var allowances: [Int: [String]] = [:]

  init(_ source: [UInt8]) {
    self.source = source
    if source.starts(with: [0xEF, 0xBB, 0xBF]) { cursor = 3 }
  }

  /// All tokens; the last is `.end`.
  mutating func tokens() throws(SyntaxProblem) -> [SyntaxToken] {
    var tokens: [SyntaxToken] = []
    while true {
      let token = try next()
      tokens.append(token)
      if token.kind == .end { return tokens }
    }
  }

  private func byte(_ offset: Int = 0) -> UInt8? {
    let place = cursor + offset
    return place < source.count ? source[place] : nil
  }

  private func text(from start: Int) -> String { String(decoding: source[start..<cursor], as: UTF8.self) }

  private mutating func next() throws(SyntaxProblem) -> SyntaxToken {
    while let byte = byte() {
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
        newline()
      } else if byte == 0x20 || (0x09...0x0C).contains(byte) {
        cursor += 1
      } else if byte == UInt8(ascii: "-"), self.byte(1) == byte {
        try comment()
      } else {
        return try word(byte)
      }
    }
    return SyntaxToken(kind: .end, text: "the end of the file", line: line)
  }

  private mutating func word(_ byte: UInt8) throws(SyntaxProblem) -> SyntaxToken {
    let start = cursor
    let line = line
    if Self.isNameByte(byte), !Self.isDigit(byte) {
      while let byte = self.byte(), Self.isNameByte(byte) { cursor += 1 }
      let text = text(from: start)
      return SyntaxToken(kind: Self.keywords.contains(text) ? .keyword : .name, text: text, line: line)
    }
    if Self.isDigit(byte) || byte == UInt8(ascii: ".") && self.byte(1).map(Self.isDigit) == true {
      number()
      return SyntaxToken(kind: .number, text: text(from: start), line: line)
    }
    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
      return SyntaxToken(kind: .string, text: try string(byte), line: line)
    }
    if byte == UInt8(ascii: "["), let level = longBracketLevel() {
      return SyntaxToken(kind: .string, text: try longBracket(level, "string"), line: line)
    }
    guard let symbol = Self.symbols[byte]?.first(where: { $0.count == 1 || source[cursor...].starts(with: $0) }) else {
      throw SyntaxProblem(line: line, message: "a byte that Lua does not know")
    }
    cursor += symbol.count
    return SyntaxToken(kind: .symbol, text: text(from: start), line: line)
  }

  /// A line's end: LF, CR, or both in either order.
  private mutating func newline() {
    let first = source[cursor]
    cursor += 1
    if let second = byte(), second != first, second == UInt8(ascii: "\n") || second == UInt8(ascii: "\r") {
      cursor += 1
    }
    line += 1
  }

  private mutating func comment() throws(SyntaxProblem) {
    cursor += 2
    if byte() == UInt8(ascii: "["), let level = longBracketLevel() {
      _ = try longBracket(level, "comment")
      return
    }
    let start = cursor
    while let byte = byte(), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") { cursor += 1 }
    let words = text(from: start).split { $0 == " " || $0 == "\t" || $0 == "," }.map(String.init)
    if words.starts(with: ["tide:", "allow"]) { allowances[line, default: []] += words.dropFirst(2) }
  }

  /// As Lua reads them: more than are numbers, for its compiler has the last word.
  private mutating func number() {
    let isHex = byte() == UInt8(ascii: "0") && byte(1).map { $0 | 0x20 } == UInt8(ascii: "x")
    let exponent = UInt8(ascii: isHex ? "p" : "e")
    while let byte = byte(), Self.isNameByte(byte) || byte == UInt8(ascii: ".") {
      cursor += 1
      if byte | 0x20 == exponent, let sign = self.byte(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
        cursor += 1
      }
    }
  }

  private mutating func string(_ quote: UInt8) throws(SyntaxProblem) -> String {
    let began = line
    var bytes: [UInt8] = []
    cursor += 1
    while let byte = byte(), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") {
      cursor += 1
      if byte == quote { return String(decoding: bytes, as: UTF8.self) }
      if byte == UInt8(ascii: "\\") {
        escape()
        bytes.append(0xFF)
      } else {
        bytes.append(byte)
      }
    }
    throw SyntaxProblem(line: began, message: "a string that does not end")
  }

  /// What follows a backslash, as far as it could be taken for something else.
  private mutating func escape() {
    guard let byte = byte() else { return }
    if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
      newline()
    } else {
      cursor += 1
      guard byte == UInt8(ascii: "z") else { return }
      while let space = self.byte(), space == 0x20 || (0x09...0x0D).contains(space) {
        if space == UInt8(ascii: "\n") || space == UInt8(ascii: "\r") { newline() } else { cursor += 1 }
      }
    }
  }

  /// How many `=` stand in the long bracket that opens here; nil when none does.
  private func longBracketLevel() -> Int? {
    var level = 0
    while byte(1 + level) == UInt8(ascii: "=") { level += 1 }
    return byte(1 + level) == UInt8(ascii: "[") ? level : nil
  }

  private mutating func longBracket(_ level: Int, _ what: String) throws(SyntaxProblem) -> String {
    let began = line
    cursor += level + 2
    let start = cursor
    while let byte = byte() {
      if byte == UInt8(ascii: "]") {
        var equals = 0
        while equals < level, self.byte(1 + equals) == UInt8(ascii: "=") { equals += 1 }
        if equals == level, self.byte(1 + level) == UInt8(ascii: "]") {
          defer { cursor += level + 2 }
          return text(from: start)
        }
        cursor += 1 + equals
      } else if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
        newline()
      } else {
        cursor += 1
      }
    }
    throw SyntaxProblem(line: began, message: "a long \(what) that does not end")
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    isDigit(byte) || (byte | 0x20) &- 0x61 < 26 || byte == UInt8(ascii: "_")
  }
}
