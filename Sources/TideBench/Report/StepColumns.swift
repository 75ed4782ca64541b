/// The columns in which steps are compared: in a terminal while a run goes on, and in `table.md`.
public struct StepColumns: Sendable {
  private static let figureWidth = 7

  private let isStreaming: Bool
  private let processes: [String]
  let names: [String]

  public init(_ settings: BenchSettings) {
    self.init(isStreaming: settings.kind != .requests, processes: settings.processes.map(\.name))
  }

  /// - Parameter processes: names of the watched processes; each has columns of its own.
  init(isStreaming: Bool, processes: [String]) {
    self.isStreaming = isStreaming
    self.processes = processes
    let unit = isStreaming ? "token" : "request"
    var names = ["connections", "streams"]
    names +=
      isStreaming
      ? [
        "tokens/s", "inter-token ms", "gap p50 ms", "p99", "p99.9", "max", "late p50 ms", "p99", "first p50 ms", "p99",
      ] : ["requests/s", "first byte p50 ms", "p99", "whole p50 ms", "p99", "p99.9", "max"]
    for process in processes {
      // One process needs no name in every column.
      let prefix = processes.count > 1 ? "\(process) " : ""
      names += ["\(prefix)us/\(unit)", "\(prefix)KiB/stream"]
    }
    self.names = names + ["client us/\(unit)", "client busy %", "failed"]
  }

  /// The names in one line, as wide as `line` is.
  public var header: String { TextTable.line(names, widths) }

  /// A step in one line.
  public func line(_ step: BenchStep) -> String { TextTable.line(cells(step), widths) }

  private var widths: [Int] { TextTable.widths(names, figureWidth: Self.figureWidth) }

  func cells(_ step: BenchStep) -> [String] {
    func ms(_ microseconds: Double) -> String { Figure.text(microseconds / 1000, microseconds < 10_000 ? 2 : 1) }
    var cells = ["\(step.connections)", "\(step.streams)"]
    if isStreaming {
      cells += [Figure.text(step.tokensPerS, 0), Figure.text(step.meanInterTokenMs, 2)]
      cells += [step.gapUs.p50, step.gapUs.p99, step.gapUs.p999, step.gapUs.max].map(ms)
      cells += step.latenessUs.map { [ms($0.p50), ms($0.p99)] } ?? ["-", "-"]
      cells += [ms(step.firstTokenUs.p50), ms(step.firstTokenUs.p99)]
    } else {
      cells += [Figure.text(step.requestsPerS, 0), ms(step.firstTokenUs.p50), ms(step.firstTokenUs.p99)]
      cells += [step.durationUs.p50, step.durationUs.p99, step.durationUs.p999, step.durationUs.max].map(ms)
    }
    for name in processes {
      let use = step.processes.first { $0.name == name }
      cells.append(use.map { Figure.text($0.cpuUsEach, 2) } ?? "-")
      cells.append(use.map { Figure.text(Double($0.residentBytesPerStream) / 1024, 1) } ?? "-")
    }
    cells.append(step.client.process.map { Figure.text($0.cpuUsEach, 2) } ?? "-")
    cells.append(step.client.worst.map { Figure.text($0.busyPercent, 0) } ?? "-")
    return cells + ["\(step.failures.total)"]
  }
}
