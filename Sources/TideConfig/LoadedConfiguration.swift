import TideCore

/// A configuration and what it was made from.
public struct LoadedConfiguration: Sendable {
  public var configuration: GatewayConfiguration
  /// Absolute paths whose change calls for a reload: the YAML file, secrets, certificates. Policies' files are watched by those who
  /// read them.
  public var files: [String]
  /// For the start-up message: which file, or that it is the built-in default, and why.
  public var source: String
  /// What relative paths in it are relative to.
  public var directory: String {
    guard let first = files.first, let slash = first.lastIndex(of: "/") else { return "." }
    return String(first[..<slash])
  }
  public var warnings: [Diagnostic]
}

/// Why a configuration is refused: all that is wrong with it, not only the first thing.
public struct ConfigurationFailure: Error, Sendable, CustomStringConvertible {
  public var diagnostics: [Diagnostic]

  public init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }

  public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}
