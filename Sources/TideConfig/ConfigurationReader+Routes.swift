import TideCore

extension ConfigurationReader {
  func readRoutes(
    _ fields: ConfigurationFields, clusters: [String], global: [PolicyBinding], plugins: PluginsConfiguration
  ) -> [RouteConfiguration] {
    guard let items = fields.list("routes") else { return [RouteConfiguration(name: "default")] }
    if items.isEmpty {
      report(fields["routes"], "`routes` is empty: no request would be answered", hint: "leave it out")
    }
    let writtenRoutes: [ConfigNode] = if case .array(let items)? = written["routes"]?.value { items } else { [] }
    var seen: Set<String> = []
    return items.enumerated().compactMap { index, item in
      guard
        let fields = ConfigurationFields(
          item, "a route",
          allowed: [
            "name", "match", "cluster", "default_cluster", "policies", "without", "anonymous", "unparsed",
            "on_disconnect",
          ], reader: self)
      else { return nil }
      var route = RouteConfiguration(name: fields.requiredName("name"))
      if !route.name.isEmpty, !seen.insert(route.name).inserted {
        report(fields["name"], "two routes are named `\(route.name)`")
      }
      route.match = readMatch(fields)
      if let name = readClusterName("cluster", fields, clusters: clusters, reserved: ["by-model"]), name != "by-model" {
        route.cluster = .cluster(name)
      }
      route.defaultCluster = readClusterName("default_cluster", fields, clusters: clusters)
      let written = index < writtenRoutes.count ? writtenRoutes[index]["policies"] : nil
      route.policies = readBindings(fields, written: written, plugins: plugins)
      route.without = readWithout(fields, global: global, plugins: plugins)
      route.anonymous = fields.boolean("anonymous", default: false)
      route.unparsed = fields.choice("unparsed", default: .deny)
      if let node = fields["on_disconnect"] {
        if case .map = node.value {
          fields.notYet(node, "`on_disconnect: { drain: ... }`", use: ["cancel"])
        } else {
          route.onDisconnect = fields.choice("on_disconnect", of: node, later: ["continue", "drain"]) ?? .cancel
        }
      }
      return route
    }
  }

  private func readMatch(_ fields: ConfigurationFields) -> RouteConfiguration.Match {
    var match = RouteConfiguration.Match()
    guard let node = fields["match"],
      let fields = ConfigurationFields(
        node, "`match`", allowed: ["path", "method", "host", "model", "header"], reader: self)
    else { return match }
    match.path = fields.globs("path")
    for glob in match.path where !glob.pattern.hasPrefix("/") && !glob.pattern.hasPrefix("*") {
      report(fields["path"], "`\(glob.pattern)` can match no path", hint: "a path begins with `/`")
    }
    match.method = fields.globs("method").map { Glob($0.pattern.uppercased()) }
    match.host = fields.globs("host").map { Glob($0.pattern.lowercased()) }
    match.model = fields.globs("model")
    match.headers = readHeaderGlobs(fields, "`match`")
    return match
  }

  /// Names of global bindings, those of files that bind themselves included.
  private func readWithout(
    _ fields: ConfigurationFields, global: [PolicyBinding], plugins: PluginsConfiguration
  ) -> [String] {
    (fields.list("without") ?? []).compactMap { item in
      guard case .string(let name) = item.value else {
        fields.wrongType("without", item, "a list of names of global policies")
        return nil
      }
      let known = global.map(\.name)
      let folder = plugins.folder ?? ""
      let isFile =
        !name.contains("/")
        && (FilePath.isFile("\(folder)/\(name).lua") || FilePath.isFile("\(folder)/\(name)/policy.lua"))
      guard known.contains(name) || (plugins.auto && isFile) else {
        let nearest = nearestName(to: name, among: known).map { "did you mean `\($0)`? " } ?? ""
        report(
          item, "`without` names `\(name)`, which no global policy is called",
          hint: nearest + (known.isEmpty ? "there are none" : "known: " + known.joined(separator: ", ")))
        return nil
      }
      return name
    }
  }
}
