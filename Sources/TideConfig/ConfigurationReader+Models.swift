import TideCore

extension ConfigurationReader {
  func readModels(_ fields: ConfigurationFields, clusters: [String]) -> [ModelEntry] {
    guard let items = fields.list("models") else {
      // Without clusters of the operator's own, the embedded engine serves all that it can do.
      guard !fields.contains("clusters") else { return [] }
      return ModelEntry.embedded
    }
    var seen: Set<String> = []
    return items.compactMap { item in
      guard
        let fields = ConfigurationFields(
          item, "a model", allowed: ["id", "targets", "cluster", "model"], reader: self)
      else { return nil }
      if !fields.contains("id") { report(item, "a model needs an `id`") }
      let id = fields.string("id") ?? ""
      if !id.isEmpty, !seen.insert(id).inserted { report(fields["id"], "two models have the id `\(id)`") }
      if id.utf8.count > 128 { report(fields["id"], "`id` of a model is longer than 128 bytes") }
      return ModelEntry(id: Glob(id), targets: readTargets(fields, clusters: clusters))
    }
  }

  private func readTargets(_ fields: ConfigurationFields, clusters: [String]) -> [ModelEntry.Target] {
    guard fields.contains("targets") else {
      if !fields.contains("cluster") {
        report(fields.node, "a model needs `targets`, or a `cluster`")
        return []
      }
      return readTarget(fields, clusters: clusters).map { [$0] } ?? []
    }
    for key in ["cluster", "model"] where fields.contains(key) {
      report(fields[key], "`\(key)` cannot stand beside `targets`", hint: "move it into a target")
    }
    let items = fields.list("targets") ?? []
    if items.isEmpty, case .array? = fields["targets"]?.value {
      report(fields["targets"], "`targets` of a model is empty")
    }
    return items.compactMap { item in
      guard let fields = ConfigurationFields(item, "a target", allowed: ["cluster", "model"], reader: self) else {
        return nil
      }
      if !fields.contains("cluster") { report(item, "a target needs a `cluster`") }
      return readTarget(fields, clusters: clusters)
    }
  }

  private func readTarget(_ fields: ConfigurationFields, clusters: [String]) -> ModelEntry.Target? {
    guard let cluster = readClusterName("cluster", fields, clusters: clusters) else { return nil }
    return ModelEntry.Target(cluster: cluster, model: fields.string("model"))
  }

  /// The name of a cluster that exists.
  func readClusterName(
    _ key: String, _ fields: ConfigurationFields, clusters: [String], reserved: [String] = []
  ) -> String? {
    guard let name = fields.string(key) else { return nil }
    if clusters.contains(name) || reserved.contains(name) { return name }
    let known = reserved + clusters.filter { !$0.isEmpty }
    let nearest = nearestName(to: name, among: known).map { "did you mean `\($0)`? " } ?? ""
    report(fields[key], "unknown cluster `\(name)`", hint: nearest + "known: " + known.joined(separator: ", "))
    return nil
  }
}

extension ModelEntry {
  /// What the embedded engine is asked for when the operator lists nothing: as in `Config/tidegate.yaml`.
  static let embedded: [ModelEntry] =
    [
      "echo", "lorem", "scripted", "lorem-die-after-5", "lorem-stall-after-5", "lorem-slow-first-2000", "rate-limited",
    ].map { ModelEntry(id: Glob($0), targets: [Target(cluster: "engine", model: nil)]) }
    + [ModelEntry(id: Glob("demo"), targets: [Target(cluster: "engine", model: "echo")])]
}
