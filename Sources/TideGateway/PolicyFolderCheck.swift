import TideCore
import TidePolicy

/// What `tidegate policy check` does: loads every policy of a folder and says what it declares.
public enum PolicyFolderCheck {
  public struct Report {
    /// A line a policy: what it is and which hooks it has.
    public var lines: [String]
    public var diagnostics: [Diagnostic]
  }

  public static func run(folder path: String) -> Report {
    let (policies, problems) = PolicyCompiler.inspect(
      PolicyFolder(path: path), services: .gateway(log: PolicyLogRelay()))
    let lines = policies.map { policy in
      var line = policy.name
      if !policy.version.isEmpty { line += " \(policy.version)" }
      line += ": " + policy.hooks.joined(separator: " ")
      if policy.isAutomatic { line += " (auto)" }
      if !policy.requiredKeys.isEmpty { line += "; its config needs " + policy.requiredKeys.joined(separator: ", ") }
      return line
    }
    return Report(lines: lines, diagnostics: problems)
  }

  /// LuaLS annotations for a folder's policies.
  public static func annotations(folder path: String) -> String {
    PolicyReference.annotations(PolicyFolder(path: path), services: .gateway(log: PolicyLogRelay()))
  }

  /// The reference of hooks, fields and functions, and of what tests may ask of a case's cost, as Markdown.
  public static var reference: String { PolicyReference.markdown + "\n" + TestBudget.markdown }
}
