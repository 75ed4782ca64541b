import TideCore
import TideLua

/// Reads a policy's source for mistakes that would show only when a hook runs.
struct PolicyLint {
  /// Findings told of one file: more help nobody.
  private static let findingsMax = 100

  private(set) var problems: [Diagnostic] = []
  private(set) var abilities = PolicyAbilities()

  private let services: PolicyHostServices

  /// - Parameter source: that Lua's compiler has accepted, and `manifest` what it returned.
  init(_ source: PolicySource, _ manifest: PolicyManifest, services: PolicyHostServices) {
    self.services = services
    for module in source.modules.values.sorted(by: { $0.path < $1.path }) {
      lint(module.text, of: source, file: module.path) { _ in [] }
    }
    var found = PolicyAbilities()
    lint(source.text, of: source, file: source.path) { tree in
      let parts = PolicyParts(tree)
      var hooks = HookLint(tree: tree, manifest: manifest)
      hooks.run(parts)
      found = hooks.abilities
      return parts.findings + Array(hooks.findings)
    }
    abilities = found
    abilities.hosts = manifest.net.sorted()
    abilities.urlKeys = manifest.schema.urlKeys
  }

  private mutating func lint(
    _ text: [UInt8], of source: PolicySource, file: String, _ more: (SyntaxTree) -> [LintFinding]
  ) {
    let tree: SyntaxTree
    let names: SandboxNames
    do throws(SyntaxProblem) {
      tree = try SyntaxParser.parse(text)
    } catch {
      problems.append(
        Diagnostic(.warning, file: file, line: error.line, message: "cannot be looked through: \(error.message)"))
      return
    }
    do throws(LuaFailure) {
      names = try PolicyCompiler.withScratchMachine(for: source, services) { machine throws(LuaFailure) in
        try SandboxNames(NameLint.freeNames(tree), on: machine)
      }
    } catch {
      problems.append(Diagnostic(.warning, file: file, message: "cannot be looked through: \(error.description)"))
      return
    }
    let found = Set(NameLint.findings(tree, names) + more(tree) + Self.unknownAllowances(tree))
    let told = found.filter { !(tree.allowances[$0.line] ?? []).contains($0.rule.rawValue) }
    let sorted = told.sorted { ($0.line, $0.message) < ($1.line, $1.message) }
    problems += sorted.prefix(Self.findingsMax).map { $0.diagnostic(file: file) }
  }

  /// A comment that allows what is no rule silences nothing, which its author should know.
  private static func unknownAllowances(_ tree: SyntaxTree) -> [LintFinding] {
    let rules = LintRule.allCases.map(\.rawValue)
    return tree.allowances.sorted { $0.key < $1.key }.prefix(findingsMax).flatMap { line, names in
      names.prefix(findingsMax).filter { !rules.contains($0) }.map { name in
        LintFinding(
          line: line, rule: .allow, message: "there is no rule \(name) to allow",
          hint: nearestName(to: name, among: rules).map { "did you mean \($0)?" }
            ?? "rules: " + rules.joined(separator: ", "))
      }
    }
  }
}
