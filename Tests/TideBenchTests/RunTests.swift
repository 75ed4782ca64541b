import Glibc
import Testing
import TideCore
import TideEngine

@testable import TideBench

@Suite struct RunTests {
  private func settings(
    _ address: some CustomStringConvertible, _ kind: BenchSettings.Kind, _ version: BenchSettings.Version
  ) -> BenchSettings {
    var settings = BenchSettings(url: "http://\(address)")
    settings.kind = kind
    settings.version = version
    settings.connections = [3]
    settings.streamsPerConnection = version == .http1 ? 1 : 2
    settings.rampMs = 1
    settings.warmUpMs = 20
    settings.measureMs = 100
    settings.model = kind == .streams ? "lorem-20" : "lorem-1"
    return settings
  }

  @Test func everyKindAndVersionAgainstTheEngine() throws {
    let engine = Engine(EngineSettings(intervalMicroseconds: 1000))
    let address = try engine.start()
    defer { engine.stop() }
    for (kind, version) in [
      (BenchSettings.Kind.streams, BenchSettings.Version.h2c), (.streams, .http1), (.requests, .h2c),
      (.requests, .http1),
      (.firstToken, .h2c), (.firstToken, .http1),
    ] {
      var settings = settings(address, kind, version)
      settings.workers = 2
      let results = try Bench(settings).run()
      let step = try #require(results.steps.first)
      #expect(!results.hasFailures && step.failures == BenchFailures(), "\(kind) \(version): \(step.failures)")
      #expect(step.completed > 0)
      #expect(kind == .requests ? step.firstTokenUs.count > 0 : step.tokens > 0)
      #expect(try ChartSystem.parsed(Array(results.json().utf8), file: "").points.count == 1)
    }
  }

  @Test func aCurveKeepsItsConnectionsAndWatchesProcesses() throws {
    let engine = Engine(EngineSettings(intervalMicroseconds: 1000))
    let address = try engine.start()
    defer { engine.stop() }
    var settings = settings(address, .streams, .h2c)
    settings.connections = [1, 4]
    settings.processes = [BenchSettings.WatchedProcess(name: "self", id: getpid())]
    settings.label = "engine"
    let results = try Bench(settings).run()
    #expect(results.steps.map(\.connections) == [1, 4])
    #expect(results.steps.allSatisfy { $0.processes.first?.name == "self" })
    let svg = try BenchChart.svg([try ChartSystem(results)], metric: .gap, title: "")
    #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n") && svg.contains("engine"))
  }

  /// So many that the client reads at a pace, and that the engine sends while it still makes tokens.
  @Test func thousandsOfStreams() throws {
    let engine = Engine(EngineSettings(intervalMicroseconds: 400_000, tellsDue: true))
    let address = try engine.start()
    defer { engine.stop() }
    var settings = settings(address, .streams, .h2c)
    settings.connections = [21]
    settings.streamsPerConnection = 100
    settings.model = "lorem-100000"
    settings.measureMs = 1000
    let results = try Bench(settings).run()
    let step = try #require(results.steps.first)
    #expect(step.openStreams == 2100 && step.failures == BenchFailures())
    #expect(step.tokens > 0 && step.latenessUs?.count ?? 0 > 0)
  }

  @Test func whatIsOfNoUseSaysWhy() throws {
    let engine = Engine(EngineSettings())
    let address = try engine.start()
    var missing = settings(address, .streams, .h2c)
    missing.url = "http://\(address)/nowhere"
    var problem = #expect(throws: Diagnostic.self) { try Bench(missing).run() }
    #expect(problem?.message.contains("404") == true)
    engine.stop()
    problem = #expect(throws: Diagnostic.self) { try Bench(settings(address, .streams, .h2c)).run() }
    #expect(problem?.message.contains("cannot connect") == true)
    var wrong = settings(address, .streams, .http1)
    wrong.streamsPerConnection = 2
    #expect(throws: Diagnostic.self) { try Bench(wrong) }
    wrong = settings(address, .streams, .h2)
    #expect(throws: Diagnostic.self) { try Bench(wrong) }
  }
}
