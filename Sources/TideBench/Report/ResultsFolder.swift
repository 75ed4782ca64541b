import FoundationEssentials
import TideCore

/// The folder in which a run leaves its results: `results.json`, `table.md`, `gap.svg` and `lateness.svg`.
public struct ResultsFolder: Sendable {
  public let path: String

  /// Makes the folder, and tries it: a run of minutes should not end with a full disk's or a wrong path's surprise.
  ///
  /// - Throws: why nothing can be written there.
  public init(_ path: String) throws(Diagnostic) {
    self.path = path
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let probe = "\(path)/.tidegate-bench"
      try Data().write(to: URL(filePath: probe))
      try FileManager.default.removeItem(atPath: probe)
    } catch {
      throw Diagnostic(file: path, message: "nothing can be written into this folder", hint: "--output FOLDER")
    }
  }

  /// Writes the files of `results`, over those of an earlier run. Charts of token streams are left out where there is nothing to draw.
  ///
  /// - Returns: the names of the files.
  /// - Throws: which file could not be written.
  public func write(_ results: BenchResults) throws(Diagnostic) -> [String] {
    var files: [(name: String, text: String?)] = [
      ("results.json", results.json()), ("table.md", results.markdown()),
    ]
    if results.steps.contains(where: \.isStreaming) {
      let system = try ChartSystem(results)
      files += [("gap.svg", BenchChart.gap(system)), ("lateness.svg", BenchChart.lateness(system))]
    }
    var written: [String] = []
    for (name, text) in files {
      guard let text else { continue }
      try Self.write(text, to: "\(path)/\(name)")
      written.append(name)
    }
    return written
  }

  /// Writes a text file.
  ///
  /// - Throws: that it could not be written.
  public static func write(_ text: String, to path: String) throws(Diagnostic) {
    do {
      try Data(text.utf8).write(to: URL(filePath: path))
    } catch {
      throw Diagnostic(file: path, message: "cannot be written", hint: "is its folder there, and room on the disk?")
    }
  }
}
