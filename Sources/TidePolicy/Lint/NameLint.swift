import TideCore

/// Looks at names that mean the same in every hook: globals, members of libraries, verdicts that nobody returns.
struct NameLint {
  /// More help nobody, and each looks for a name near its own.
  private static let findingsMax = 100
  /// Names of the source that another may have been meant for.
  private static let candidatesMax = 1_000

  private let tree: SyntaxTree
  private let names: SandboxNames
  private let candidates: [String]
  private(set) var findings: [LintFinding] = []
  /// Where globals are written: each is one finding, not two.
  private var written: Set<Place> = []

  private struct Place: Hashable {
    var name: String
    var line: Int
  }

  /// The free names of a source.
  static func freeNames(_ tree: SyntaxTree) -> Set<String> {
    var names: Set<String> = []
    tree.forEach { _ in
    } expression: { expression in
      if case .global(let name, _) = expression { names.insert(name) }
    }
    return names
  }

  static func findings(_ tree: SyntaxTree, _ names: SandboxNames) -> [LintFinding] {
    // Who makes an `_ENV` of their own has other globals.
    guard !tree.variables.contains(where: { $0.name == "_ENV" }) else { return [] }
    var lint = NameLint(tree: tree, names: names)
    lint.run()
    return lint.findings
  }

  private init(tree: SyntaxTree, names: SandboxNames) {
    self.tree = tree
    self.names = names
    candidates = Array(Set(tree.variables.map(\.name)).sorted().prefix(Self.candidatesMax))
  }

  private mutating func run() {
    var lint = self
    tree.forEach { statement in
      switch statement {
      case .assign(let targets, _): for target in targets { lint.write(target) }
      case .declare(let target, _, _): lint.write(target)
      case .call(let call): lint.statement(call)
      default: break
      }
    } expression: { expression in
      switch expression {
      case .global(let name, let line): lint.global(name, line)
      case .chain(.global(let name, _), let suffixes): lint.chain(name, suffixes)
      default: break
      }
    }
    findings = lint.findings
  }

  private mutating func write(_ target: SyntaxExpression) {
    guard case .global(let name, let line) = target, name != "_ENV", findings.count < Self.findingsMax else { return }
    written.insert(Place(name: name, line: line))
    findings.append(
      LintFinding(
        line: line, rule: .global, message: "writes the global \(name), which raises",
        hint: "write local \(name), or keep it in tide.shared"))
  }

  private mutating func global(_ name: String, _ line: Int) {
    guard findings.count < Self.findingsMax, name != "_ENV", names[name] == nil,
      !written.contains(Place(name: name, line: line))
    else { return }
    let near = nearestName(to: name, among: candidates)
    findings.append(
      LintFinding(
        line: line, rule: .global, message: "there is nothing named \(name) here: it raises",
        hint: near.map { "did you mean \($0)?" } ?? "declare it with local before this line"))
  }

  private mutating func chain(_ name: String, _ suffixes: [SyntaxSuffix]) {
    var path = name
    var entry = names[name]
    for suffix in suffixes {
      guard case .library(let members)? = entry, findings.count < Self.findingsMax else { return }
      let name: String
      let line: Int
      switch suffix {
      case .member(let text, let at), .method(let text, let at): (name, line) = (text, at)
      default: return
      }
      guard let next = members[name] else {
        let near = nearestName(to: name, among: members.keys.sorted())
        findings.append(
          LintFinding(
            line: line, rule: .member, message: "there is no \(path).\(name)",
            hint: near.map { "did you mean \(path).\($0)?" }
              ?? "there are " + members.keys.sorted().joined(separator: ", ")))
        return
      }
      path += "." + name
      entry = next
    }
  }

  /// A call whose result goes nowhere.
  private mutating func statement(_ call: SyntaxExpression) {
    guard findings.count < Self.findingsMax,
      case .chain(.global(let library, _), let suffixes) = call, suffixes.count == 2,
      case .member(let name, let line) = suffixes[0], case .call = suffixes[1],
      let function = HostFunction.named("\(library).\(name)"), function.resultHooks != nil
    else { return }
    findings.append(
      LintFinding(
        line: line, rule: .unused, message: "\(library).\(name) does nothing by itself",
        hint: "write return \(library).\(name)"))
  }
}

extension HostFunction {
  private static let byPath = Dictionary(
    allCases.compactMap { function in function.path.map { ($0, function) } }, uniquingKeysWith: { first, _ in first })

  static func named(_ path: String) -> HostFunction? { byPath[path] }
}
