import ArgumentParser
import Foundation
import TideCore
import TideGateway

/// `tidegate policy bench`: what policies cost.
struct PolicyBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure what policies cost, per request and per token.",
    discussion: """
      Runs the same exchange with a policy and without, without a network, and prints the difference in processor time: the median of \
      many rounds, and the range of their middle half. A policy is bound as `tide.bench { gateway = { { use = ..., config = ... } }, chat = { ... } }` in its \
      test file says, or without a configuration. The lines in parentheses are for comparison: the first policy that looks at text pays \
      for decoding it, and a hook that does nothing is what Lua costs at least. A price that is smaller than what rounds differ by may come \
      out below zero.
      """)

  @Argument(help: "The folder of policies.")
  var folder = "Plugins"

  @Option(name: .customLong("policy"), help: "Only this policy; may be given again.")
  var policies: [String] = []

  func run() throws {
    #if DEBUG
      FileHandle.standardError.write(Data("A debug build: these figures say nothing about a release.\n".utf8))
    #endif
    do {
      let bench = try PolicyBench(folder: folder)
      try bench.check(policies)
      print(Self.machine)
      print(Self.row("policy", "us a request", "ns a token", "ns a byte"))
      for price in try bench.referencePrices() { print(Self.row(price)) }
      var hasFailed = false
      bench.prices(of: policies) { result in
        switch result {
        case .success(let price): print(Self.row(price))
        case .failure(let diagnostic):
          hasFailed = true
          Problems.print([diagnostic])
        }
      }
      if hasFailed { throw ExitCode(1) }
    } catch let diagnostic as Diagnostic {
      Problems.print([diagnostic])
      throw ExitCode(2)
    }
  }

  private static func row(_ price: PolicyPrice) -> String {
    row(
      price.name, figure(price.requestUs, 1), figure(price.tokenNs, 0),
      String(format: "%.1f", price.tokenNs.median / price.tokenBytes))
  }

  private static func figure(_ figure: PolicyPrice.Figure, _ digits: Int) -> String {
    String(format: "%.\(digits)f (%.\(digits)f to %.\(digits)f)", figure.median, figure.least, figure.greatest)
  }

  private static func row(_ cells: String...) -> String {
    let widths = [28, 24, 24, 10]
    return zip(cells, widths).map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }.joined()
      .trimmingCharacters(in: .whitespaces)
  }

  /// What the figures were measured on.
  private static var machine: String {
    let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
    let model = line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown processor"
    return "Tidegate \(Tidegate.version), \(model), \(ProcessInfo.processInfo.activeProcessorCount) cores"
  }
}
