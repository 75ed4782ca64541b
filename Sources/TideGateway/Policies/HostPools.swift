import TideCore
import TideIO
import TidePolicy

/// One worker's connections to the hosts that policies call: a pool for each, closed when nobody has called it for a minute.
final class HostPools {
  private static let idleMs = 60_000
  /// Hosts that this worker may hold connections to at once.
  static let hostsMax = 256
  /// Connections to one host, all workers together.
  private static let connectionsMax = 64

  private struct Host {
    let pool: EndpointPool
    var lastUsed: MonotonicTime
    var callCount = 0
  }

  private unowned let worker: GatewayWorker
  private let timers: WorkerTimers
  private var hosts: [Endpoint: Host] = [:]
  private var isSweepArmed = false

  init(worker: GatewayWorker, timers: WorkerTimers) {
    self.worker = worker
    self.timers = timers
  }

  /// The pool of a URL's host; nil when there are too many.
  func pool(of url: FetchURL, _ reach: FetchReach, tls: TLSClientContext?) -> EndpointPool? {
    let name = url.host.contains(":") ? "[\(url.host)]" : url.host
    let endpoint = Endpoint(
      cluster: "", host: url.host, port: url.port,
      authority: url.port == (url.isSecure ? 443 : 80) ? name : "\(name):\(url.port)", isSecure: url.isSecure,
      choice: url.isSecure ? .negotiate : .http1, pathPrefix: "", weight: 1, serverName: url.host, trust: "",
      maxConnections: Self.connectionsMax, connectTimeoutMs: FetchRequest.timeoutMsDefault,
      reach: reach == .publicOnly ? .publicOnly : .operatorNamed)
    if let known = hosts[endpoint] { return known.pool }
    guard hosts.count < Self.hostsMax else { return nil }
    let pool = worker.makePool(endpoint, tls: url.isSecure ? tls : nil)
    hosts[endpoint] = Host(pool: pool, lastUsed: worker.io.now)
    armSweep()
    return pool
  }

  /// A call begins; pools of clusters are none of these.
  func enter(_ pool: EndpointPool) {
    guard hosts[pool.endpoint]?.pool === pool else { return }
    hosts[pool.endpoint]?.callCount += 1
  }

  func leave(_ pool: EndpointPool) {
    guard hosts[pool.endpoint]?.pool === pool else { return }
    hosts[pool.endpoint]?.callCount -= 1
    hosts[pool.endpoint]?.lastUsed = worker.io.now
  }

  private func armSweep() {
    guard !isSweepArmed, !hosts.isEmpty else { return }
    isSweepArmed = true
    _ = timers.after(Self.idleMs) { [unowned self] in
      isSweepArmed = false
      for (endpoint, host) in hosts
      where host.callCount == 0 && worker.io.now.milliseconds(since: host.lastUsed) >= Self.idleMs {
        hosts[endpoint] = nil
        worker.retire(host.pool)
      }
      armSweep()
    }
  }
}
