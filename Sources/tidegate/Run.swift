import ArgumentParser
import Foundation
import TideGateway

/// `tidegate run`: the gateway.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the gateway.",
    discussion: """
      SIGTERM (or Ctrl-C) stops accepting and lets streams end, for at most `drain.timeout`; a second one ends at once. SIGHUP asks
      for a reload; saving the configuration or a policy does the same.
      """)

  @Option(name: [.short, .long], help: "The configuration file.")
  var config: String?

  func run() throws {
    let options = Gateway.Options(
      configPath: config, environment: ProcessInfo.processInfo.environment, version: Tidegate.version)
    do {
      let code = try Gateway(options).run()
      throw ExitCode(code)
    } catch let failure as Gateway.StartFailure {
      Problems.print(failure.diagnostics)
      throw ExitCode(1)
    }
  }
}
