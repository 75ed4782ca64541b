extension BenchResults {
  /// The text of `table.md`: what was measured where, a row for each step, and what was remarkable.
  public func markdown() -> String {
    guard let first = steps.first else { return "" }
    let columns = StepColumns(isStreaming: first.isStreaming, processes: first.processes.map(\.name))
    let table = TextTable(names: columns.names, rows: steps.map(columns.cells))
    var paragraphs = [
      "# \(first.label.isEmpty ? url : first.label)",
      "\(system). \(Self.name(of: first.version)) to `\(url)`, \(streamsPerConnection) "
        + "stream\(streamsPerConnection == 1 ? "" : "s") on each connection, model `\(model)`, \(workers) client "
        + "thread\(workers == 1 ? "" : "s"), \(Figure.text(first.elapsedS, 1)) s measured for each count.",
      table.markdown,
    ]
    var remarks: [String] = []
    if isInterrupted { remarks.append("- the run was ended early") }
    if let problem { remarks.append("- the run ended before its last count: \(problem)") }
    for step in steps { remarks += step.remarks().map { "- at \(step.connections) connections: \($0)" } }
    if !remarks.isEmpty { paragraphs.append(remarks.joined(separator: "\n")) }
    return paragraphs.joined(separator: "\n\n") + "\n"
  }

  private static func name(of version: BenchSettings.Version) -> String {
    switch version {
    case .h2c: "HTTP/2 in the clear"
    case .http1: "HTTP/1.1"
    case .h2: "HTTP/2 over TLS"
    }
  }
}
