/// One word of a Lua source.
struct SyntaxToken: Equatable {
  enum Kind { case name, keyword, symbol, string, number, end }

  var kind: Kind
  /// As written; of a string its content, in which a replacement character stands for what was escaped.
  var text: String
  var line: Int

  func `is`(_ text: String) -> Bool { (kind == .symbol || kind == .keyword) && self.text == text }
}

/// Why a source could not be read.
struct SyntaxProblem: Error, Equatable {
  var line: Int
  var message: String
}
