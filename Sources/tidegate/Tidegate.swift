import ArgumentParser
import TideGateway

@main
struct Tidegate: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "tidegate",
    abstract: "An AI gateway whose policies are Lua files.",
    discussion: """
      Without a command it runs the gateway: with $TIDEGATE_CONFIG, else Config/tidegate.yaml, else tidegate.yaml, else a built-in
      default that serves the embedded engine on 127.0.0.1:8080.

      EXAMPLES
        tidegate                                   run with what is found
        tidegate run --config gateway.yaml         run with a file
        tidegate check --config gateway.yaml       check the file and its policies, open no port
        tidegate policy check Plugins              check every policy in a folder
        tidegate engine --address 127.0.0.1:9000   a simulated engine, as a program of its own
        tidegate bench --url http://127.0.0.1:9000 read token streams and measure them
      """,
    version: version,
    subcommands: [Run.self, Check.self, PolicyCommand.self, EngineCommand.self, BenchCommand.self],
    defaultSubcommand: Run.self)
}
