import TideCore

extension ConfigurationReader {
  /// Hooks whose failure the operator may decide.
  private static let hooks = [
    "on_load", "on_auth", "on_request", "on_route", "on_upstream_error", "on_response_start", "on_lane", "on_token",
    "filters", "on_segment", "on_lane_end", "on_tool_call", "on_response_end", "on_log",
  ]

  func readPlugins(_ fields: ConfigurationFields) -> PluginsConfiguration {
    let standard = ["../Plugins", "Plugins"].map { FilePath.absolute($0, in: folder) }.first(where: FilePath.isFolder)
    guard let node = fields["plugins"],
      let fields = ConfigurationFields(
        node, "`plugins`", allowed: ["folder", "auto", "lint", "require_tests", "test_timeout"], reader: self)
    else { return PluginsConfiguration(folder: standard, auto: true) }
    var plugins = PluginsConfiguration(folder: standard, auto: fields.boolean("auto", default: true))
    if let text = fields.string("folder") {
      let path = FilePath.absolute(text, in: folder)
      plugins.folder = path
      if !FilePath.isFolder(path) { report(fields["folder"], "`folder` of `plugins`: no such folder: \(path)") }
    }
    plugins.lint = fields.choice("lint", default: plugins.lint)
    plugins.requiresTests = fields.boolean("require_tests", default: plugins.requiresTests)
    plugins.testTimeoutMs = fields.milliseconds("test_timeout", in: 1...3_600_000, default: plugins.testTimeoutMs)
    return plugins
  }

  func readPolicies(
    _ fields: ConfigurationFields, plugins: PluginsConfiguration
  ) -> [PolicyBinding] {
    readBindings(fields, written: written["policies"], plugins: plugins)
  }

  /// The bindings under `policies`; `written` is the same list before variables were expanded.
  func readBindings(
    _ fields: ConfigurationFields, written: ConfigNode?, plugins: PluginsConfiguration
  ) -> [PolicyBinding] {
    let items = fields.list("policies") ?? []
    if !items.isEmpty, plugins.folder == nil {
      report(fields["policies"], "there is no folder of policies", hint: "set `plugins: { folder: ... }`")
    }
    let writtenItems: [ConfigNode] = if case .array(let items)? = written?.value { items } else { [] }
    return items.enumerated().compactMap { index, item in
      guard let binding = readBinding(item) else { return nil }
      if index < writtenItems.count { writtenPolicyConfigurations[binding.name] = writtenItems[index]["config"] }
      return binding
    }
  }

  private func readBinding(_ item: ConfigNode) -> PolicyBinding? {
    guard
      let fields = ConfigurationFields(
        item, "a policy", allowed: ["use", "as", "when", "config", "failure", "share"], reader: self)
    else { return nil }
    let policy = fields.requiredName("use")
    guard !policy.isEmpty else { return nil }
    if policy.hasPrefix("_") || policy.hasPrefix(".") {
      report(fields["use"], "a policy's name cannot begin with `_` or `.`: files named so are ignored")
    }
    var config = ConfigNode(.map([]), line: item.line, column: item.column)
    if let node = fields["config"] {
      if case .map = node.value { config = node } else { fields.wrongType("config", node, "a map") }
    }
    return PolicyBinding(
      policy: policy, name: fields.name("as"), when: fields["when"].flatMap { readCondition($0, "`when`") },
      config: config, failure: readFailure(fields), share: fields.name("share"), file: file, line: item.line,
      column: item.column)
  }

  private func readFailure(_ fields: ConfigurationFields) -> [String: PolicyBinding.FailureAction] {
    guard let node = fields["failure"],
      let fields = ConfigurationFields(node, "`failure`", allowed: Self.hooks, reader: self)
    else { return [:] }
    var failure: [String: PolicyBinding.FailureAction] = [:]
    for hook in Self.hooks {
      guard let node = fields[hook] else { continue }
      failure[hook] = fields.choice(hook, of: node)
    }
    return failure
  }

  private func readCondition(_ node: ConfigNode, _ what: String) -> MatchCondition? {
    let keys = MatchCondition.Key.allCases.map(\.rawValue)
    guard let fields = ConfigurationFields(node, what, allowed: keys + ["not"], reader: self) else { return nil }
    var condition = MatchCondition()
    for key in MatchCondition.Key.allCases where key != .header && fields.contains(key.rawValue) {
      condition.globs[key] = fields.globs(key.rawValue)
    }
    condition.headers = readHeaderGlobs(fields, what)
    if let node = fields["not"] { condition.not = readCondition(node, "`not`") }
    return condition
  }

  /// The map under `header`: names in lower case to the globs of each.
  func readHeaderGlobs(_ fields: ConfigurationFields, _ what: String) -> [String: [Glob]] {
    guard let node = fields["header"] else { return [:] }
    guard case .map(let entries) = node.value else {
      fields.wrongType("header", node, "a map of header names to globs")
      return [:]
    }
    let names = entries.map(\.key)
    guard let headers = ConfigurationFields(node, "`header` of \(what)", allowed: names, reader: self) else {
      return [:]
    }
    var globs: [String: [Glob]] = [:]
    for name in names { globs[name.lowercased()] = headers.globs(name) }
    return globs
  }

  func requireUniqueBindings(_ bindings: [PolicyBinding]) {
    var seen: Set<String> = []
    for binding in bindings where !seen.insert(binding.name).inserted {
      report(
        line: binding.line, column: binding.column, "two bindings are named `\(binding.name)`",
        hint: "give one a name of its own with `as`")
    }
  }
}
