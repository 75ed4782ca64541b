/// Reads Lua 5.4 and resolves names to the variables they mean.
///
/// Lua's own compiler decides what is legal; this reads at least all of that. Nesting is bounded as Lua bounds it, so that no source
/// exhausts the stack.
struct SyntaxParser {
  /// Lua's own limit (`LUAI_MAXCCALLS`) of nested statements and expressions.
  private static let depthMax = 200

  /// What ends a block.
  private static let ends: Set<String> = ["end", "else", "elseif", "until"]

  private let tokens: [SyntaxToken]
  private var place = 0
  private var depth = 0
  private var variables: [SyntaxVariable] = []
  private var functions: [SyntaxFunction] = []
  /// What each name means here: the last is the innermost.
  private var meanings: [String: [Int]] = [:]
  /// The names declared in each open block.
  private var scopes: [[String]] = []

  static func parse(_ source: [UInt8]) throws(SyntaxProblem) -> SyntaxTree {
    var lexer = SyntaxLexer(source)
    var parser = SyntaxParser(tokens: try lexer.tokens())
    let body = try parser.block()
    guard parser.token.kind == .end else { throw parser.unexpected("the end of the file") }
    return SyntaxTree(
      body: body, variables: parser.variables, functions: parser.functions, allowances: lexer.allowances)
  }

  private init(tokens: [SyntaxToken]) { self.tokens = tokens }

  // MARK: Tokens

  var token: SyntaxToken { tokens[place] }

  mutating func advance() { if place + 1 < tokens.count { place += 1 } }

  /// Whether the token after this one is the symbol.
  func isFollowed(by text: String) -> Bool { place + 1 < tokens.count && tokens[place + 1].is(text) }

  mutating func take(_ text: String) -> Bool {
    guard token.is(text) else { return false }
    advance()
    return true
  }

  mutating func expect(_ text: String) throws(SyntaxProblem) {
    guard take(text) else { throw unexpected(text) }
  }

  mutating func name() throws(SyntaxProblem) -> String {
    guard token.kind == .name else { throw unexpected("a name") }
    defer { advance() }
    return token.text
  }

  func unexpected(_ wanted: String) -> SyntaxProblem {
    SyntaxProblem(line: token.line, message: "expected \(wanted), found \(token.text)")
  }

  mutating func nested<T>(_ body: (inout Self) throws(SyntaxProblem) -> T) throws(SyntaxProblem) -> T {
    guard depth < Self.depthMax else {
      throw SyntaxProblem(line: token.line, message: "nested more than \(Self.depthMax) deep")
    }
    depth += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  // MARK: Names

  mutating func declare(_ name: String) -> Int {
    variables.append(SyntaxVariable(name: name))
    meanings[name, default: []].append(variables.count - 1)
    scopes[scopes.count - 1].append(name)
    return variables.count - 1
  }

  func resolve(_ name: String, line: Int) -> SyntaxExpression {
    if let variable = meanings[name]?.last { return .variable(variable, line: line) }
    return .global(name, line: line)
  }

  private mutating func closeScope() {
    for name in scopes.removeLast() { meanings[name]?.removeLast() }
  }

  private mutating func noteWrites(_ targets: [SyntaxExpression]) {
    for case .variable(let variable, _) in targets { variables[variable].isReassigned = true }
  }

  // MARK: Statements

  mutating func block() throws(SyntaxProblem) -> [SyntaxStatement] {
    scopes.append([])
    defer { closeScope() }
    return try statements()
  }

  private var isAtBlockEnd: Bool { token.kind == .end || token.kind == .keyword && Self.ends.contains(token.text) }

  private mutating func statements() throws(SyntaxProblem) -> [SyntaxStatement] {
    var list: [SyntaxStatement] = []
    while !isAtBlockEnd {
      if let statement = try nested({ (parser) throws(SyntaxProblem) in try parser.statement() }) {
        list.append(statement)
      }
    }
    return list
  }

  private mutating func statement() throws(SyntaxProblem) -> SyntaxStatement? {
    guard token.kind == .keyword else {
      if take(";") { return nil }
      if take("::") {
        _ = try name()
        try expect("::")
        return nil
      }
      return try expressionStatement()
    }
    switch token.text {
    case "break":
      advance()
      return nil
    case "goto":
      advance()
      _ = try name()
      return nil
    case "return":
      let line = token.line
      advance()
      var values: [SyntaxExpression] = []
      if !isAtBlockEnd, !token.is(";") { values = try expressions() }
      _ = take(";")
      return .returns(values, line: line)
    case "do":
      advance()
      let body = try block()
      try expect("end")
      return .control([], [body])
    case "while":
      advance()
      let condition = try expression()
      try expect("do")
      let body = try block()
      try expect("end")
      return .control([condition], [body])
    case "repeat": return try repeatStatement()
    case "if": return try ifStatement()
    case "for": return try forStatement()
    case "function": return try functionStatement()
    case "local": return try localStatement()
    default: throw unexpected("a statement")
    }
  }

  /// The condition sees the block's variables.
  private mutating func repeatStatement() throws(SyntaxProblem) -> SyntaxStatement {
    advance()
    scopes.append([])
    defer { closeScope() }
    let body = try statements()
    try expect("until")
    return .control([try expression()], [body])
  }

  private mutating func ifStatement() throws(SyntaxProblem) -> SyntaxStatement {
    var conditions: [SyntaxExpression] = []
    var blocks: [[SyntaxStatement]] = []
    repeat {
      advance()
      conditions.append(try expression())
      try expect("then")
      blocks.append(try block())
    } while token.is("elseif")
    if take("else") { blocks.append(try block()) }
    try expect("end")
    return .control(conditions, blocks)
  }

  private mutating func forStatement() throws(SyntaxProblem) -> SyntaxStatement {
    advance()
    var names = [try name()]
    while take(",") { names.append(try name()) }
    if !take("=") { try expect("in") }
    let values = try expressions()
    try expect("do")
    scopes.append([])
    defer { closeScope() }
    let loop = names.map { declare($0) }
    let body = try block()
    try expect("end")
    return .loop(loop, values, body)
  }

  private mutating func functionStatement() throws(SyntaxProblem) -> SyntaxStatement {
    advance()
    let line = token.line
    var target = resolve(try name(), line: line)
    var members: [SyntaxSuffix] = []
    var isMethod = false
    while !isMethod, token.is(".") || token.is(":") {
      isMethod = token.is(":")
      advance()
      members.append(.member(try name(), line: line))
    }
    if members.isEmpty { noteWrites([target]) } else { target = .chain(target, members) }
    return .declare(target, isMethod: isMethod, function: try functionBody(isMethod: isMethod))
  }

  private mutating func localStatement() throws(SyntaxProblem) -> SyntaxStatement {
    advance()
    let line = token.line
    if take("function") {
      let variable = declare(try name())
      return .local([variable], [.function(try functionBody(), line: line)])
    }
    var names: [String] = []
    repeat {
      names.append(try name())
      if take("<") {
        _ = try name()
        try expect(">")
      }
    } while take(",")
    // A local is not in scope in its own value.
    let values = take("=") ? try expressions() : []
    return .local(names.map { declare($0) }, values)
  }

  private mutating func expressionStatement() throws(SyntaxProblem) -> SyntaxStatement {
    let first = try suffixed()
    guard token.is("=") || token.is(",") else {
      guard case .chain(_, let suffixes) = first, case .call? = suffixes.last else { throw unexpected("=") }
      return .call(first)
    }
    var targets = [first]
    while take(",") { targets.append(try suffixed()) }
    try expect("=")
    let values = try expressions()
    noteWrites(targets)
    return .assign(targets, values)
  }

  /// From the parameters to `end`.
  mutating func functionBody(isMethod: Bool = false) throws(SyntaxProblem) -> Int {
    functions.append(SyntaxFunction())
    let number = functions.count - 1
    scopes.append([])
    defer { closeScope() }
    var parameters = isMethod ? [declare("self")] : []
    try expect("(")
    while !token.is(")") {
      if take("...") { break }
      parameters.append(declare(try name()))
      if !take(",") { break }
    }
    try expect(")")
    functions[number].parameters = parameters
    functions[number].body = try block()
    try expect("end")
    return number
  }
}
