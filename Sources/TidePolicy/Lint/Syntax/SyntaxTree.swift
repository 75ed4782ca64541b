/// A Lua source, its names resolved: what a lint needs of it. Operators, numbers and jumps are left out.
struct SyntaxTree {
  var body: [SyntaxStatement]
  /// By the numbers that stand in the tree.
  var variables: [SyntaxVariable]
  var functions: [SyntaxFunction]
  /// The rules that a comment on a line silences.
  var allowances: [Int: [String]]
}

/// A local variable or a parameter.
struct SyntaxVariable {
  var name: String
  /// Given a value after its declaration.
  var isReassigned = false
}

struct SyntaxFunction {
  /// Variables; of `function a:b()` the first is `self`.
  var parameters: [Int] = []
  var body: [SyntaxStatement] = []
}

indirect enum SyntaxStatement {
  case local([Int], [SyntaxExpression])
  case assign([SyntaxExpression], [SyntaxExpression])
  case call(SyntaxExpression)
  case returns([SyntaxExpression], line: Int)
  /// `function a.b.c()`, or `function a.b:c()`.
  case declare(SyntaxExpression, isMethod: Bool, function: Int)
  /// `for` over a range or an iterator.
  case loop([Int], [SyntaxExpression], [SyntaxStatement])
  /// `if`, `while`, `repeat`, `do`: conditions, then blocks.
  case control([SyntaxExpression], [[SyntaxStatement]])
}

indirect enum SyntaxExpression {
  case variable(Int, line: Int)
  /// A free name: a field of `_ENV`.
  case global(String, line: Int)
  case string(String)
  case constant(SyntaxConstant)
  case function(Int, line: Int)
  case table([SyntaxField])
  /// A value and what is done to it, one after another.
  case chain(SyntaxExpression, [SyntaxSuffix])
  /// The operands of operators; how they bind is left out.
  case operation([SyntaxExpression])
}

enum SyntaxConstant {
  case nothing, boolean, number
  /// `...`
  case rest
}

enum SyntaxSuffix {
  /// `.name`, or an index that is a plain string.
  case member(String, line: Int)
  case index(SyntaxExpression)
  /// `:name`; a call follows.
  case method(String, line: Int)
  case call([SyntaxExpression], line: Int)
}

/// An entry of a table constructor.
struct SyntaxField {
  /// Nil for elements of a list and for keys that are computed.
  var name: String?
  var line: Int
  var key: SyntaxExpression?
  var value: SyntaxExpression
}

extension SyntaxTree {
  /// Visits every statement and every expression, functions' bodies included, outer ones first.
  func forEach(statement: (SyntaxStatement) -> Void, expression: (SyntaxExpression) -> Void) {
    visit(body, statement, expression)
  }

  private func visit(
    _ block: [SyntaxStatement], _ onStatement: (SyntaxStatement) -> Void, _ onExpression: (SyntaxExpression) -> Void
  ) {
    func each(_ expressions: [SyntaxExpression]) {
      for expression in expressions { visit(expression, onStatement, onExpression) }
    }
    for statement in block {
      onStatement(statement)
      switch statement {
      case .local(_, let values), .returns(let values, _): each(values)
      case .assign(let targets, let values): each(targets + values)
      case .call(let call): each([call])
      case .declare(let target, _, let function):
        each([target])
        visit(functions[function].body, onStatement, onExpression)
      case .loop(_, let values, let body):
        each(values)
        visit(body, onStatement, onExpression)
      case .control(let conditions, let blocks):
        each(conditions)
        for block in blocks { visit(block, onStatement, onExpression) }
      }
    }
  }

  private func visit(
    _ expression: SyntaxExpression, _ onStatement: (SyntaxStatement) -> Void,
    _ onExpression: (SyntaxExpression) -> Void
  ) {
    func each(_ expressions: [SyntaxExpression]) { for one in expressions { visit(one, onStatement, onExpression) } }
    onExpression(expression)
    switch expression {
    case .variable, .global, .string, .constant: break
    case .function(let function, _): visit(functions[function].body, onStatement, onExpression)
    case .table(let fields): for field in fields { each([field.key, field.value].compactMap(\.self)) }
    case .operation(let operands): each(operands)
    case .chain(let base, let suffixes):
      each([base])
      for suffix in suffixes {
        switch suffix {
        case .member, .method: break
        case .index(let index): each([index])
        case .call(let arguments, _): each(arguments)
        }
      }
    }
  }
}
