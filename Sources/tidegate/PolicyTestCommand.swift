import ArgumentParser
import Foundation
import TideCore
import TideGateway

/// `tidegate policy test`: runs the tests that lie beside the policies.
struct PolicyTestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Run the tests of the policies in a folder.",
    discussion: """
      Tests lie in <name>_test.lua beside <name>.lua, or in <name>/policy_test.lua. They run in a real gateway without a \
      network, on a clock that only they move. Exits with 1 when a test fails and with 2 when none could be run.
      """)

  @Argument(help: "The folder of policies.")
  var folder = "Plugins"

  @Option(help: "Run only tests whose name, or whose policy's name, contains this.")
  var filter: String?

  @Option(help: "Start random numbers from here; a failure that needed luck can be had again.")
  var seed: UInt64 = 1

  @Option(help: "Write the results to this file, as JUnit has them.")
  var junit: String?

  func run() throws {
    let tests: PolicyTests
    do {
      tests = try PolicyTests(folder: folder, options: PolicyTests.Options(filter: filter, seed: seed))
    } catch {
      Problems.print([error])
      throw ExitCode(2)
    }
    let report = tests.run { file in print(PolicyTestText.lines(of: file).joined(separator: "\n")) }
    if let junit {
      do {
        try Data(PolicyTestJUnit.xml(report).utf8).write(to: URL(fileURLWithPath: junit))
      } catch {
        Problems.print([Diagnostic(file: junit, message: "cannot be written", hint: "check --junit")])
        throw ExitCode(2)
      }
    }
    guard report.testCount > 0 || report.failureCount > 0 else {
      let hint = filter.map { "no test's name contains '\($0)'" } ?? "write <name>_test.lua beside a policy"
      Problems.print([Diagnostic(file: folder, message: "there is no test to run", hint: hint)])
      throw ExitCode(2)
    }
    print(PolicyTestText.summary(report))
    if report.failureCount > 0 { throw ExitCode(1) }
  }
}
