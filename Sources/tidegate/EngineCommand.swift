import ArgumentParser
import Foundation
import TideCore
import TideEngine
import TideIO

/// `tidegate engine`: the simulated engine as a program of its own.
struct EngineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engine",
    abstract: "Run a simulated inference engine that speaks OpenAI's API over HTTP/1.1 and HTTP/2.",
    discussion: EngineFaults.help)

  @Option(help: "Where to listen.")
  var address = "127.0.0.1:9000"
  @Option(help: "What answers when the model's name does not say: echo, lorem or scripted.")
  var mode = "echo"
  @Option(help: "Milliseconds between two tokens of a stream; 0 sends them as fast as they are taken.")
  var interval = 25.0
  @Option(help: "Tokens of an answer in lorem mode.")
  var tokens = 64
  @Option(help: "A line of the scripted answer; may be given several times.")
  var script: [String] = []
  @Option(help: "Worker threads.")
  var workers = 1
  @Flag(help: "Every chunk carries the instant at which it was due.")
  var due = false

  func run() throws {
    guard let listen = SocketAddress(address) else {
      throw ValidationError("`\(address)` is not an address; write it as 127.0.0.1:9000")
    }
    guard let mode = EngineMode(rawValue: mode) else {
      throw ValidationError(
        "`\(self.mode)` is no mode; choose one of \(EngineMode.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    let signals = SignalSet()
    var settings = EngineSettings()
    settings.address = listen
    settings.mode = mode
    settings.intervalMicroseconds = Int(max(0, min(interval, 3_600_000)) * 1000)
    settings.tokenCount = max(1, tokens)
    if !script.isEmpty { settings.script = script }
    settings.workers = max(1, workers)
    settings.tellsDue = due
    let engine = Engine(settings)
    do {
      let bound = try engine.start()
      // Not `print`: into a pipe or a file it would show only when the engine ends.
      let line = "tidegate engine: \(mode.rawValue) mode on http://\(bound), a token every \(interval) ms\n"
      FileHandle.standardOutput.write(Data(line.utf8))
    } catch let diagnostic as Diagnostic {
      Problems.print([diagnostic])
      throw ExitCode(1)
    }
    while let signal = signals.next(), signal == SIGHUP {}
    engine.stop()
  }
}
