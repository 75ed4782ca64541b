/// A cluster of one generation on one worker: looked up once an exchange, for its pools as for its configuration.
final class WorkerCluster {
  let cluster: Cluster
  /// Of its endpoints, in their order.
  let pools: [EndpointPool]

  init(_ cluster: Cluster, pools: [EndpointPool]) {
    self.cluster = cluster
    self.pools = pools
  }
}
