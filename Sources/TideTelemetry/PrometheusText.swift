/// Writes the text exposition format of Prometheus (version 0.0.4): all workers' numbers added up, one family after another.
///
/// Labels come from the configuration and the program only: no user, no key, no model as a client wrote it. What policies count
/// themselves is theirs to name, under a prefix and a label that say so.
public enum PrometheusText {
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  public static func render(workers: [WorkerMetrics], figures: GatewayFigures) -> String {
    var writer = PrometheusWriter()
    writer.writeProcess(figures, workerCount: workers.count)
    writer.writeTraffic(figures, workers)
    writer.writeExchanges(workers)
    writer.writePools(figures.pools)
    writer.writeHooks(figures.hooks)
    if let store = figures.store { writer.writeStore(store) }
    writer.writePolicyMetrics(figures.policyMetrics)
    writer.writeEvents(workers)
    writer.writeLoops(workers)
    return writer.text
  }
}
