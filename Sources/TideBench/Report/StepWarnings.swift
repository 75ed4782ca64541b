/// What a reader of a step's figures should know first.
enum StepWarnings {
  /// A client whose thread has less idle time than the rest is what was measured.
  private static let busyLimitPercent = 90.0

  static func of(
    _ step: BenchStep, openBefore: Int, latenessCount: UInt64, ended: [BenchSettings.WatchedProcess]
  ) -> [String] {
    var warnings: [String] = []
    if step.kind == .streams, min(openBefore, step.openStreams) < step.streams {
      warnings.append(
        "\(openBefore) of \(step.streams) streams were open when the measurement began, \(step.openStreams) when it ended"
      )
    }
    if let worst = step.client.worst, let warning = bottleneck(worst) { warnings.append(warning) }
    if step.isStreaming, latenessCount < step.tokens {
      let share = Figure.text(Double(latenessCount) / Double(step.tokens) * 100, 1)
      warnings.append(
        latenessCount == 0
          ? "the tokens do not tell the instant at which they were due, so that there is no lateness"
          : "only \(share) % of the tokens tell the instant at which they were due")
    }
    if step.kind == .streams, step.tokens > 0, step.fewestStreamTokens == 0 {
      warnings.append("at least one stream had no token while it was measured")
    }
    for process in ended { warnings.append("process \(process.name) (\(process.id)) ended during the run") }
    return warnings
  }

  /// A client that is short of time, its own or a core's, measures itself.
  static func bottleneck(_ thread: ClientUse.ThreadUse) -> String? {
    let busy = Figure.text(thread.busyPercent, 0)
    if thread.busyPercent > busyLimitPercent {
      return "the client was the bottleneck: a thread of it was busy \(busy) % of the time (more --workers may help)"
    }
    guard thread.busyPercent + thread.waitingPercent > busyLimitPercent else { return nil }
    return "the client was the bottleneck: a thread of it was busy \(busy) % of the time and waited "
      + "\(Figure.text(thread.waitingPercent, 0)) % for a core that others had"
  }
}
