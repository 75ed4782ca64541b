/// Where the hooks of a policy's source are: the table that the file returns, and what is put into it.
struct PolicyParts {
  /// What stands under a key of the returned table, by its key.
  private(set) var values: [(key: String, line: Int, value: SyntaxExpression)] = []
  private(set) var findings: [LintFinding] = []

  init(_ tree: SyntaxTree) {
    guard case .returns(let results, _)? = tree.body.last, let result = results.first else { return }
    var table = result
    if case .variable(let returned, _) = result {
      for statement in tree.body { collect(statement, of: returned, &table) }
    }
    if case .table(let fields) = table {
      for field in fields {
        if let name = field.name { values.append((name, field.line, field.value)) }
      }
    }
    let locals = Self.locals(tree)
    for (key, line, value) in values {
      guard HookName(name: key) != nil, case .function(let function, _) = Self.resolved(value, locals) else { continue }
      let first = tree.functions[function].parameters.first.map { tree.variables[$0].name }
      if first == "self" {
        findings.append(
          LintFinding(
            line: line, rule: .colon, message: "\(key) takes self, but the gateway passes none",
            hint: "write function M.\(key)(\(HookName(name: key)?.parameterNames.joined(separator: ", ") ?? ""))"))
      }
    }
  }

  /// `local M = { ... }`, `M.on_request = ...` and `function M.on_request`, at the file's top.
  private mutating func collect(_ statement: SyntaxStatement, of returned: Int, _ table: inout SyntaxExpression) {
    switch statement {
    case .local(let variables, let values):
      for (variable, value) in zip(variables, values) where variable == returned { table = value }
    case .assign(let targets, let assigned):
      for (target, value) in zip(targets, assigned) {
        if let (key, line) = Self.key(target, of: returned) { values.append((key, line, value)) }
      }
    case .declare(let target, _, let function):
      if let (key, line) = Self.key(target, of: returned) {
        values.append((key, line, .function(function, line: line)))
      }
    default: break
    }
  }

  private static func key(_ target: SyntaxExpression, of returned: Int) -> (String, Int)? {
    guard case .chain(.variable(returned, _), let suffixes) = target, suffixes.count == 1,
      case .member(let name, let line) = suffixes[0]
    else { return nil }
    return (name, line)
  }

  /// What the locals at the file's top stand for, where they are never given another value.
  private static func locals(_ tree: SyntaxTree) -> [Int: SyntaxExpression] {
    var locals: [Int: SyntaxExpression] = [:]
    for case .local(let variables, let values) in tree.body {
      for (variable, value) in zip(variables, values) where !tree.variables[variable].isReassigned {
        locals[variable] = value
      }
    }
    return locals
  }

  /// A local function's name stands for it.
  private static func resolved(_ value: SyntaxExpression, _ locals: [Int: SyntaxExpression]) -> SyntaxExpression {
    guard case .variable(let variable, _) = value else { return value }
    return locals[variable] ?? value
  }

  subscript(key: String) -> SyntaxExpression? { values.last { $0.key == key }?.value }
}
