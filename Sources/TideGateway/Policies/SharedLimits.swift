import TideConfig
import TideCore
import TideStore
import TideTelemetry

/// The store that this gateway shares with others, as the configuration names it, and what there is to say about it.
enum SharedLimits {
  /// How long the start waits for the first connection, so that the first requests find it.
  static let startMs = 1_500

  /// - Returns: nil where limits are the process's own.
  static func open(_ configuration: StoreConfiguration, log: GatewayLog) -> StoreClient? {
    guard case .redis(let redis) = configuration else { return nil }
    let target = StoreTarget(
      host: redis.host, port: redis.port, user: redis.user, password: redis.password, database: redis.database)
    let store = StoreClient(target) { [name = target.name] event in
      switch event {
      case .connected: log.notice("the store \(name) is connected")
      case .lost(let reason):
        log.error(
          "the store \(name) is lost: \(reason). Policies with limits act as their failure says until it is back")
      case .unreachable(let reason):
        log.error(
          "the store \(name) cannot be reached: \(reason). Policies with limits act as their failure says until it is there"
        )
      case .refused(let reason): log.error("\(name): \(reason)")
      }
    }
    store.start()
    store.waitForFirstAttempt(timeoutMs: startMs)
    return store
  }
}

extension GatewayFigures.Store {
  init(_ figures: StoreFigures) {
    self.init()
    isConnected = figures.isConnected
    connects = figures.connects
    commands = figures.commands
    failures = [
      ("dropped", figures.dropped), ("refused", figures.refused), ("unavailable", figures.unavailable),
    ]
    waiting = figures.waiting
    places = figures.places
    latencyBounds = StoreFigures.boundsUs.map { Double($0) / 1e6 }
    latencyCounts = figures.latencyCounts
    latencySum = Double(figures.latencySumUs) / 1e6
  }
}
