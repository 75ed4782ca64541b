import TideCore

/// Chooses among a cluster's endpoints: the healthy one with the fewest running requests for its weight.
enum Balancer {
  /// - Parameters:
  ///   - pools: the cluster's pools on this worker.
  ///   - tried: the pools of endpoints that this exchange has failed on already.
  /// - Returns: nil when every endpoint was tried.
  static func pick(_ pools: [EndpointPool], tried: [EndpointPool]) -> EndpointPool? {
    var leftCount = 0
    var healthyCount = 0
    var best: EndpointPool?
    var bestHealthy: EndpointPool?
    for pool in pools where !tried.contains(where: { $0 === pool }) {
      leftCount += 1
      best = lighter(pool, than: best)
      guard pool.isHealthy else { continue }
      healthyCount += 1
      bestHealthy = lighter(pool, than: bestHealthy)
    }
    // At most half of a cluster is left out, and never its last endpoint.
    return healthyCount * 2 >= leftCount ? bestHealthy : best
  }

  /// Of two with the same load the one that came first.
  private static func lighter(_ pool: EndpointPool, than other: EndpointPool?) -> EndpointPool {
    guard let other else { return pool }
    return load(pool) < load(other) ? pool : other
  }

  private static func load(_ pool: EndpointPool) -> Double {
    Double(pool.activeStreamCount + pool.waiterCount + 1) / Double(max(1, pool.endpoint.weight))
  }
}
