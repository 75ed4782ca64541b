extension SyntaxParser {
  private static let unary: Set<String> = ["-", "not", "#", "~"]
  private static let binary: Set<String> = [
    "+", "-", "*", "/", "//", "^", "%", "&", "~", "|", ">>", "<<", "..", "<", "<=", ">", ">=", "==", "~=", "and", "or",
  ]

  mutating func expressions() throws(SyntaxProblem) -> [SyntaxExpression] {
    var list = [try expression()]
    while take(",") { list.append(try expression()) }
    return list
  }

  mutating func expression() throws(SyntaxProblem) -> SyntaxExpression {
    try nested { (parser) throws(SyntaxProblem) in try parser.operands() }
  }

  private func isOperator(_ set: Set<String>) -> Bool {
    (token.kind == .symbol || token.kind == .keyword) && set.contains(token.text)
  }

  private mutating func operands() throws(SyntaxProblem) -> SyntaxExpression {
    var list: [SyntaxExpression] = []
    var isPlain = true
    while true {
      while isOperator(Self.unary) {
        isPlain = false
        advance()
      }
      list.append(try simple())
      guard isOperator(Self.binary) else { break }
      isPlain = false
      advance()
    }
    return isPlain ? list[0] : .operation(list)
  }

  private mutating func simple() throws(SyntaxProblem) -> SyntaxExpression {
    let line = token.line
    switch token.kind {
    case .string:
      defer { advance() }
      return .string(token.text)
    case .number:
      advance()
      return .constant(.number)
    default: break
    }
    if take("nil") { return .constant(.nothing) }
    if take("true") || take("false") { return .constant(.boolean) }
    if take("...") { return .constant(.rest) }
    if take("function") { return .function(try functionBody(), line: line) }
    if token.is("{") { return try table() }
    return try suffixed()
  }

  private mutating func table() throws(SyntaxProblem) -> SyntaxExpression {
    try expect("{")
    var fields: [SyntaxField] = []
    while !token.is("}") {
      let line = token.line
      if take("[") {
        let key = try expression()
        try expect("]")
        try expect("=")
        let value = try expression()
        if case .string(let name) = key {
          fields.append(SyntaxField(name: name, line: line, value: value))
        } else {
          fields.append(SyntaxField(line: line, key: key, value: value))
        }
      } else if token.kind == .name, isFollowed(by: "=") {
        let name = try name()
        try expect("=")
        fields.append(SyntaxField(name: name, line: line, value: try expression()))
      } else {
        fields.append(SyntaxField(line: line, value: try expression()))
      }
      guard take(",") || take(";") else { break }
    }
    try expect("}")
    return .table(fields)
  }

  /// A name or something in parentheses, then fields, calls and methods.
  mutating func suffixed() throws(SyntaxProblem) -> SyntaxExpression {
    let base: SyntaxExpression
    if take("(") {
      base = try expression()
      try expect(")")
    } else {
      let line = token.line
      base = resolve(try name(), line: line)
    }
    var suffixes: [SyntaxSuffix] = []
    while true {
      let line = token.line
      if take(".") {
        suffixes.append(.member(try name(), line: line))
      } else if take("[") {
        let index = try expression()
        try expect("]")
        if case .string(let name) = index {
          suffixes.append(.member(name, line: line))
        } else {
          suffixes.append(.index(index))
        }
      } else if take(":") {
        suffixes.append(.method(try name(), line: line))
        guard let arguments = try arguments() else { throw unexpected("(") }
        suffixes.append(.call(arguments, line: line))
      } else if let arguments = try arguments() {
        suffixes.append(.call(arguments, line: line))
      } else {
        return suffixes.isEmpty ? base : .chain(base, suffixes)
      }
    }
  }

  /// Nil where no call begins.
  private mutating func arguments() throws(SyntaxProblem) -> [SyntaxExpression]? {
    if token.kind == .string {
      defer { advance() }
      return [.string(token.text)]
    }
    if token.is("{") { return [try table()] }
    guard take("(") else { return nil }
    if take(")") { return [] }
    let list = try expressions()
    try expect(")")
    return list
  }
}
