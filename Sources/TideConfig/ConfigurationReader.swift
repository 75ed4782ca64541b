import TideCore

/// Reads one document into a configuration and collects everything that is wrong with it on the way.
///
/// Every `read...` returns a usable value even after an error, so that one mistake does not hide the next.
final class ConfigurationReader {
  let file: String
  /// Absolute folder of the file: what relative paths are relative to.
  let folder: String
  /// The same document before variables were expanded.
  let written: ConfigNode
  private(set) var diagnostics: [Diagnostic] = []
  private(set) var warnings: [Diagnostic] = []
  private(set) var files: [String] = []
  var writtenPolicyConfigurations: [String: ConfigNode] = [:]

  init(file: String, written: ConfigNode) {
    self.file = file
    self.written = written
    folder = FilePath.folder(of: FilePath.absolute(file))
  }

  func report(_ node: ConfigNode?, _ message: String, hint: String = "") {
    diagnostics.append(
      Diagnostic(file: file, line: node?.line ?? 1, column: node?.column ?? 1, message: message, hint: hint))
  }

  func report(line: Int, column: Int, _ message: String, hint: String = "") {
    diagnostics.append(Diagnostic(file: file, line: line, column: column, message: message, hint: hint))
  }

  func warn(_ node: ConfigNode?, _ message: String, hint: String = "") {
    warnings.append(
      Diagnostic(.warning, file: file, line: node?.line ?? 0, column: node?.column ?? 0, message: message, hint: hint))
  }

  /// A file whose change calls for a reload.
  func watch(_ path: String) {
    if !files.contains(path) { files.append(path) }
  }

  /// Whether `diagnostic` only complains about a value that is missing because its variable is.
  func isConsequence(of unset: [Diagnostic], _ diagnostic: Diagnostic) -> Bool {
    unset.contains { $0.line == diagnostic.line && $0.column == diagnostic.column }
  }

  static let keys = [
    "listeners", "admin", "workers", "worker_cores", "io_uring", "clusters", "models", "plugins", "policies",
    "routes", "limits", "store", "log", "drain",
  ]

  /// - Returns: nil when the document is not a map; else a configuration that counts only if there is no diagnostic.
  func read(_ root: ConfigNode) -> GatewayConfiguration? {
    let root = if case .null = root.value { ConfigNode(.map([]), line: 1, column: 1) } else { root }
    guard let fields = ConfigurationFields(root, "the configuration", allowed: Self.keys, reader: self) else {
      return nil
    }
    let clusters = readClusters(fields)
    let names = clusters.map(\.name)
    let models = readModels(fields, clusters: names)
    let plugins = readPlugins(fields)
    let policies = readPolicies(fields, plugins: plugins)
    let routes = readRoutes(fields, clusters: names, global: policies, plugins: plugins)
    requireUniqueBindings(policies + routes.flatMap(\.policies))
    if models.isEmpty, routes.contains(where: { $0.cluster == .byModel }) {
      warn(
        nil, "no `models`: a route by model answers 404 to every model",
        hint: "list models, or give the route a `cluster`")
    }
    return GatewayConfiguration(
      listeners: readListeners(fields),
      admin: readAdmin(fields),
      workers: readWorkers(fields),
      workerCores: fields.choice("worker_cores", default: .any),
      ioUring: fields.choice("io_uring", default: .automatic),
      clusters: clusters,
      models: models,
      plugins: plugins,
      policies: policies,
      routes: routes,
      limits: readLimits(fields),
      store: readStore(fields),
      log: readLog(fields),
      drain: readDrain(fields),
      writtenPolicyConfigurations: writtenPolicyConfigurations)
  }
}
