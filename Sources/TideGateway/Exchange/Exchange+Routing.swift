import TideConfig
import TideCore
import TideDialects
import TideHTTP
import TidePolicy

/// From a parsed request to an endpoint, and to the next one when an attempt fails before it could have had an effect.
extension Exchange {
  func chooseTargets() {
    let model = context.model ?? ""
    targets = generation.generation.routes.targets[route]
    if targets.isEmpty {
      targets = generation.generation.models.targets(for: model)
      if targets.isEmpty, let fallback = routeConfiguration.defaultCluster, context.model == nil {
        targets = [ModelTable.Target(cluster: fallback)]
      }
    }
    guard !run.needsRoute || policiesRoute(model) else { return }
    guard let refused = targets.first else { return fail(.unknownModel(model)) }
    if targets.contains(where: { !speaksDialect($0.cluster) }) { targets.removeAll { !speaksDialect($0.cluster) } }
    guard !targets.isEmpty else { return fail(.unspoken(dialect, model: model, cluster: refused.cluster)) }
    startAttempt()
  }

  /// Lets the policies choose among the targets. Whether the request goes on; otherwise it has been answered.
  private func policiesRoute(_ model: String) -> Bool {
    let offered = targets.map { target in
      let pools = worker.cluster(named: target.cluster, in: generation)?.pools ?? []
      return RouteTarget(
        model: target.model ?? model, cluster: target.cluster, isHealthy: pools.contains { $0.isHealthy },
        pending: pools.reduce(0) { $0 + $1.activeStreamCount + $1.waiterCount })
    }
    switch run.runRoute(offered) {
    case .targets(let chosen):
      targets = resolve(chosen)
      guard targets.isEmpty, !chosen.isEmpty else { return true }
      fail(.noSuchTarget)
    case .deny(let denial): finish(with: .deny(denial))
    case .respond(let answer): finish(with: .respond(answer))
    }
    return false
  }

  /// What policies chose, as targets of this generation. What it does not have is left out, and the log says so.
  func resolve(_ chosen: [RouteTarget]) -> [ModelTable.Target] {
    var resolved: [ModelTable.Target] = []
    var unknown: [String] = []
    for choice in chosen {
      if choice.cluster.isEmpty {
        let targets = generation.generation.models.targets(for: choice.model)
        if targets.isEmpty {
          let names = generation.generation.models.entries.map(\.id.pattern)
          unknown.append("the model \(choice.model.prefix(128))" + Self.hint(choice.model, names))
        }
        resolved += targets.map { ModelTable.Target(cluster: $0.cluster, model: $0.model ?? choice.model) }
      } else if generation.generation.clusters[choice.cluster] == nil {
        let names = generation.generation.clusters.keys.sorted()
        unknown.append("the cluster \(choice.cluster.prefix(128))" + Self.hint(choice.cluster, names))
      } else {
        resolved.append(
          ModelTable.Target(cluster: choice.cluster, model: choice.model.isEmpty ? nil : choice.model))
      }
    }
    if !unknown.isEmpty { run.warn(ofTargets: unknown, isAll: resolved.isEmpty) }
    return resolved
  }

  private static func hint(_ name: String, _ known: [String]) -> String {
    nearestName(to: name, among: known).map { " (did you mean \($0)?)" } ?? ""
  }

  /// Whether a cluster understands the request as it came: nothing is translated.
  func speaksDialect(_ cluster: String) -> Bool {
    worker.cluster(named: cluster, in: generation)?.cluster.configuration.dialects.contains(wantedDialect) ?? false
  }

  private var wantedDialect: ClusterDialect { dialect == .anthropic ? .anthropic : .openai }

  /// The name to ask a target for: the client's, unless the target has one of its own.
  func model(at index: Int) -> String { targets[index].model ?? context.model ?? "" }

  func pools(at index: Int) -> [EndpointPool] {
    guard index < targets.count else { return [] }
    return worker.cluster(named: targets[index].cluster, in: generation)?.pools ?? []
  }

  /// Asks for a connection to the current target's best endpoint.
  func startAttempt() {
    while targetIndex < targets.count {
      if let cluster = worker.cluster(named: targets[targetIndex].cluster, in: generation),
        let pick = Balancer.pick(cluster.pools, tried: tried)
      {
        attempts += 1
        if attempts > 1 { worker.metrics.add(.retries) }
        context.attempt = attempts
        context.route.cluster = targets[targetIndex].cluster
        context.route.model = model(at: targetIndex)
        context.route.provider = provider(cluster.cluster.configuration)
        timeouts = cluster.cluster.configuration.timeouts
        context.deadline = startedAt.advanced(byMs: timeouts.totalMs)
        phase = .connecting
        lastActivity = worker.io.now
        pool = pick
        endpointName = pick.endpoint.authority
        rearmTimer()
        pick.request(self)
        return
      }
      targetIndex += 1
    }
    fail(.noUpstream)
  }

  /// Whose API this exchange meets at the cluster.
  private func provider(_ cluster: ClusterConfiguration) -> String {
    if cluster.engine != nil { return "engine" }
    return kind == .other ? cluster.dialects[0].rawValue : wantedDialect.rawValue
  }

  func poolFailed(_ failure: PoolFailure, of pool: EndpointPool) {
    guard phase == .connecting, pool === self.pool else { return }
    worker.log.upstreamFailed(exchange: context.id, endpoint: pool.endpoint, reason: "\(failure)")
    attemptFailed(.unreachable(failure))
  }

  /// An attempt brought no response.
  ///
  /// - Parameter isUntouched: the endpoint did nothing with the request: the gateway's own rules may try again.
  func attemptFailed(
    _ failure: LocalFailure, _ kind: UpstreamError.Kind = .connect, isUntouched: Bool = true
  ) {
    pool?.cancel(self)
    releaseUpstream()
    let willRetry = isUntouched && attempts <= Self.retryLimit && canReplay
    guard run.has(.onUpstreamError) else { return repeatOrFail(failure, willRetry) }
    follow(
      run.runUpstreamError(upstreamError(kind, status: nil, failure.message, willRetry)), .attempt(failure, willRetry))
  }

  func upstreamError(
    _ kind: UpstreamError.Kind, status: Int?, _ message: String, _ willRetry: Bool
  ) -> UpstreamError {
    UpstreamError(
      kind: kind, status: status, message: message, model: context.route.model ?? "",
      cluster: context.route.cluster ?? "", willRetry: willRetry)
  }

  /// The gateway's own rules: the next endpoint, at most twice.
  func repeatOrFail(_ failure: LocalFailure, _ willRetry: Bool) {
    if let pool { tried.append(pool) }
    guard willRetry else { return fail(failure) }
    if Balancer.pick(pools(at: targetIndex), tried: tried) == nil {
      targetIndex += 1
      guard
        targetIndex < targets.count,
        (targetIndex..<targets.count).contains(where: { Balancer.pick(pools(at: $0), tried: tried) != nil })
      else {
        targetIndex = max(0, targets.count - 1)
        return fail(failure)
      }
    }
    startAttempt()
  }

  /// A body that was relayed as it came is gone once part of it was handed on.
  var canReplay: Bool { kind.readsBody || !isUploadStarted }

}
