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

/// `tidegate policy check`: loads every policy of a folder and says what each can do.
struct PolicyCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Load every policy in a folder and say what each does, or what is wrong with it.")

  @Argument(help: "The folder of policies.")
  var folder = "Plugins"

  func run() throws {
    let report = PolicyFolderCheck.run(folder: folder)
    if !report.lines.isEmpty { print(report.lines.joined(separator: "\n")) }
    Problems.print(report.diagnostics)
    if !report.diagnostics.isEmpty { throw ExitCode(1) }
  }
}
