import TideCore

/// What one file of a folder declares, without being bound.
public struct PolicyInspection: Sendable {
  public var name: String
  public var version: String
  public var hooks: [String]
  public var isAutomatic: Bool
  /// Configuration keys without which it cannot be bound.
  public var requiredKeys: [String]
  public var abilities: PolicyAbilities
}

extension PolicyCompiler {
  /// Loads every policy of a folder, reads its manifest and lints its source; nothing is bound, `on_load` does not run.
  public static func inspect(
    _ folder: PolicyFolder, services: PolicyHostServices
  ) -> (policies: [PolicyInspection], problems: [Diagnostic]) {
    var compiler = PolicyCompiler(
      services: services,
      loadFile: { path throws(Diagnostic) in throw Diagnostic(file: path, message: "no file is read while inspecting")
      },
      directory: "")
    compiler.readManifests(folder)
    var findings: [Diagnostic] = []
    let policies = folder.sources.compactMap { source -> PolicyInspection? in
      guard let manifest = compiler.manifests[source.name] else { return nil }
      let lint = PolicyLint(source, manifest, services: services)
      findings += lint.problems
      return PolicyInspection(
        name: manifest.name, version: manifest.version, hooks: manifest.hooks.hooks.map(\.name),
        isAutomatic: manifest.auto,
        requiredKeys: manifest.schema.members.filter(\.field.isRequired).map(\.name), abilities: lint.abilities)
    }
    return (policies, folder.problems + compiler.problems + findings)
  }

  /// The schema of each policy of a folder that can be read, by name.
  static func schemas(_ folder: PolicyFolder, services: PolicyHostServices) -> [(name: String, schema: PolicySchema)] {
    var compiler = PolicyCompiler(
      services: services,
      loadFile: { path throws(Diagnostic) in throw Diagnostic(file: path, message: "no file is read while inspecting")
      },
      directory: "")
    compiler.readManifests(folder)
    return compiler.manifests.values.sorted { $0.name < $1.name }.map { ($0.name, $0.schema) }
  }
}
