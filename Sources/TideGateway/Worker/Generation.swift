import TideConfig
import TideCore
import TideIO
import TidePolicy

/// One numbered, immutable set of configuration and policies. Built on the control thread, shared by all workers.
struct Generation: Sendable {
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

  init(generation: Generation, policies: PolicyWorker) {
    self.generation = generation
    self.policies = policies
  }
}
