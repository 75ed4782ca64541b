extension BenchStep {
  /// All that the step measured, in lines for people.
  public func text() -> String {
    let unit = isStreaming ? "token" : "request"
    var lines = [
      "\(connections) connections, \(streams) streams, open after \(openedInMs) ms, measured \(Figure.text(elapsedS, 1)) s"
    ]
    if isStreaming {
      lines.append(
        row("tokens", "\(Figure.text(tokensPerS, 0))/s, mean inter-token \(Figure.text(meanInterTokenMs, 2)) ms"))
      lines.append(row("gap", gapUs, unit: "ms"))
      if let latenessUs { lines.append(row("lateness", latenessUs, unit: "ms")) }
    }
    lines.append(row("completed", "\(completed), \(Figure.text(requestsPerS, 0))/s; open at the end \(openStreams)"))
    lines.append(row(isStreaming ? "first token" : "first byte", firstTokenUs, unit: "us"))
    if !isStreaming { lines.append(row("whole", durationUs, unit: "us")) }
    for process in processes { lines.append(row(process.name, use(process, unit))) }
    if let process = client.process {
      let threads = client.threads.map { "\(Figure.text($0.busyPercent, 0)) %" }.joined(separator: ", ")
      lines.append(
        row(
          "client", "\(Figure.text(process.cpuUsEach, 2)) us/\(unit), threads busy \(threads)"))
    }
    let kinds = failures.named.filter { $0.count > 0 }.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
    lines.append(row("failures", "\(failures.total)" + (kinds.isEmpty ? "" : " (\(kinds))")))
    return (lines + remarks()).joined(separator: "\n")
  }

  /// Failures in words and warnings, a line each.
  public func remarks() -> [String] {
    failureMessages.map { "failed \($0.count) times: \($0.message)" } + warnings.map { "warning: \($0)" }
  }

  private func use(_ process: ProcessUse, _ unit: String) -> String {
    func kib(_ bytes: Int) -> String { Figure.text(Double(bytes) / 1024, 1) }
    return "\(Figure.text(process.cpuUsEach, 2)) us/\(unit) (user \(Figure.text(process.userUsEach, 2)), "
      + "system \(Figure.text(process.systemUsEach, 2))), \(Figure.text(process.cpuPercent, 0)) % of a core, resident "
      + "\(Figure.text(Double(process.residentBytes) / 1_048_576, 1)) MiB, \(kib(process.residentBytesPerStream)) KiB "
      + "a stream (grown by \(kib(process.grownBytesPerStream)))"
  }

  private func row(_ name: String, _ text: String) -> String {
    name + String(repeating: " ", count: max(1, 14 - name.count)) + text
  }

  private func row(_ name: String, _ values: Distribution, unit: String) -> String {
    let scale = unit == "ms" ? 1000.0 : 1
    func at(_ value: Double) -> String { Figure.text(value / scale, scale > 1 ? 1 : 0) }
    return row(
      name,
      "p50 \(at(values.p50))  p90 \(at(values.p90))  p99 \(at(values.p99))  p99.9 \(at(values.p999))  max \(at(values.max)) \(unit)"
    )
  }
}
