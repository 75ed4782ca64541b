import TideCore
import TideEngine
import Testing

@testable import TideGateway

/// How many generations are alive, what they hold, and when that is too much.
@Suite struct GenerationCensusTests {
  private func census(_ generations: (number: Int, exchanges: Int, bytes: Int)...) -> GenerationCensus {
    var one = WorkerFigures()
    one.generations = generations
    var other = WorkerFigures()
    other.generations = generations.suffix(1)
    return GenerationCensus([one, other])
  }

  @Test func workersAddUp() {
    let census = census((1, 3, 100), (4, 2, 50))
    #expect(
      census.entries == [
        GenerationCensus.Entry(number: 1, exchanges: 3, bytes: 100),
        GenerationCensus.Entry(number: 4, exchanges: 4, bytes: 100),
      ])
    #expect(census.bytes == 200)
  }

  @Test func moreThanFourAreWorthAWarning() {
    #expect(census((1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 0, 0)).warning == nil)
    let many = census((1, 1, 0), (2, 7, 1 << 20), (3, 1, 0), (4, 1, 0), (5, 0, 1 << 19))
    #expect(many.warning == "5 generations are alive and hold 2.0 MiB: exchanges run on 1: 1, 2: 7, 3: 1, 4: 1")
  }

  @Test func whatDoesNotFitIsRefusedAndSaysWhy() throws {
    let census = census((1, 2, 3 << 20), (2, 0, 1 << 20))
    #expect(census.refusal(needed: 1 << 20, limit: 6 << 20, file: "t.yaml") == nil)
    let problem = try #require(census.refusal(needed: (1 << 20) + 1, limit: 6 << 20, file: "t.yaml"))
    #expect(
      problem.description
        == "t.yaml: error: the Lua states of 2 generations hold 5.0 MiB, and those of the next need 1.0 MiB: more than "
        + "`policy_memory` of `limits` allows, 6.0 MiB (exchanges run on 1: 2) (it is tried again as they end; or raise the limit)"
    )
  }

  /// The figures are the workers' own, taken while streams run.
  @Test func aRunningWorkerIsCounted() throws {
    let gateway = try GatewayHarness(
      policies: ["p": "return { auto = true, on_token = function() end }"],
      engine: EngineSettings(mode: .lorem, intervalMicroseconds: 0))
    let stream = gateway.client.chat(model: "lorem-stall-after-5")
    stream.wait(forBytes: 100)
    try gateway.reload(policies: ["p": "return { auto = true, on_token = function(s) end }"])
    let census = GenerationCensus.take([gateway.worker])
    #expect(census.entries.map(\.number) == [1, 2])
    #expect(census.entries.map(\.exchanges) == [1, 0])
    #expect(census.entries.allSatisfy { $0.bytes > 10_000 })
    gateway.client.cancel(stream)
    #expect(gateway.eventually { GenerationCensus.take([gateway.worker]).entries.map(\.number) == [2] })
    gateway.stop()
  }
}
