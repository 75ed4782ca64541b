import Foundation
import TideConfig
import TideCore

/// A folder of its own for one test, with the files that a configuration refers to; removed when it is let go.
final class ConfigurationFolder {
  let path: String

  init(files: [String: String] = [:]) throws {
    path = NSTemporaryDirectory() + "tidegate-config-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path + "/Config", withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: path + "/Plugins", withIntermediateDirectories: true)
    for (name, text) in files { try write(text, to: name) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws {
    let full = path + "/" + name
    let folder = (full as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try text.write(toFile: full, atomically: true, encoding: .utf8)
  }

  func load(
    _ yaml: String, environment: [String: String] = [:]
  ) -> Result<LoadedConfiguration, ConfigurationFailure> {
    ConfigurationLoader.load(text: yaml, file: path + "/Config/tidegate.yaml", environment: environment)
  }

  /// What is wrong, as `line:column message (hint)`.
  func errors(_ yaml: String, environment: [String: String] = [:]) -> [String] {
    switch load(yaml, environment: environment) {
    case .success: []
    case .failure(let failure):
      failure.diagnostics.map { "\($0.line):\($0.column) \($0.message)" + ($0.hint.isEmpty ? "" : " (\($0.hint))") }
    }
  }
}
