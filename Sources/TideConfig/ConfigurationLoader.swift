import Foundation
import TideCore

/// From a YAML file to a validated snapshot, or to the list of all that is wrong with it.
public enum ConfigurationLoader {
  /// Reads the file at `path`.
  ///
  /// - Parameters:
  ///   - path: absolute, or relative to the working directory; diagnostics name it as it is given here.
  ///   - environment: for `${VAR}`.
  public static func load(
    path: String, environment: [String: String]
  ) -> Result<LoadedConfiguration, ConfigurationFailure> {
    let text: String
    switch FileText.read(path) {
    case .success(let content): text = content
    case .failure(let problem): return .failure(ConfigurationFailure([problem]))
    }
    return load(text: text, file: path, environment: environment)
  }

  /// Reads `text` as if it stood in `file`, whose folder other paths are relative to.
  public static func load(
    text: String, file: String, environment: [String: String]
  ) -> Result<LoadedConfiguration, ConfigurationFailure> {
    var expansion: VariableExpansion? = VariableExpansion(environment: environment)
    let root: ConfigNode
    let written: ConfigNode
    do {
      root = try YAMLDocument.parse(text, file: file, expanding: &expansion)
      written = try YAMLDocument.parse(text, file: file)
    } catch {
      return .failure(ConfigurationFailure([error]))
    }
    return load(root, written: written, file: file, unset: expansion?.diagnostics ?? [])
  }

  /// Reads a document that is in memory already, as if it stood in `file`.
  public static func load(_ root: ConfigNode, file: String) -> Result<LoadedConfiguration, ConfigurationFailure> {
    load(root, written: root, file: file, unset: [])
  }

  private static func load(
    _ root: ConfigNode, written: ConfigNode, file: String, unset: [Diagnostic]
  ) -> Result<LoadedConfiguration, ConfigurationFailure> {
    let reader = ConfigurationReader(file: file, written: written)
    let configuration = reader.read(root)
    let errors = unset + reader.diagnostics.filter { !reader.isConsequence(of: unset, $0) }
    guard errors.isEmpty, let configuration else {
      return .failure(ConfigurationFailure(errors.sorted { ($0.line, $0.column) < ($1.line, $1.column) }))
    }
    return .success(
      LoadedConfiguration(
        configuration: configuration, files: [FilePath.absolute(file)] + reader.files, source: file,
        warnings: reader.warnings))
  }
}
