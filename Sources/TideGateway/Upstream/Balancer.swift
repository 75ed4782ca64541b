import TideCore

/// Chooses among a cluster's endpoints: the healthy one with the fewest running requests for its weight.
enum Balancer {
  /// - Parameters:
  ///   - pools: the cluster's pools on this worker.
  ///   - tried: endpoints that this exchange has failed on already.
  /// - Returns: nil when every endpoint was tried.
  static func pick(_ pools: [EndpointPool], tried: Set<Endpoint>) -> EndpointPool? {
    let left = pools.filter { !tried.contains($0.endpoint) }
    // At most half of a cluster is left out, and never its last endpoint.
    let healthy = left.filter(\.isHealthy)
    let candidates = healthy.count * 2 >= left.count ? healthy : left
    return candidates.min { load($0) < load($1) }
  }

  private static func load(_ pool: EndpointPool) -> Double {
    Double(pool.activeStreamCount + pool.waiterCount + 1) / Double(max(1, pool.endpoint.weight))
  }
}
