extension PrometheusWriter {
  private static let nanosecondsPerSecond: UInt64 = 1_000_000_000

  mutating func writeProcess(_ process: ProcessMetrics, workerCount: Int, droppedLogLines: UInt64) {
    family("tidegate_build_info", .gauge, "The version that runs; always 1.")
    sample("tidegate_build_info", [("version", process.version)], 1)
    family("tidegate_start_time_seconds", .gauge, "When the process started, in seconds since 1970.")
    sample("tidegate_start_time_seconds", [], process.startTime)
    family("tidegate_workers", .gauge, "Worker threads.")
    sample("tidegate_workers", [], UInt64(workerCount))
    family("tidegate_generation", .gauge, "The generation of configuration and policies that new exchanges follow.")
    sample("tidegate_generation", [], process.generation)
    family("tidegate_generations_alive", .gauge, "Generations that still have exchanges.")
    sample("tidegate_generations_alive", [], process.generationsAlive)
    family("tidegate_reloads_total", .counter, "Generations put in force since the start.")
    sample("tidegate_reloads_total", [], process.reloads)
    family("tidegate_reload_failures_total", .counter, "Reloads that were refused and changed nothing.")
    sample("tidegate_reload_failures_total", [], process.reloadFailures)
    family("tidegate_log_lines_dropped_total", .counter, "Log lines dropped because their destination was too slow.")
    sample("tidegate_log_lines_dropped_total", [], droppedLogLines)
  }

  mutating func writeTraffic(_ workers: [WorkerMetrics]) {
    func total(_ count: WorkerMetrics.Count) -> UInt64 { workers.reduce(0) { $0 &+ $1.current(count) } }
    func total(_ level: WorkerMetrics.Level) -> UInt64 { workers.reduce(0) { $0 &+ $1.current(level) } }
    let down = (name: "side", value: "downstream")
    let up = (name: "side", value: "upstream")
    family("tidegate_connections_total", .counter, "Connections accepted (downstream) and made (upstream).")
    sample("tidegate_connections_total", [down], total(.downstreamConnections))
    sample("tidegate_connections_total", [up], total(.upstreamConnections))
    family("tidegate_connections_open", .gauge, "Connections open now.")
    sample("tidegate_connections_open", [down], total(.downstreamConnectionsOpen))
    sample("tidegate_connections_open", [up], total(.upstreamConnectionsOpen))
    family("tidegate_bytes_total", .counter, "Bytes read (in) and written (out).")
    sample("tidegate_bytes_total", [down, ("direction", "in")], total(.downstreamBytesIn))
    sample("tidegate_bytes_total", [down, ("direction", "out")], total(.downstreamBytesOut))
    sample("tidegate_bytes_total", [up, ("direction", "in")], total(.upstreamBytesIn))
    sample("tidegate_bytes_total", [up, ("direction", "out")], total(.upstreamBytesOut))
    counter("tidegate_tls_handshakes_total", "TLS handshakes that succeeded.", total(.tlsHandshakes))
    counter("tidegate_tls_handshake_failures_total", "TLS handshakes that failed.", total(.tlsHandshakeFailures))
    counter("tidegate_exchanges_started_total", "Requests that began an exchange.", total(.exchangesStarted))
    family("tidegate_exchanges_active", .gauge, "Exchanges that have not ended.")
    sample("tidegate_exchanges_active", [], total(.exchangesActive))
    counter("tidegate_retries_total", "Attempts after the first.", total(.retries))
    counter("tidegate_shed_total", "New requests refused because the gateway was overloaded.", total(.shed))
    counter(
      "tidegate_upstream_pauses_total", "Times an upstream was paused because its client was slow.",
      total(.upstreamPauses))
    counter("tidegate_log_hooks_dropped_total", "Calls of on_log dropped under load.", total(.logHooksDropped))
    counter("tidegate_loop_turns_total", "Turns of all workers' loops.", total(.turns))
    family("tidegate_loop_turn_seconds", .histogram, "How long a turn of a worker's loop took.")
    for worker in workers {
      histogram(
        "tidegate_loop_turn_seconds", [("worker", String(worker.worker))], worker.loopLag.snapshot,
        unit: Self.nanosecondsPerSecond)
    }
  }

  mutating func writeExchanges(_ workers: [WorkerMetrics]) {
    let groups = Self.grouped(workers.flatMap(\.exchangeCells)) { [$0.cluster, $0.dialect] }
    func labels(_ key: [String]) -> Labels { [("cluster", key[0]), ("dialect", key[1])] }

    family("tidegate_exchanges_total", .counter, "Exchanges by how they ended and the class of their status.")
    for (key, cells) in groups {
      for outcome in ExchangeOutcome.allCases {
        for status in ExchangeMetrics.statusClasses {
          let count = cells.reduce(0) { $0 &+ $1.endedCount(outcome, statusClass: status) }
          guard count > 0 else { continue }
          sample("tidegate_exchanges_total", labels(key) + [("outcome", outcome.rawValue), ("status", status)], count)
        }
      }
    }
    family("tidegate_tokens_total", .counter, "Tokens read by models (input) and written by them (output).")
    for (key, cells) in groups {
      let input = cells.reduce(0) { $0 &+ $1.inputTokens.current }
      let output = cells.reduce(0) { $0 &+ $1.outputTokens.current }
      sample("tidegate_tokens_total", labels(key) + [("gen_ai_token_type", "input")], input)
      sample("tidegate_tokens_total", labels(key) + [("gen_ai_token_type", "output")], output)
    }
    family("gen_ai_client_token_usage", .histogram, "Tokens of one exchange.")
    for (key, cells) in groups {
      for (type, path) in [
        ("input", \ExchangeMetrics.inputTokensPerExchange), ("output", \ExchangeMetrics.outputTokensPerExchange),
      ] {
        histogram(
          "gen_ai_client_token_usage", labels(key) + [("gen_ai_token_type", type)],
          Self.merged(cells.map { $0[keyPath: path] }))
      }
    }
    let times: [(String, String, KeyPath<ExchangeMetrics, Histogram>)] = [
      ("gen_ai_server_request_duration_seconds", "From the request's head to the end of the exchange.", \.duration),
      ("gen_ai_server_time_to_first_token_seconds", "From the request's head to the first token.", \.timeToFirstToken),
      ("gen_ai_server_time_per_output_token_seconds", "Gap between two tokens as they left.", \.tokenGap),
    ]
    for (name, help, path) in times {
      family(name, .histogram, help)
      for (key, cells) in groups {
        histogram(name, labels(key), Self.merged(cells.map { $0[keyPath: path] }), unit: Self.nanosecondsPerSecond)
      }
    }
  }

  mutating func writePools(_ workers: [WorkerMetrics]) {
    let groups = Self.grouped(workers.flatMap(\.poolCells)) { [$0.cluster, $0.endpoint] }
    func write(_ name: String, _ kind: Kind, _ help: String, _ value: (PoolMetrics) -> UInt64) {
      family(name, kind, help)
      for (key, cells) in groups {
        let total = cells.reduce(0) { $0 &+ value($1) }
        sample(name, [("cluster", key[0]), ("endpoint", key[1])], total)
      }
    }
    write("tidegate_pool_opened_total", .counter, "Upstream connections made.") { $0.opened.current }
    write("tidegate_pool_failed_total", .counter, "Upstream connections that could not be made.") { $0.failed.current }
    write("tidegate_pool_reused_total", .counter, "Attempts on a connection that had carried one.") {
      $0.reused.current
    }
    write("tidegate_pool_retired_total", .counter, "Upstream connections retired.") { $0.retired.current }
    write("tidegate_pool_connections", .gauge, "Upstream connections open now.") { $0.open.current }
    write("tidegate_pool_in_use", .gauge, "Attempts that hold a stream or connection now.") { $0.inUse.current }
  }

  mutating func writeHooks(_ workers: [WorkerMetrics]) {
    let groups = Self.grouped(workers.flatMap(\.hookCells)) { [$0.binding, $0.hook] }
    func labels(_ key: [String]) -> Labels { [("policy", key[0]), ("hook", key[1])] }
    family("tidegate_hook_duration_seconds", .histogram, "Time of one call of a policy's hook.")
    for (key, cells) in groups {
      histogram(
        "tidegate_hook_duration_seconds", labels(key), Self.merged(cells.map(\.calls)), unit: Self.nanosecondsPerSecond)
    }
    family("tidegate_hook_errors_total", .counter, "Calls that raised an error or returned what they may not.")
    for (key, cells) in groups {
      sample("tidegate_hook_errors_total", labels(key), cells.reduce(0) { $0 &+ $1.errors.current })
    }
    family("tidegate_hook_skipped_total", .counter, "Calls left out because the breaker was open.")
    for (key, cells) in groups {
      sample("tidegate_hook_skipped_total", labels(key), cells.reduce(0) { $0 &+ $1.skipped.current })
    }
    family("tidegate_hook_aborts_total", .counter, "Calls stopped because a budget was exhausted.")
    for (key, cells) in groups {
      for abort in HookMetrics.Abort.allCases {
        let count = cells.reduce(0) { $0 &+ $1.abortCount(abort) }
        sample("tidegate_hook_aborts_total", labels(key) + [("budget", abort.rawValue)], count)
      }
    }
  }

  mutating func writeEvents(_ workers: [WorkerMetrics]) {
    var refused: [String: UInt64] = [:]
    var attacks: [String: UInt64] = [:]
    var cancels: [String: UInt64] = [:]
    var timeouts: [String: UInt64] = [:]
    for worker in workers {
      for (event, count) in worker.events {
        switch event {
        case .refused(let name): refused[name, default: 0] &+= count
        case .attack(let name): attacks[name, default: 0] &+= count
        case .cancel(let name): cancels[name, default: 0] &+= count
        case .timeout(let name): timeouts[name, default: 0] &+= count
        }
      }
    }
    let families: [(String, String, String, [String: UInt64])] = [
      ("tidegate_refused_total", "reason", "Requests refused before an upstream was asked.", refused),
      ("tidegate_attacks_total", "row", "Connections or streams ended by a limit against floods.", attacks),
      ("tidegate_cancels_total", "phase", "Upstream attempts cancelled because the client left.", cancels),
      ("tidegate_timeouts_total", "kind", "Deadlines that passed.", timeouts),
    ]
    for (name, label, help, values) in families {
      family(name, .counter, help)
      for (value, count) in values.sorted(by: { $0.key < $1.key }) { sample(name, [(label, value)], count) }
    }
  }

  private mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
    family(name, .counter, help)
    sample(name, [], value)
  }

  private static func merged(_ histograms: [Histogram]) -> HistogramSnapshot {
    var result = histograms[0].snapshot
    for histogram in histograms.dropFirst() { result.merge(histogram.snapshot) }
    return result
  }

  /// Cells of the same labels from all workers, in the order of their labels. No group is empty.
  private static func grouped<Cell>(_ cells: [Cell], by key: (Cell) -> [String]) -> [(key: [String], cells: [Cell])] {
    Dictionary(grouping: cells, by: key).sorted { $0.key.lexicographicallyPrecedes($1.key) }
      .map { (key: $0.key, cells: $0.value) }
  }
}
