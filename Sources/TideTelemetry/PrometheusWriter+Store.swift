extension PrometheusWriter {
  mutating func writeStore(_ store: GatewayFigures.Store) {
    func one(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
      family(name, kind, help)
      sample(name, [], value)
    }
    one("tidegate_store_connected", .gauge, "Whether the shared store is connected.", store.isConnected ? 1 : 0)
    one("tidegate_store_connects_total", .counter, "Connections made to the shared store.", store.connects)
    one("tidegate_store_commands_total", .counter, "Commands that the shared store has run.", store.commands)
    family("tidegate_store_failures_total", .counter, "Commands that the shared store has not run, by reason.")
    for (reason, count) in store.failures { sample("tidegate_store_failures_total", [("reason", reason)], count) }
    one(
      "tidegate_store_waiting", .gauge, "Commands that wait until the shared store is back.",
      UInt64(clamping: store.waiting))
    one(
      "tidegate_store_places", .gauge, "Places of tide.limit.concurrent that this gateway holds.",
      UInt64(clamping: store.places))
    family("tidegate_store_command_seconds", .histogram, "From a command to its reply.")
    histogram(
      "tidegate_store_command_seconds", [], bounds: store.latencyBounds, counts: store.latencyCounts,
      sum: store.latencySum)
  }
}
