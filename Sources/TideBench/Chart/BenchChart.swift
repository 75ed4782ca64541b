import TideCore

/// The pictures of the results.
public enum BenchChart {
  /// What is drawn against the number of connections.
  public enum Metric: String, Sendable, CaseIterable {
    case gap
    case interToken = "inter-token"
    case lateness
    case firstToken = "first-token"
    case cpu
    case memory

    var title: String {
      switch self {
      case .gap: "Time between the tokens of a stream"
      case .interToken: "Mean time between the tokens of a stream"
      case .lateness: "Lateness of tokens"
      case .firstToken: "Time to the first token"
      case .cpu: "CPU time of the watched process for each token"
      case .memory: "Resident memory of the watched process for each stream"
      }
    }

    var unit: String {
      switch self {
      case .cpu: "microseconds"
      case .memory: "KiB"
      default: "milliseconds"
      }
    }

    /// Percentiles have two lines for each system, the other figures one.
    fileprivate func percentiles(_ point: ChartSystem.Point) -> ChartSystem.Point.Percentiles? {
      switch self {
      case .gap: point.gapUs
      case .lateness: point.latenessUs
      case .firstToken: point.firstTokenUs
      case .interToken, .cpu, .memory: nil
      }
    }

    fileprivate func value(_ point: ChartSystem.Point) -> Double? {
      switch self {
      case .gap, .lateness, .firstToken: percentiles(point).map { $0.p99 / 1000 }
      case .interToken: point.meanInterTokenMs
      case .cpu: point.processes?.first?.cpuUsEach
      case .memory:
        point.processes?.first.map { $0.residentBytes / 1024 / Double(max(1, point.streams ?? point.connections)) }
      }
    }
  }

  /// Several systems in one picture: the 99th percentile solid, the median dashed, where the metric has them.
  ///
  /// - Parameter title: in place of the metric's own.
  /// - Throws: which system has none of the figures.
  public static func svg(_ systems: [ChartSystem], metric: Metric = .gap, title: String = "") throws(Diagnostic)
    -> String
  {
    var lines: [LineChart.Line] = []
    var medians: [LineChart.Line] = []
    for (color, system) in systems.enumerated() {
      let points = system.values(metric.value)
      guard !points.isEmpty else {
        throw Diagnostic(file: "", message: "the results of \(system.name) have no \(metric.rawValue)")
      }
      lines.append(LineChart.Line(name: system.name, color: color, points: points))
      let low = system.values { metric.percentiles($0).map { $0.p50 / 1000 } }
      if !low.isEmpty { medians.append(LineChart.Line(name: system.name, color: color, isDashed: true, points: low)) }
    }
    let chart = LineChart(
      title: title.isEmpty ? metric.title : title, subtitle: machine(systems), xTitle: "connections (logarithmic)",
      yTitle: metric.unit, lines: lines + medians, solidName: "99th percentile", dashedName: "median")
    return chart.svg()
  }

  /// `gap.svg`: percentiles of the gap, and the mean time between tokens.
  static func gap(_ system: ChartSystem) -> String? {
    single(
      system, .gap,
      [
        ("gap, 99th percentile", { $0.gapUs.map { $0.p99 / 1000 } }),
        ("gap, median", { $0.gapUs.map { $0.p50 / 1000 } }),
        ("mean inter-token time", { $0.meanInterTokenMs }),
      ])
  }

  /// `lateness.svg`; nil when no token told when it was due.
  static func lateness(_ system: ChartSystem) -> String? {
    single(
      system, .lateness,
      [
        ("99th percentile", { $0.latenessUs.map { $0.p99 / 1000 } }),
        ("median", { $0.latenessUs.map { $0.p50 / 1000 } }),
      ])
  }

  private static func single(
    _ system: ChartSystem, _ metric: Metric, _ figures: [(name: String, value: (ChartSystem.Point) -> Double?)]
  ) -> String? {
    let lines = figures.enumerated().map { color, figure in
      LineChart.Line(name: figure.name, color: color, points: system.values(figure.value))
    }.filter { !$0.points.isEmpty }
    guard !lines.isEmpty else { return nil }
    return LineChart(
      title: "\(metric.title): \(system.name)", subtitle: machine([system]), xTitle: "connections (logarithmic)",
      yTitle: metric.unit, lines: lines
    ).svg()
  }

  /// The machine, when all were measured on the same.
  private static func machine(_ systems: [ChartSystem]) -> String {
    let machines = Set(systems.map { $0.machine ?? "" })
    return machines.count == 1 ? machines.first ?? "" : ""
  }
}
