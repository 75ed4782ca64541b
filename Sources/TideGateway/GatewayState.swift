import Synchronization
import TideConfig
import TideCore
import TidePolicy
import TideStore
import TideTelemetry

/// What the control thread knows and the admin listener shows. The lock is taken by those two, never by a worker.
final class GatewayState: Sendable {
  struct ReloadFailure: Sendable {
    var diagnostics: [Diagnostic]
    var since: Int
  }

  private struct Inner {
    var generation: Generation
    var source: String
    var warnings: [Diagnostic]
    var activatedAt: Int
    var failure: ReloadFailure?
    var reloads = 0
    var reloadFailures = 0
    var isDraining = false
  }

  private let inner: Mutex<Inner>

  private let version: String
  private let stores: SharedStore
  private let store: StoreClient?
  private let startedAt = WallClock.seconds()

  init(
    generation: Generation, source: String, warnings: [Diagnostic] = [], version: String, stores: SharedStore,
    store: StoreClient? = nil
  ) {
    self.version = version
    self.stores = stores
    self.store = store
    inner = Mutex(
      Inner(
        generation: generation, source: source, warnings: warnings, activatedAt: WallClock.seconds()))
  }

  var isDraining: Bool { inner.withLock { $0.isDraining } }
  var generation: Generation { inner.withLock { $0.generation } }

  func beginDrain() { inner.withLock { $0.isDraining = true } }

  func activated(_ generation: Generation, source: String, warnings: [Diagnostic]) {
    inner.withLock {
      $0.generation = generation
      $0.source = source
      $0.warnings = warnings
      $0.activatedAt = WallClock.seconds()
      $0.failure = nil
      $0.reloads += 1
    }
  }

  func refused(_ diagnostics: [Diagnostic]) {
    inner.withLock {
      $0.reloadFailures += 1
      $0.failure = ReloadFailure(diagnostics: diagnostics, since: $0.failure?.since ?? WallClock.seconds())
    }
  }

  // MARK: What the admin listener prints

  func configurationText() -> String {
    let (configuration, source) = inner.withLock { ($0.generation.configuration, $0.source) }
    return "# \(source)\n" + ConfigurationPrinter.yaml(configuration)
  }

  func policiesJSON(_ figures: [WorkerFigures]) -> String {
    let now = inner.withLock { $0 }
    let census = GenerationCensus(figures)
    var hooks: [String: WorkerFigures.Hook] = [:]
    for one in figures.flatMap(\.hooks) {
      let key = one.binding + "\u{0}" + one.hook
      if hooks[key] == nil { hooks[key] = one } else { hooks[key]?.metrics += one.metrics }
    }
    let json = JSONWriter()
    json.object {
      json.member("generation", now.generation.number)
      json.member("active_since", now.activatedAt)
      json.member("reloads", now.reloads)
      // What is wrong stands before the long lists.
      if let failure = now.failure {
        json.object("reload_failure") {
          json.member("since", failure.since)
          json.diagnostics("errors", failure.diagnostics)
        }
      } else {
        json.null("reload_failure")
      }
      json.diagnostics("warnings", now.warnings)
      json.array("generations_alive") {
        for one in census.entries {
          json.object {
            json.member("generation", one.number)
            json.member("exchanges", one.exchanges)
            json.member("bytes", one.bytes)
          }
        }
      }
      json.array("policies") {
        for policy in now.generation.policies.descriptions {
          json.object {
            json.member("name", policy.policy)
            json.member("binding", policy.binding)
            json.member("file", policy.file)
            json.member("version", policy.version)
            json.member("auto", policy.isAutomatic)
            json.array("hooks") { for hook in policy.hooks { json.element(hook) } }
            json.array("routes") { for route in policy.routes { json.element(route) } }
            json.array("runs") {
              for one in hooks.values.filter({ $0.binding == policy.binding }).sorted(by: { $0.hook < $1.hook }) {
                json.object {
                  json.member("hook", one.hook)
                  json.member("count", Int(clamping: one.metrics.count))
                  json.member("total_ns", Int(clamping: one.metrics.totalNs))
                  json.member("errors", Int(clamping: one.metrics.errors))
                  json.member("aborts", Int(clamping: one.metrics.aborts))
                  if one.metrics.dropped > 0 { json.member("dropped", Int(clamping: one.metrics.dropped)) }
                }
              }
            }
          }
        }
      }
    }
    return json.text + "\n"
  }

  /// What `/metrics` shows beside the counters that workers keep.
  func gatewayFigures(_ workers: [WorkerFigures], droppedLogLines: UInt64) -> GatewayFigures {
    var figures = GatewayFigures()
    inner.withLock {
      figures.generation = $0.generation.number
      figures.reloads = UInt64($0.reloads)
      figures.reloadFailures = UInt64($0.reloadFailures)
    }
    figures.version = version
    figures.startTime = UInt64(clamping: startedAt)
    let census = GenerationCensus(workers)
    figures.generationsAlive = census.entries.count
    figures.policyBytes = UInt64(clamping: census.bytes)
    figures.droppedLogLines = droppedLogLines
    var pools: [String: GatewayFigures.Pool] = [:]
    var hooks: [String: GatewayFigures.Hook] = [:]
    for worker in workers {
      figures.exchangesOpen += worker.exchangesOpen
      figures.connectionsOpen += worker.connectionsOpen
      figures.connectionsAccepted += worker.connectionsAccepted
      figures.connectionsRefused += worker.connectionsRefused
      for one in worker.pools {
        let key = one.cluster + "\u{0}" + one.endpoint
        pools[key, default: GatewayFigures.Pool(cluster: one.cluster, endpoint: one.endpoint)].add(one)
      }
      for one in worker.hooks {
        let key = one.binding + "\u{0}" + one.hook
        hooks[key, default: GatewayFigures.Hook(binding: one.binding, hook: one.hook)].add(one.metrics)
      }
    }
    figures.pools = pools.keys.sorted().compactMap { pools[$0] }
    figures.hooks = hooks.keys.sorted().compactMap { hooks[$0] }
    figures.store = store.map { GatewayFigures.Store($0.figures) }
    figures.policyMetrics = stores.metrics.series.map(GatewayFigures.PolicyMetric.init)
    return figures
  }
}

extension JSONWriter {
  fileprivate func diagnostics(_ name: String, _ list: [Diagnostic]) {
    array(name) {
      for diagnostic in list {
        object {
          member("file", diagnostic.file)
          member("line", diagnostic.line)
          member("column", diagnostic.column)
          member("message", diagnostic.message)
          if !diagnostic.hint.isEmpty { member("hint", diagnostic.hint) }
        }
      }
    }
  }
}

extension GatewayFigures.PolicyMetric {
  fileprivate init(_ series: PolicyMetrics.Series) {
    let value: Value =
      switch series.figure {
      case .counter(let sum): .counter(sum)
      case .distribution(let one):
        .distribution(bounds: PolicyMetrics.Distribution.bounds, counts: one.counts, sum: one.sum)
      }
    self.init(
      binding: series.binding, name: series.name, labels: series.labels.map { ($0.name, $0.value) }, value: value)
  }
}

extension GatewayFigures.Pool {
  fileprivate mutating func add(_ one: WorkerFigures.Pool) {
    connections += one.connections
    streams += one.streams
    waiting += one.waiting
    opened += one.opened
    reused += one.reused
    failed += one.failed
    retired += one.retired
  }
}

extension GatewayFigures.Hook {
  fileprivate mutating func add(_ one: HookMetrics) {
    calls += one.count
    totalNs += one.totalNs
    errors += one.errors
    aborts += one.aborts
    skipped += one.skippedByBreaker
    dropped += one.dropped
  }
}
