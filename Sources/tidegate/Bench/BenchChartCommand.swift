import ArgumentParser
import Foundation
import TideBench
import TideCore

/// `tidegate bench chart`: several systems' results in one picture.
struct BenchChartCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chart",
    abstract: "Draw the results of several systems in one chart, against the number of connections.",
    discussion: """
      Each file is the results.json of a run, the folder that holds it, or what --json printed. Counts that were measured several times \
      are drawn as their median.

      EXAMPLES
        tidegate bench chart measured/tidegate measured/envoy --output gap.svg
        tidegate bench chart Tidegate=a.json Envoy=b.json --metric lateness --output lateness.svg
      """)

  @Argument(help: "FILE or NAME=FILE, one for each system.")
  var files: [String]
  @Option(help: "gap, inter-token, lateness, first-token, cpu or memory.")
  var metric = "gap"
  @Option(help: "A title in place of the metric's.")
  var title = ""
  @Option(name: [.short, .long], help: "The SVG file; standard output when left out.")
  var output: String?

  func run() throws {
    guard let metric = BenchChart.Metric(rawValue: metric) else {
      let names = BenchChart.Metric.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("`\(metric)` is no --metric: \(names)")
    }
    do throws(Diagnostic) {
      var systems: [ChartSystem] = []
      for file in files { systems.append(try ChartSystem(file)) }
      let svg = try BenchChart.svg(systems, metric: metric, title: title)
      if let output { try ResultsFolder.write(svg, to: output) } else { print(svg, terminator: "") }
    } catch {
      Problems.print([error])
      throw ExitCode(1)
    }
  }
}
