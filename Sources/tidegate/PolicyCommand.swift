import ArgumentParser
import Foundation
import TideGateway

/// `tidegate policy`: what policy authors need.
struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Work on policies.",
    subcommands: [
      PolicyNewCommand.self, PolicyCheckCommand.self, PolicyTestCommand.self, PolicyTypesCommand.self,
      PolicyDocsCommand.self, PolicyBenchCommand.self,
    ])
}

/// `tidegate policy check`: loads and lints every policy of a folder, and says what each can do.
struct PolicyCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say what each policy in a folder can do, and what is wrong with it.",
    discussion: """
      Loads every policy as the gateway would, and reads its source for what would fail only when a hook runs: names that are not \
      there, fields of ctx that the hook cannot read or write, keys of cfg that the schema lacks, verdicts that a hook cannot return, \
      waiting where nothing may wait. Exits with 1 when there is a finding. A comment `-- tide: allow <rule>` silences a rule on its \
      line; findings name theirs in brackets.
      """)

  @Argument(help: "The folder of policies.")
  var folder = "Plugins"

  func run() throws {
    let report = PolicyFolderCheck.run(folder: folder)
    if !report.lines.isEmpty { print(report.lines.joined(separator: "\n")) }
    Problems.print(report.diagnostics)
    if !report.diagnostics.isEmpty { throw ExitCode(1) }
  }
}
