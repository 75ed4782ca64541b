/// Writes the text exposition format of Prometheus (version 0.0.4): all workers' numbers added up, one family after another.
///
/// Labels come from the configuration and the program only: no user, no key, no model as a client wrote it.
public enum PrometheusText {
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// - Parameter droppedLogLines: from the log pipeline.
  public static func render(workers: [WorkerMetrics], process: ProcessMetrics, droppedLogLines: UInt64 = 0) -> String {
    var writer = PrometheusWriter()
    writer.writeProcess(process, workerCount: workers.count, droppedLogLines: droppedLogLines)
    writer.writeTraffic(workers)
    writer.writeExchanges(workers)
    writer.writePools(workers)
    writer.writeHooks(workers)
    writer.writeEvents(workers)
    return writer.text
  }
}
