import TideLua

/// The lines of a Lua file that a test can run: those for which the compiler makes instructions, in functions that nothing calls too.
///
/// The compiler tells the lines of a chunk or of a function, not those of the functions inside. So each function of the file is found
/// by its words, which Lua's grammar allows exactly (`function`, `do`, `if` and `repeat` open, `end` and `until` close), and compiled
/// by itself with the numbers of its lines. What it takes from outside is then a global, which changes instructions but not their
/// lines; only a condition that is a constant of the file (`<const>`) may count where the compiler would leave it out.
public enum CountedLines {
  /// - Returns: from 1, in order; nil for a file that does not compile. A line on which nothing stands but `end`, closing brackets,
  ///   commas and semicolons does not count: it belongs to a statement above, or to a return that is never reached.
  public static func of(_ file: [UInt8]) -> [Int]? {
    let source = file.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(file.dropFirst(3)) : file
    let lineCount = source.count { $0 == 0x0A } + 1
    guard var lines = LuaLineRecord.activeLines(ofChunk: source, lineCount: lineCount) else { return nil }
    for function in functions(LuaText.withoutCommentsAndStrings(source)) {
      let lineFeeds = source[..<function.lowerBound].filter { $0 == 0x0A }
      let expression = lineFeeds + Array("return function".utf8) + source[function]
      lines.formUnion(LuaLineRecord.activeLines(ofFunction: expression, lineCount: lineCount) ?? [])
    }
    let texts = LuaText.withoutComments(source).split(separator: 0x0A, omittingEmptySubsequences: false)
    return lines.filter { $0 <= texts.count && !onlyCloses(texts[$0 - 1]) }.sorted()
  }

  /// Where the functions of a file stand, from the parenthesis before their parameters to behind their `end`.
  private static func functions(_ code: [UInt8]) -> [Range<Int>] {
    var found: [Range<Int>] = []
    /// Where the parameters of the blocks that are open begin; nil for blocks that are no functions.
    var open: [Int?] = []
    var cursor = 0
    while cursor < code.count {
      guard isWordByte(code[cursor]) else {
        cursor += 1
        continue
      }
      let start = cursor
      while cursor < code.count, isWordByte(code[cursor]) { cursor += 1 }
      switch String(decoding: code[start..<cursor], as: UTF8.self) {
      case "function": open.append(code[cursor...].firstIndex(of: UInt8(ascii: "(")) ?? code.count)
      case "do", "if", "repeat": open.append(nil)
      case "end", "until":
        if case let parameters?? = open.popLast() { found.append(parameters..<cursor) }
      default: break
      }
    }
    return found
  }

  private static func onlyCloses(_ line: some Collection<UInt8>) -> Bool {
    let closing = Set("])},; \t\r".utf8)
    return line.split(whereSeparator: closing.contains).allSatisfy { $0.elementsEqual("end".utf8) }
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == UInt8(ascii: "_")
  }
}
