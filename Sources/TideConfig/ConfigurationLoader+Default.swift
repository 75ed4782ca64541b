import TideCore

extension ConfigurationLoader {
  /// Finds the configuration when no `--config` is given: `$TIDEGATE_CONFIG`, else `Config/tidegate.yaml`, else `tidegate.yaml`, else
  /// the built-in default. `source` of the result says which.
  ///
  /// - Parameter folder: where the relative names are looked for.
  public static func loadDefault(
    environment: [String: String], folder: String = "."
  ) -> Result<LoadedConfiguration, ConfigurationFailure> {
    if let path = environment["TIDEGATE_CONFIG"], !path.isEmpty {
      return load(path: path, environment: environment).map { loaded in
        var loaded = loaded
        loaded.source = "\(path) (from TIDEGATE_CONFIG)"
        return loaded
      }
    }
    for name in ["Config/tidegate.yaml", "tidegate.yaml"] {
      let path = folder == "." ? name : "\(folder)/\(name)"
      if FilePath.isFile(path) { return load(path: path, environment: environment) }
    }
    return builtIn(folder: FilePath.absolute(folder))
  }

  /// What runs without any file: the embedded engine on 127.0.0.1:8080, and the shipped policies if a folder `Plugins` lies in `folder`.
  /// `api-keys` stays out when there is no `keys.yaml`, and a warning says so: only this machine can reach the address.
  private static func builtIn(folder: String) -> Result<LoadedConfiguration, ConfigurationFailure> {
    let plugins = folder + "/Plugins"
    let hasKeys = FilePath.isFile(folder + "/keys.yaml")
    var text = "plugins: { auto: true }\n"
    var bound: [String] = []
    if FilePath.isFolder(plugins) {
      for (name, config) in BuiltInPolicies.configurations {
        guard FilePath.isFile("\(plugins)/\(name).lua") || FilePath.isFile("\(plugins)/\(name)/policy.lua") else {
          continue
        }
        if name == "api-keys", !hasKeys { continue }
        bound.append("  - { use: \(name), config: \(config) }")
      }
    }
    if !bound.isEmpty { text += "policies:\n" + bound.joined(separator: "\n") + "\n" }
    return load(text: text, file: folder + "/built-in.yaml", environment: [:]).map { loaded in
      var loaded = loaded
      loaded.files = []
      if !loaded.configuration.policies.contains(where: { $0.policy == "api-keys" }) {
        loaded.warnings.append(
          Diagnostic(
            .warning, file: "", message: "requests need no key: no policy checks one",
            hint: "bind `api-keys` in a configuration of your own before others can reach the gateway"))
      }
      let found = loaded.configuration.plugins.folder
      loaded.source =
        "built-in default (no Config/tidegate.yaml or tidegate.yaml here; "
        + (found.map { "policies from \($0)" } ?? "no folder of policies") + ")"
      return loaded
    }
  }
}

/// The shipped policies and what they are configured with when nobody says otherwise: as in `Config/tidegate.yaml`.
enum BuiltInPolicies {
  static let configurations: [(name: String, config: String)] = [
    ("api-keys", "{ keys: keys.yaml }"),
    ("rate-limit", "{ rate: 600, per: 1m, burst: 100, by: key }"),
    ("model-router", "{ rules: [ { model: demo, to: [ { model: echo } ], fallback: [ { model: lorem } ] } ] }"),
    ("prompt-template", "{ system: { default: \"Answer in plain words.\" } }"),
    ("word-filter", "{ words: { colour: color, grey: gray, favourite: favorite }, ignore_case: true }"),
  ]
}
