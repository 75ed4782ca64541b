import TideConfig
import TideCore
import TidePolicy

/// What `tidegate check` does: all of a start but its effects.
public enum ConfigurationCheck {
  public struct Report {
    /// Errors, or only warnings when it is valid.
    public var diagnostics: [Diagnostic]
    public var isValid: Bool
    /// One line on what is configured.
    public var summary: String
  }

  public static func run(configPath: String?, environment: [String: String]) -> Report {
    let builder = GenerationBuilder(
      configPath: configPath, environment: environment, services: .gateway(log: PolicyLogRelay()))
    switch builder.check() {
    case .failure(let failure): return Report(diagnostics: failure.diagnostics, isValid: false, summary: "")
    case .success(let checked):
      let (loaded, blueprint) = (checked.loaded, checked.blueprint)
      if let problem = builder.checkTLS(loaded.configuration) {
        return Report(diagnostics: [problem], isValid: false, summary: "")
      }
      let policies = blueprint.descriptions.map(\.binding)
      let counts =
        "\(loaded.configuration.listeners.count) listener(s), \(loaded.configuration.clusters.count) cluster(s), "
        + "\(loaded.configuration.models.count) model(s), \(loaded.configuration.routes.count) route(s)"
      return Report(
        diagnostics: loaded.warnings + blueprint.warnings, isValid: true,
        summary:
          "\(loaded.source): valid; \(counts); policies: \(policies.isEmpty ? "none" : policies.joined(separator: ", "))"
          + (checked.testCount.map { "; tests passed: \($0)" } ?? "")
      )
    }
  }
}
