import ArgumentParser
import Foundation
import TideGateway

/// `tidegate check`: everything that `run` would refuse, without opening a port.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the configuration and its policies.",
    discussion:
      "Prints every problem as file:line:column: what is wrong (what is right), and exits with 1 when there is one.")

  @Option(name: [.short, .long], help: "The configuration file.")
  var config: String?

  func run() throws {
    let report = ConfigurationCheck.run(configPath: config, environment: ProcessInfo.processInfo.environment)
    Problems.print(report.diagnostics)
    guard report.isValid else { throw ExitCode(1) }
    print(report.summary)
  }
}
