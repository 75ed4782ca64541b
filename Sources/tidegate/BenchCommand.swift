import ArgumentParser
import Foundation
import TideBench
import TideCore

/// `tidegate bench`: the load client.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Open many token streams, read them, and report the time between tokens.",
    discussion: """
      Every token of `tidegate engine` carries the instant at which it was due, so that lateness counts from there, whoever was late.
      Processes named by --pid are reported with their CPU time per token and their memory.

      EXAMPLES
        tidegate bench --url http://127.0.0.1:8080 --api-key KEY --connections 1000 --pid $(pidof tidegate)
        tidegate bench --url http://127.0.0.1:8080 --kind firstToken --connections 1 --model lorem-1
      """)

  @Option(help: "http://host:port or https://; the path is /v1/chat/completions when left out.")
  var url: String
  @Option(help: "streams, requests or firstToken.")
  var kind = "streams"
  @Option(help: "h2c, http1 or h2 (TLS, the certificate not verified).")
  var version = "h2c"
  @Option(help: "Connections.")
  var connections = 100
  @Option(help: "Streams on each connection.")
  var streams = 1
  @Option(help: "Milliseconds over which connections are opened.")
  var ramp = 1000
  @Option(help: "Milliseconds between all streams being open and the measurement.")
  var warmUp = 2000
  @Option(help: "Seconds of measurement.")
  var seconds = 10.0
  @Option(help: "The model to ask for.")
  var model = "lorem-1000000"
  @Option(help: "The prompt.")
  var prompt = "Tell me about the tide."
  @Option(help: "Sent as max_tokens when above 0.")
  var maxTokens = 0
  @Option(help: "The client's key.")
  var apiKey = ""
  @Option(help: "A process to report CPU and memory of; may be given several times.")
  var pid: [Int32] = []
  @Option(help: "Threads of the client.")
  var workers = 1
  @Flag(help: "Print JSON.")
  var json = false
  @Flag(help: "No progress lines.")
  var quiet = false

  func run() throws {
    var settings = BenchSettings(url: url)
    guard let kind = BenchSettings.Kind(rawValue: kind) else {
      throw ValidationError("--kind is streams, requests or firstToken")
    }
    guard let version = BenchSettings.Version(rawValue: version) else {
      throw ValidationError("--version is h2c, http1 or h2")
    }
    settings.kind = kind
    settings.version = version
    settings.connections = connections
    settings.streamsPerConnection = streams
    settings.rampMs = ramp
    settings.warmUpMs = warmUp
    settings.measureMs = Int(max(0.1, min(seconds, 86_400)) * 1000)
    settings.model = model
    settings.prompt = prompt
    settings.maxTokens = maxTokens
    settings.apiKey = apiKey
    settings.processIDs = pid
    settings.workers = workers
    if !quiet {
      settings.onProgress = { line in FileHandle.standardError.write(Data((line + "\n").utf8)) }
    }
    do {
      let report = try Bench(settings).run()
      print(json ? report.json() : report.table())
    } catch {
      Problems.print([error])
      throw ExitCode(1)
    }
  }
}
