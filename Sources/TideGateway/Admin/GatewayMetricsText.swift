import TideTelemetry

/// The families of `/metrics` that are taken from workers' figures rather than counted as they happen: pools, generations, hooks.
struct GatewayMetricsText {
  private(set) var text = ""

  init(_ figures: [WorkerFigures]) {
    writePools(figures)
    writeListeners(figures)
    writeGenerations(figures)
    writeHooks(figures)
  }

  private mutating func writePools(_ figures: [WorkerFigures]) {
    var pools: [String: (labels: String, values: [Double])] = [:]
    for pool in figures.flatMap(\.pools) {
      let key = pool.cluster + "\u{0}" + pool.endpoint
      var entry =
        pools[key] ?? ("cluster=\"\(escaped(pool.cluster))\",endpoint=\"\(escaped(pool.endpoint))\"", [Double](repeating: 0, count: 7))
      let values: [Double] = [
        Double(pool.connections), Double(pool.streams), Double(pool.waiting), Double(pool.opened), Double(pool.reused),
        Double(pool.failed), Double(pool.retired),
      ]
      for index in values.indices { entry.values[index] += values[index] }
      pools[key] = entry
    }
    let families: [(String, String, String)] = [
      ("tidegate_pool_connections", "gauge", "Connections to an endpoint, those being opened included."),
      ("tidegate_pool_streams", "gauge", "Requests in flight on an endpoint's connections."),
      ("tidegate_pool_waiting", "gauge", "Exchanges that wait for a connection."),
      ("tidegate_pool_opened_total", "counter", "Connections that were begun."),
      ("tidegate_pool_reused_total", "counter", "Requests that found a connection with room."),
      ("tidegate_pool_failed_total", "counter", "Connections that could not be made."),
      ("tidegate_pool_retired_total", "counter", "Connections replaced because too many cancels had gone over them."),
    ]
    for (index, family) in families.enumerated() {
      header(family.0, family.1, family.2)
      for key in pools.keys.sorted() { line(family.0, pools[key]!.labels, pools[key]!.values[index]) }
    }
  }

  private mutating func writeListeners(_ figures: [WorkerFigures]) {
    header("tidegate_connections", "gauge", "Clients' connections that are open.")
    line("tidegate_connections", "", Double(figures.reduce(0) { $0 + $1.connectionsOpen }))
    header("tidegate_connections_accepted_total", "counter", "Clients' connections accepted.")
    line("tidegate_connections_accepted_total", "", Double(figures.reduce(0) { $0 + $1.connectionsAccepted }))
    header("tidegate_connections_refused_total", "counter", "Clients' connections closed because the limit was reached.")
    line("tidegate_connections_refused_total", "", Double(figures.reduce(0) { $0 + $1.connectionsRefused }))
    header("tidegate_loop_lag_milliseconds", "gauge", "How late each worker's loop is.")
    for (index, one) in figures.enumerated() {
      line("tidegate_loop_lag_milliseconds", "worker=\"\(index)\"", Double(one.loopLagMs))
    }
  }

  private mutating func writeGenerations(_ figures: [WorkerFigures]) {
    var alive: [Int: Int] = [:]
    for one in figures { for (number, exchanges) in one.generations { alive[number, default: 0] += exchanges } }
    header("tidegate_generation_exchanges", "gauge", "Exchanges that run on each generation that is alive.")
    for number in alive.keys.sorted() {
      line("tidegate_generation_exchanges", "generation=\"\(number)\"", Double(alive[number] ?? 0))
    }
  }

  private mutating func writeHooks(_ figures: [WorkerFigures]) {
    var hooks: [String: (labels: String, values: [Double])] = [:]
    for hook in figures.flatMap(\.hooks) {
      let key = hook.binding + "\u{0}" + hook.hook
      var entry = hooks[key] ?? ("policy=\"\(escaped(hook.binding))\",hook=\"\(hook.hook)\"", [Double](repeating: 0, count: 4))
      entry.values[0] += Double(hook.metrics.count)
      entry.values[1] += Double(hook.metrics.totalNs) / 1e9
      entry.values[2] += Double(hook.metrics.errors)
      entry.values[3] += Double(hook.metrics.aborts)
      hooks[key] = entry
    }
    let families: [(String, String)] = [
      ("tidegate_hook_runs_total", "Hook runs."), ("tidegate_hook_seconds_total", "Time spent in hooks."),
      ("tidegate_hook_errors_total", "Hook runs that failed."),
      ("tidegate_hook_aborts_total", "Hook runs stopped for time or memory."),
    ]
    for (index, family) in families.enumerated() {
      header(family.0, "counter", family.1)
      for key in hooks.keys.sorted() { line(family.0, hooks[key]!.labels, hooks[key]!.values[index]) }
    }
  }

  private mutating func header(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  private mutating func line(_ name: String, _ labels: String, _ value: Double) {
    let number = value == value.rounded() && value.magnitude < 1e15 ? String(Int(value)) : String(value)
    text += labels.isEmpty ? "\(name) \(number)\n" : "\(name){\(labels)} \(number)\n"
  }

  private func escaped(_ value: String) -> String {
    var result = ""
    for character in value {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.append(character)
      }
    }
    return result
  }
}
