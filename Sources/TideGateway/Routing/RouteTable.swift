import TideConfig
import TideCore

/// The routes of one generation, in the order in which they are written; the first that matches takes the request.
///
/// A request is matched twice: on its head, to know which policies may authenticate it, and once its model is known, for good.
struct RouteTable: Sendable {
  let routes: [RouteConfiguration]
  /// By route: where it goes whatever the model; empty where the model decides.
  let targets: [[ModelEntry.Target]]

  init(routes: [RouteConfiguration]) {
    self.routes = routes
    targets = routes.map { route in
      if case .cluster(let name) = route.cluster { [ModelEntry.Target(cluster: name)] } else { [] }
    }
  }

  /// The first route that the head allows from `start` on; its `model` is not looked at yet. `host` is asked for by routes that look at it
  /// only.
  func firstMatch(_ request: RequestHead, path: String, host: @autoclosure () -> String, from start: Int = 0) -> Int? {
    var index = start
    while index < routes.count {
      if allows(routes[index].match, request, path: path, host: host) { return index }
      index += 1
    }
    return nil
  }

  private func allows(
    _ match: RouteConfiguration.Match, _ request: RequestHead, path: String, host: () -> String
  ) -> Bool {
    any(match.path, path) && any(match.method, request.method) && (match.host.isEmpty || any(match.host, host()))
      && (match.headers.isEmpty
        || match.headers.allSatisfy { name, globs in request.headers.joined(name).map { any(globs, $0) } ?? false })
  }

  /// The first route that head and model allow; `model` is nil when the request has none, and then only routes that do not ask for
  /// one match.
  ///
  /// - Parameter headMatch: the first route that the head allows, where that is known.
  func firstMatch(
    _ request: RequestHead, path: String, host: @autoclosure () -> String, model: String?, headMatch: Int? = nil
  ) -> Int? {
    var next = headMatch ?? firstMatch(request, path: path, host: host())
    while let index = next {
      let wanted = routes[index].match.model
      if wanted.isEmpty || wanted.contains(where: { $0.pattern == "*" }) { return index }
      if let model, any(wanted, model) { return index }
      next = firstMatch(request, path: path, host: host(), from: index + 1)
    }
    return nil
  }

  private func any(_ globs: [Glob], _ text: String) -> Bool {
    globs.isEmpty || globs.contains { $0.matches(text) }
  }
}
