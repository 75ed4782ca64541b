import ArgumentParser
import Foundation
import TideBench
import TideCore
import TideIO

/// `tidegate bench`: the load client.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Open many token streams, read them, and report the time between tokens.",
    discussion: """
      Opens connections with streams on them, waits until every stream has had a token, then measures. Several counts of connections \
      make a curve: each is measured in turn, and connections stay open from one to the next. A stream that ends is replaced.

      Every token of `tidegate engine` carries the instant at which it was due, so that lateness counts from there, whoever was late; \
      tokens of other engines do not, and lateness is then left out. The client's own CPU time is reported too, with a warning when \
      the client was what limited the run. One source address has ports for some 28,000 connections to one target: more than half \
      as many to a 127.0.0.x address come from several source addresses.

      Failures are counted by kind: connections (not opened), statuses (other than 200), resets, truncated (ended without the \
      terminal marker), timeouts (no token for --timeout), protocol (HTTP broken), errors (an error event).

      --json prints an object for each count, one a line; --output leaves results.json (the same objects in `steps`), table.md, \
      gap.svg and lateness.svg. Ctrl-C ends the run and reports what was measured.

      EXIT STATUS
        0    every stream went well
        1    nothing could be measured
        2    streams failed, or a count could not be measured
        130  ended by Ctrl-C

      EXAMPLES
        tidegate bench --url http://127.0.0.1:8080 --api-key KEY --connections 1000 --pid gateway=$(pidof tidegate)
        tidegate bench --url http://127.0.0.1:8080 --connections 10,100,1000,5000 --seconds 20 --output measured
        tidegate bench --url https://127.0.0.1:8443 --version http1 --connections 200
        tidegate bench --url http://127.0.0.1:8080 --kind firstToken --connections 1 --model lorem-1
        tidegate bench chart tidegate=measured envoy=other/results.json --output gap.svg
      """,
    subcommands: [BenchChartCommand.self])

  @Option(help: "http://host:port or https://; the path is /v1/chat/completions when left out.")
  var url: String?
  @Option(help: "streams, requests (short, not streamed) or firstToken (short streams).")
  var kind = "streams"
  @Option(
    name: [.customLong("version"), .customLong("protocol")],
    help:
      "h2c, http1 or h2 (TLS); http1 with an https URL is over TLS. Certificates are not verified. (default: HTTP/2)")
  var version: String?
  @Option(help: "Connections; several counts, with commas between them, are measured one after the other.")
  var connections = "100"
  @Option(help: "Streams on each connection.")
  var streams = 1
  @Option(
    help: "Milliseconds over which connections are opened. (default: one for each three connections, at least 1000)")
  var ramp: Int?
  @Option(help: "Milliseconds between all streams being open and the measurement.")
  var warmUp = 2000
  @Option(help: "Seconds of measurement for each count.")
  var seconds = 10.0
  @Option(help: "Seconds without a token after which a stream has failed.")
  var timeout = 60.0
  @Option(help: "The model to ask for.")
  var model = "lorem-1000000"
  @Option(help: "The prompt.")
  var prompt = "Tell me about the tide."
  @Option(help: "Sent as max_tokens when above 0.")
  var maxTokens = 0
  @Option(help: "The client's key.")
  var apiKey = ""
  @Option(help: "A header field of every request, `name: value`; may be given several times.")
  var header: [String] = []
  @Option(help: "A process to report CPU time and memory of, ID or NAME=ID; may be given several times.")
  var pid: [String] = []
  @Option(help: "Threads of the client.")
  var workers = 1
  @Option(help: "What the results are called in tables and charts.")
  var label = ""
  @Option(help: "A folder for results.json, table.md, gap.svg and lateness.svg.")
  var output: String?
  @Flag(help: "Print JSON.")
  var json = false
  @Flag(help: "No progress on standard error.")
  var quiet = false

  func run() throws {
    // Before any thread is started, since threads inherit what is blocked.
    let signals = SignalSet([SIGINT, SIGTERM])
    do {
      var settings = try settings()
      var folder: ResultsFolder?
      if let output { folder = try ResultsFolder(output) }
      let progress = quiet ? nil : ProgressLine()
      if let progress { settings.onProgress = { progress.show($0) } }
      let columns = settings.connections.count > 1 ? StepColumns(settings) : nil
      if let columns, !json { print(columns.header) }
      settings.onStep = { [json] step in
        progress?.clear()
        // Into a pipe as well a step is to be seen as soon as it is there.
        print(json ? step.json() : columns?.line(step) ?? step.text())
        fflush(nil)
      }
      let bench = try Bench(settings)
      interrupt(bench, on: signals)
      let results = try bench.run()
      progress?.clear()
      try report(results, in: folder, isCurve: columns != nil)
    } catch let diagnostic as Diagnostic {
      Problems.print([diagnostic])
      throw ExitCode(1)
    }
  }

  private func settings() throws -> BenchSettings {
    guard let url else { throw ValidationError("--url says where the load goes: http://127.0.0.1:8080") }
    var settings = BenchSettings(url: url)
    settings.kind = try Self.choice(kind, "--kind", BenchSettings.Kind.self)
    settings.version = try version.map { try Self.choice($0, "--version", BenchSettings.Version.self) }
    settings.connections = try connections.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let count = Int($0.trimmingCharacters(in: .whitespaces)), count > 0, count <= 1_000_000 else {
        throw ValidationError(
          "`\($0)` is no count of connections; write --connections 1000 or --connections 10,100,1000")
      }
      return count
    }
    settings.streamsPerConnection = streams
    settings.rampMs = ramp.map { max(0, $0) }
    settings.warmUpMs = max(0, warmUp)
    settings.measureMs = try Self.milliseconds(seconds, "--seconds")
    settings.timeoutMs = try Self.milliseconds(timeout, "--timeout")
    settings.model = model
    settings.prompt = prompt
    settings.maxTokens = maxTokens
    settings.apiKey = apiKey
    settings.headers = try header.map {
      guard let colon = $0.firstIndex(of: ":") else {
        throw ValidationError("`\($0)` is no header field; write name: value")
      }
      return (String($0[..<colon]), $0[$0.index(after: colon)...].trimmingCharacters(in: .whitespaces))
    }
    settings.processes = try pid.map(Self.process)
    settings.workers = workers
    settings.label = label
    return settings
  }

  private static func choice<Value: RawRepresentable & CaseIterable>(
    _ text: String, _ option: String, _ type: Value.Type
  ) throws -> Value where Value.RawValue == String {
    if let value = Value(rawValue: text) { return value }
    let names = Value.allCases.map(\.rawValue)
    let meant = nearestName(to: text, among: names).map { ", perhaps \($0)" } ?? ""
    throw ValidationError("`\(text)` is no \(option): \(names.joined(separator: ", "))\(meant)")
  }

  private static func milliseconds(_ seconds: Double, _ option: String) throws -> Int {
    guard seconds >= 0.001, seconds <= 86_400 else { throw ValidationError("\(option) is above 0 and at most a day") }
    return Int(seconds * 1000)
  }

  /// `ID` or `NAME=ID`. Without a name the process has that of its program.
  private static func process(_ text: String) throws -> BenchSettings.WatchedProcess {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let number = parts.last.flatMap({ Int32($0) }), number > 0 else {
      throw ValidationError("`\(text)` is no process; write --pid 123 or --pid gateway=123")
    }
    if parts.count == 2 { return BenchSettings.WatchedProcess(name: String(parts[0]), id: number) }
    let program = try? String(contentsOfFile: "/proc/\(number)/comm", encoding: .utf8)
    let name = program?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    return BenchSettings.WatchedProcess(name: name.isEmpty ? "process \(number)" : name, id: number)
  }

  /// The first signal ends the run with a report, the second at once.
  private func interrupt(_ bench: Bench, on signals: SignalSet) {
    Thread.detachNewThread {
      guard signals.next() != nil else { return }
      bench.interrupt()
      guard signals.next() != nil else { return }
      _exit(130)
    }
  }

  private func report(_ results: BenchResults, in folder: ResultsFolder?, isCurve: Bool) throws {
    var remarks: [String] = []
    // A single count was printed with its own remarks, and JSON holds them.
    if isCurve, !json {
      for step in results.steps { remarks += step.remarks().map { "at \(step.connections) connections: \($0)" } }
    }
    if results.isInterrupted { remarks.append("the run was ended early") }
    if let problem = results.problem { remarks.append("the run ended before its last count: \(problem)") }
    if let folder {
      let files = try folder.write(results)
      remarks.append("wrote \(files.joined(separator: ", ")) into \(folder.path)")
    }
    // Standard output is for programs when it is JSON.
    let text = remarks.map { "\($0)\n" }.joined()
    if json { FileHandle.standardError.write(Data(text.utf8)) } else { print(text, terminator: "") }
    if results.isInterrupted { throw ExitCode(130) }
    if results.hasFailures { throw ExitCode(2) }
  }
}
