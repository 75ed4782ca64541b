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
      network, on a clock that only they move. A hook may take \(PolicyTests.cpuFactor) times its budget of the processor (500 ms where it has \
      5 ms), at most 1 s, so that a slow machine decides nothing: `tidegate policy bench` says what policies cost. Exits with 1 when a test fails, or runs too few lines for --coverage-min, and with \
      2 when none could be run.
      """)

  @Argument(help: "The folder of policies.")
  var folder = "Plugins"

  @Option(help: "Run only tests whose name, or whose policy's name, contains this.")
  var filter: String?

  @Option(help: "Start random numbers from here; a failure that needed luck can be had again.")
  var seed: UInt64 = 1

  @Option(help: "Write the results to this file, as JUnit has them.")
  var junit: String?

  @Flag(help: "Of tests that fail, show all that policies logged and all that travelled.")
  var verbose = false

  @Flag(help: "Say which lines of the policies the tests ran, and which they did not.")
  var coverage = false

  @Option(help: "Fail when the tests run fewer than so many percent of any policy's lines.")
  var coverageMin: Int?

  func validate() throws {
    if let coverageMin, !(0...100).contains(coverageMin) {
      throw ValidationError("--coverage-min lies between 0 and 100.")
    }
  }

  func run() throws {
    let tests: PolicyTests
    do {
      tests = try PolicyTests(
        folder: folder,
        options: PolicyTests.Options(filter: filter, seed: seed, wantsCoverage: coverage || coverageMin != nil))
    } catch {
      Problems.print([error])
      throw ExitCode(2)
    }
    let report = tests.run { file in print(PolicyTestText.lines(of: file, isVerbose: verbose).joined(separator: "\n")) }
    if let junit {
      do {
        try Data(PolicyTestJUnit.xml(report).utf8).write(to: URL(fileURLWithPath: junit))
      } catch {
        Problems.print([Diagnostic(file: junit, message: "cannot be written", hint: "check --junit")])
        throw ExitCode(2)
      }
    }
    guard report.testCount > 0 || report.failureCount > 0 else {
      let hint =
        filter.map { "no test's name contains '\($0)'" }
        ?? (report.files.isEmpty ? "write <name>_test.lua beside a policy" : "no test file declares one")
      Problems.print([Diagnostic(file: folder, message: "there is no test to run", hint: hint)])
      throw ExitCode(2)
    }
    if let coverage = report.coverage { print(PolicyTestText.lines(of: coverage).joined(separator: "\n")) }
    print(PolicyTestText.summary(report))
    let untested = coverageMin.flatMap { report.coverage?.problems(below: $0) } ?? []
    Problems.print(untested)
    if report.failureCount > 0 || !untested.isEmpty { throw ExitCode(1) }
  }
}
