extension PrometheusWriter {
  private static let nanosecondsPerSecond: UInt64 = 1_000_000_000

  mutating func writeProcess(_ figures: GatewayFigures, workerCount: Int) {
    family("tidegate_build_info", .gauge, "The version that runs; always 1.")
    sample("tidegate_build_info", [("version", figures.version)], 1)
    single("tidegate_start_time_seconds", .gauge, "When the process started, since 1970.", figures.startTime)
    single("tidegate_workers", .gauge, "Worker threads.", UInt64(clamping: workerCount))
    single(
      "tidegate_generation", .gauge, "The generation of configuration and policies that new exchanges follow.",
      UInt64(clamping: figures.generation))
    single(
      "tidegate_generations_alive", .gauge, "Generations that still have exchanges.",
      UInt64(clamping: figures.generationsAlive))
    single(
      "tidegate_policy_memory_bytes", .gauge, "What the Lua states of all generations alive hold.", figures.policyBytes)
    single("tidegate_reloads_total", .counter, "Generations put in force since the start.", figures.reloads)
    single(
      "tidegate_reload_failures_total", .counter, "Reloads that were refused and changed nothing.",
      figures.reloadFailures)
    single(
      "tidegate_log_lines_dropped_total", .counter, "Log lines dropped because their destination was too slow.",
      figures.droppedLogLines)
  }

  mutating func writeTraffic(_ figures: GatewayFigures, _ workers: [WorkerMetrics]) {
    func total(_ count: WorkerMetrics.Count) -> UInt64 { workers.reduce(0) { $0 &+ $1.current(count) } }
    let down = (name: "side", value: "downstream")
    let up = (name: "side", value: "upstream")
    family("tidegate_connections_total", .counter, "Connections accepted (downstream) and made (upstream).")
    sample("tidegate_connections_total", [down], figures.connectionsAccepted)
    sample("tidegate_connections_total", [up], figures.pools.reduce(0) { $0 &+ $1.opened })
    family("tidegate_connections_open", .gauge, "Connections open now.")
    sample("tidegate_connections_open", [down], UInt64(clamping: figures.connectionsOpen))
    sample("tidegate_connections_open", [up], figures.pools.reduce(0) { $0 &+ UInt64(clamping: $1.connections) })
    single(
      "tidegate_connections_refused_total", .counter, "Connections closed at once because a limit was reached.",
      figures.connectionsRefused)
    family("tidegate_bytes_total", .counter, "Bytes read (in) and written (out).")
    sample("tidegate_bytes_total", [down, ("direction", "in")], total(.downstreamBytesIn))
    sample("tidegate_bytes_total", [down, ("direction", "out")], total(.downstreamBytesOut))
    sample("tidegate_bytes_total", [up, ("direction", "in")], total(.upstreamBytesIn))
    sample("tidegate_bytes_total", [up, ("direction", "out")], total(.upstreamBytesOut))
    single("tidegate_tls_handshakes_total", .counter, "TLS handshakes that succeeded.", total(.tlsHandshakes))
    single(
      "tidegate_tls_handshake_failures_total", .counter, "TLS handshakes that failed.", total(.tlsHandshakeFailures))
    single("tidegate_exchanges_open", .gauge, "Exchanges that have not ended.", UInt64(clamping: figures.exchangesOpen))
    single("tidegate_cancels_total", .counter, "Exchanges whose client left before the answer's end.", total(.cancels))
    single("tidegate_retries_total", .counter, "Attempts after the first.", total(.retries))
    single(
      "tidegate_upstream_pauses_total", .counter, "Times an upstream was paused because its client was slow.",
      total(.upstreamPauses))
    single(
      "tidegate_log_hooks_dropped_total", .counter, "Calls of on_log dropped under load.",
      figures.hooks.reduce(0) { $0 &+ $1.dropped })
  }

  mutating func writeExchanges(_ workers: [WorkerMetrics]) {
    let groups = Self.grouped(workers.flatMap(\.exchanges)) { [$0.cluster, $0.dialect] }
    func labels(_ key: [String]) -> Labels { [("cluster", key[0]), ("dialect", key[1])] }

    family("tidegate_exchanges_total", .counter, "Exchanges by how they ended and the class of their status.")
    for (key, cells) in groups {
      var ended: [ExchangeMetrics.Ending: UInt64] = [:]
      for cell in cells { ended.merge(cell.ended.map { ($0.ending, $0.count) }) { $0 &+ $1 } }
      for (ending, count) in ended.sorted(by: {
        ($0.key.outcome, $0.key.statusClass) < ($1.key.outcome, $1.key.statusClass)
      }) {
        sample(
          "tidegate_exchanges_total", labels(key) + [("outcome", ending.outcome), ("status", ending.statusClass)], count
        )
      }
    }
    family("tidegate_tokens_total", .counter, "Tokens read by models (input) and written by them (output).")
    for (key, cells) in groups {
      sample(
        "tidegate_tokens_total", labels(key) + [("gen_ai_token_type", "input")],
        cells.reduce(0) { $0 &+ $1.inputTokens })
      sample(
        "tidegate_tokens_total", labels(key) + [("gen_ai_token_type", "output")],
        cells.reduce(0) { $0 &+ $1.outputTokens })
    }
    family("gen_ai_client_token_usage", .histogram, "Tokens of one exchange.")
    for (key, cells) in groups {
      histogram(
        "gen_ai_client_token_usage", labels(key) + [("gen_ai_token_type", "input")],
        Self.merged(cells.map(\.inputTokensPerExchange), .tokens))
      histogram(
        "gen_ai_client_token_usage", labels(key) + [("gen_ai_token_type", "output")],
        Self.merged(cells.map(\.outputTokensPerExchange), .tokens))
    }
    family("gen_ai_server_request_duration_seconds", .histogram, "From the request's head to the end of the exchange.")
    for (key, cells) in groups {
      histogram(
        "gen_ai_server_request_duration_seconds", labels(key), Self.merged(cells.map(\.duration), .time),
        unit: Self.nanosecondsPerSecond)
    }
    family("gen_ai_server_time_to_first_token_seconds", .histogram, "From the request's head to the first token.")
    histogram(
      "gen_ai_server_time_to_first_token_seconds", [], Self.merged(workers.map(\.timeToFirstToken), .time),
      unit: Self.nanosecondsPerSecond)
    family("gen_ai_server_time_per_output_token_seconds", .histogram, "Gap between two tokens.")
    histogram(
      "gen_ai_server_time_per_output_token_seconds", [], Self.merged(workers.map(\.tokenGap), .time),
      unit: Self.nanosecondsPerSecond)
  }

  mutating func writePools(_ pools: [GatewayFigures.Pool]) {
    let groups = Self.grouped(pools) { [$0.cluster, $0.endpoint] }
    func write(_ name: String, _ kind: Kind, _ help: String, _ value: (GatewayFigures.Pool) -> UInt64) {
      family(name, kind, help)
      for (key, pools) in groups {
        sample(name, [("cluster", key[0]), ("endpoint", key[1])], pools.reduce(0) { $0 &+ value($1) })
      }
    }
    write("tidegate_pool_opened_total", .counter, "Upstream connections made.") { $0.opened }
    write("tidegate_pool_failed_total", .counter, "Upstream connections that could not be made.") { $0.failed }
    write("tidegate_pool_reused_total", .counter, "Attempts on a connection that had carried one.") { $0.reused }
    write("tidegate_pool_retired_total", .counter, "Upstream connections retired.") { $0.retired }
    write("tidegate_pool_connections", .gauge, "Upstream connections open now.") { UInt64(clamping: $0.connections) }
    write("tidegate_pool_in_use", .gauge, "Attempts that hold a stream now.") { UInt64(clamping: $0.streams) }
    write("tidegate_pool_waiting", .gauge, "Exchanges that wait for a connection.") { UInt64(clamping: $0.waiting) }
  }

  mutating func writeHooks(_ hooks: [GatewayFigures.Hook]) {
    let groups = Self.grouped(hooks) { [$0.binding, $0.hook] }
    func write(
      _ name: String, _ help: String, unit: UInt64 = 1, _ value: (GatewayFigures.Hook) -> UInt64
    ) {
      family(name, .counter, help)
      for (key, hooks) in groups {
        sample(name, [("policy", key[0]), ("hook", key[1])], hooks.reduce(0) { $0 &+ value($1) }, unit: unit)
      }
    }
    write("tidegate_hook_calls_total", "Calls of a policy's hook.") { $0.calls }
    write(
      "tidegate_hook_seconds_total",
      "Time spent in a policy's hook; of hooks on every piece of text one call in 16 is timed.",
      unit: Self.nanosecondsPerSecond
    ) {
      $0.totalNs
    }
    write("tidegate_hook_errors_total", "Calls that raised an error or returned what they may not.") { $0.errors }
    write("tidegate_hook_aborts_total", "Calls stopped because a budget was exhausted.") { $0.aborts }
    write(
      "tidegate_hook_skipped_total", "Calls left out because the breaker was open: the hook's failure action applied."
    ) { $0.skipped }
  }

  /// `tidegate_policy_<name>`, labelled with the binding: what policies count and observe themselves.
  mutating func writePolicyMetrics(_ metrics: [GatewayFigures.PolicyMetric]) {
    var last = ""
    for metric in metrics {
      let labels = [(name: "policy", value: metric.binding)] + metric.labels
      switch metric.value {
      case .counter(let sum):
        let name = "tidegate_policy_\(metric.name)_total"
        if name != last { family(name, .counter, "Counted by a policy.") }
        sample(name, labels, number: sum)
        last = name
      case .distribution(let bounds, let counts, let sum):
        let name = "tidegate_policy_\(metric.name)"
        if name != last { family(name, .histogram, "Observed by a policy.") }
        histogram(name, labels, bounds: bounds, counts: counts, sum: sum)
        last = name
      }
    }
  }

  mutating func writeEvents(_ workers: [WorkerMetrics]) {
    let families: [(WorkerMetrics.Event, String, String, String)] = [
      (.refused, "tidegate_refused_total", "reason", "Requests refused before an exchange began."),
      (.shed, "tidegate_shed_total", "reason", "New requests refused because of overload."),
      (.attack, "tidegate_attacks_total", "row", "Connections or streams ended by a limit against floods."),
      (.timeout, "tidegate_timeouts_total", "kind", "Deadlines that passed."),
      (.decoded, "tidegate_decoded_total", "coding", "Bodies of requests and answers whose content coding was undone."),
      (
        .undecodable, "tidegate_undecodable_total", "reason",
        "Bodies of requests and answers that could not be read for their content coding."
      ),
    ]
    for (event, name, label, help) in families {
      var sums: [String: UInt64] = [:]
      for worker in workers { sums.merge(worker.events(event)) { $0 &+ $1 } }
      family(name, .counter, help)
      for (value, count) in sums.sorted(by: { $0.key < $1.key }) { sample(name, [(label, value)], count) }
    }
  }

  mutating func writeLoops(_ workers: [WorkerMetrics]) {
    single(
      "tidegate_loop_turns_total", .counter, "Turns of all workers' loops.",
      workers.reduce(0) { $0 &+ $1.current(.turns) })
    single(
      "tidegate_send_batches_total", .counter, "System calls that took the sends of many connections, by io_uring.",
      workers.reduce(0) { $0 &+ $1.current(.sendBatches) })
    family("tidegate_loop_turn_seconds", .histogram, "How long a turn of a worker's loop took.")
    for (index, worker) in workers.enumerated() {
      histogram(
        "tidegate_loop_turn_seconds", [("worker", String(index))], worker.loopTurn.snapshot,
        unit: Self.nanosecondsPerSecond)
    }
  }

  private mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
    family(name, kind, help)
    sample(name, [], value)
  }

  private static func merged(_ histograms: [Histogram], _ scale: Histogram.Scale) -> HistogramSnapshot {
    var result = HistogramSnapshot(scale: scale)
    for histogram in histograms { result.merge(histogram.snapshot) }
    return result
  }

  /// What has the same labels, in the order of the labels. No group is empty.
  private static func grouped<Cell>(_ cells: [Cell], by key: (Cell) -> [String]) -> [(key: [String], cells: [Cell])] {
    Dictionary(grouping: cells, by: key).sorted { $0.key.lexicographicallyPrecedes($1.key) }
      .map { (key: $0.key, cells: $0.value) }
  }
}
