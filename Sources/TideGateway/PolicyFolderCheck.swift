import TideCore
import TidePolicy

/// What `tidegate policy check` does: loads and lints every policy of a folder, and says what each can do.
public enum PolicyFolderCheck {
  public struct Report {
    /// A block a policy: what it is and which hooks it has; below, indented, what it can do.
    public var lines: [String]
    public var diagnostics: [Diagnostic]
  }

  public static func run(folder path: String) -> Report {
    let (policies, problems) = PolicyCompiler.inspect(
      PolicyFolder(path: path), services: .gateway(log: PolicyLogRelay()))
    return Report(lines: policies.flatMap(lines), diagnostics: problems)
  }

  private static func lines(_ policy: PolicyInspection) -> [String] {
    var first = policy.name
    if !policy.version.isEmpty { first += " \(policy.version)" }
    first += ": " + policy.hooks.joined(separator: " ")
    if policy.isAutomatic { first += " (auto)" }
    if !policy.requiredKeys.isEmpty { first += "; its config needs " + policy.requiredKeys.joined(separator: ", ") }
    let abilities = policy.abilities
    let calls =
      abilities.hosts + abilities.urlKeys.map { "the host in config.\($0)" }
      + abilities.clusters.map { "cluster \($0)" }
    return [first]
      + [("writes", abilities.writes), ("filters", abilities.filters), ("may call", calls)].compactMap { title, items in
        items.isEmpty ? nil : "    \(title): " + items.joined(separator: ", ")
      }
  }

  /// LuaLS annotations for a folder's policies.
  public static func annotations(folder path: String) -> String {
    PolicyReference.annotations(PolicyFolder(path: path), services: .gateway(log: PolicyLogRelay()))
  }

  /// The reference of keys, hooks, fields and functions, and of what tests may ask of a case, as Markdown.
  public static var reference: String {
    PolicyReference.markdown + "\n" + InvariantOptions.markdown + "\n" + TestBudget.markdown
  }
}
