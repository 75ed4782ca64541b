import TideConfig
import TideCore
import TideIO
import TidePolicy

/// One numbered, immutable set of configuration and policies. Built on the control thread, shared by all workers.
///
/// A class: an exchange reads single fields of it, and copying a structure of this size takes dozens of reference counts.
final class Generation: Sendable {
  let number: Int
  let configuration: GatewayConfiguration
  let routes: RouteTable
  let models: ModelTable
  let policies: PolicyBlueprint
  /// Clusters by name, with what it takes to reach them.
  let clusters: [String: Cluster]
  /// For hosts that policies call by `https`; nil where none may. Made once: reading root certificates takes milliseconds.
  let fetchTLS: TLSClientContext?

  init(
    number: Int, configuration: GatewayConfiguration, policies: PolicyBlueprint, clusters: [String: Cluster],
    fetchTLS: TLSClientContext? = nil
  ) {
    self.number = number
    self.configuration = configuration
    self.policies = policies
    self.clusters = clusters
    self.fetchTLS = fetchTLS
    routes = RouteTable(routes: configuration.routes)
    models = ModelTable(entries: configuration.models)
  }
}

/// A generation on one worker: its Lua states and the exchanges that run on it.
///
/// Confined to the worker once posted to it. Exchanges hold it strongly, so it ends with its last exchange.
final class WorkerGeneration {
  let generation: Generation
  let policies: PolicyWorker
  /// Exchanges that began on this generation and have not ended.
  var exchangeCount = 0
  /// The clusters that were asked for on this worker.
  private var clusters: [String: WorkerCluster] = [:]
  /// What `cluster` found last: requests in a row mostly go to one cluster.
  private var found: WorkerCluster?

  init(generation: Generation, policies: PolicyWorker) {
    self.generation = generation
    self.policies = policies
  }

  /// A cluster with its pools on this worker, which `pool` finds or makes when the cluster is first asked for. nil when the generation
  /// has none of that name.
  func cluster(named name: String, pool: (Endpoint, Cluster) -> EndpointPool) -> WorkerCluster? {
    if let found, found.cluster.configuration.name == name { return found }
    if let known = clusters[name] {
      found = known
      return known
    }
    guard let cluster = generation.clusters[name] else { return nil }
    let made = WorkerCluster(cluster, pools: cluster.endpoints.map { pool($0, cluster) })
    clusters[name] = made
    found = made
    return made
  }
}
