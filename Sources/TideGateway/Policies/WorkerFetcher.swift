import TideCore
import TideHTTP
import TideIO
import TidePolicy

/// Makes the calls of `tide.http` for one generation's policies on one worker, over that worker's own pools.
final class WorkerFetcher: PolicyFetcher {
  private unowned let worker: GatewayWorker
  /// The one whose policies call. What still waits when it has ended, as `on_log` may, goes by the one that followed.
  private weak var owner: WorkerGeneration?
  private let fetchTLS: TLSClientContext?
  private let timers: WorkerTimers
  private var calls: [UInt64: PolicyCall] = [:]
  private var lastNumber: UInt64 = 0

  init(worker: GatewayWorker, generation: WorkerGeneration, timers: WorkerTimers) {
    self.worker = worker
    owner = generation
    fetchTLS = generation.generation.fetchTLS
    self.timers = timers
  }

  override func fetch(
    _ request: FetchRequest, completion: @escaping (Result<FetchResponse, FetchFailure>) -> Void
  ) -> Token {
    lastNumber &+= 1
    let number = lastNumber
    let call = PolicyCall(request, timers: timers) { [unowned self] result in
      forget(number)
      completion(result)
    }
    calls[number] = call
    switch route(request) {
    case .failure(let failure): call.failLater(failure)
    case .success(let route):
      worker.hostPools.enter(route.pool)
      call.start(route)
    }
    return Token(number: number)
  }

  override func cancel(_ token: Token) { forget(token.number)?.cancel() }

  @discardableResult
  private func forget(_ number: UInt64) -> PolicyCall? {
    let call = calls.removeValue(forKey: number)
    if let pool = call?.pool { worker.hostPools.leave(pool) }
    return call
  }

  private func route(_ request: FetchRequest) -> Result<PolicyCall.Route, FetchFailure> {
    switch request.target {
    case .cluster(let name, let path):
      guard let cluster = worker.cluster(named: name, in: owner ?? worker.current) else {
        return .failure(FetchFailure(.noCluster, "there is no cluster \(name)"))
      }
      guard let pool = Balancer.pick(cluster.pools, tried: []) else {
        return .failure(FetchFailure(.connect, "no endpoint of the cluster \(name) can be reached"))
      }
      return .success(
        PolicyCall.Route(
          pool: pool, target: pool.endpoint.pathPrefix + path,
          credentials: cluster.cluster.configuration.credentials?.header())
      )
    case .url(let url, let reach):
      guard let pool = worker.hostPools.pool(of: url, reach, tls: fetchTLS) else {
        return .failure(FetchFailure(.busy, "policies call more than \(HostPools.hostsMax) hosts"))
      }
      return .success(PolicyCall.Route(pool: pool, target: url.target, credentials: nil))
    }
  }
}
