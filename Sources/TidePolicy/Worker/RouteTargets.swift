import TideLua

/// Targets between the gateway and `on_route`.
enum RouteTargets {
  static func luaValue(_ targets: [RouteTarget]) -> LuaValue {
    .array(
      targets.map { target in
        .map([
          (.text("model"), .text(target.model)), (.text("cluster"), .text(target.cluster)),
          (.text("healthy"), .boolean(target.isHealthy)), (.text("pending"), .integer(Int64(target.pending))),
        ])
      })
  }

  /// - Parameter known: what the gateway gave, for the figures that a policy leaves out.
  static func read(_ value: LuaValue, known: [RouteTarget]) throws(HostError) -> [RouteTarget] {
    try read(PolicyValue(value), known: known, "on_route")
  }

  /// - Parameter what: who wants the list, for messages.
  static func read(_ value: PolicyValue, known: [RouteTarget], _ what: String) throws(HostError) -> [RouteTarget] {
    guard case .array(let elements) = value, !elements.isEmpty else {
      throw HostError("\(what) must be a list of targets that is not empty")
    }
    var result: [RouteTarget] = []
    for element in elements {
      let model = element["model"]?.text
      let cluster = element["cluster"]?.text
      guard model != nil || cluster != nil else {
        throw HostError("\(what): each target needs a model, a cluster, or both")
      }
      let match = known.first { (model ?? $0.model) == $0.model && (cluster ?? $0.cluster) == $0.cluster }
      // A model alone goes wherever the configuration sends that model, which need not be a target of this request.
      if let model, cluster == nil {
        result.append(match ?? RouteTarget(model: model, cluster: ""))
      } else {
        result.append(
          RouteTarget(
            model: model ?? match?.model ?? "", cluster: cluster ?? "", isHealthy: match?.isHealthy ?? true,
            pending: match?.pending ?? 0))
      }
    }
    return result
  }
}
