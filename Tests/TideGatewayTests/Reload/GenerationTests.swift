import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

@Suite(.serialized) struct GenerationTests {
  private func policy(_ word: String) -> String {
    "return { auto = true, on_token = function(s, text) return '\(word) ' end }"
  }

  @Test func runningStreamsKeepTheirGeneration() throws {
    let gateway = try GatewayHarness(
      policies: ["word": policy("old")], engine: EngineSettings(mode: .lorem, intervalMicroseconds: 20_000))
    // Six seconds of stream, so that all still run when the reload is done, however slow the machine.
    let running = (0..<200).map { _ in gateway.client.chat(model: "lorem-300") }
    for call in running { call.wait(forBytes: 200) }
    try gateway.reload(policies: ["word": policy("new")])
    #expect(gateway.figures.generations.count == 2)
    let next = (0..<20).map { _ in gateway.client.chat(model: "lorem-20") }
    for call in next {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
      #expect(Set(call.content.split(separator: " ")) == ["new"])
    }
    #expect(throws: GatewayHarness.NotBuilt.self) { try gateway.reload(policies: ["word": "return {"]) }
    for call in running {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
      #expect(Set(call.content.split(separator: " ")) == ["old"])
      #expect(call.content.split(separator: " ").count == 300)
    }
    #expect(gateway.eventually { gateway.figures.generations.count == 1 })
    gateway.stop()
  }

  /// An endpoint that no generation names any more is let go: at once when it is idle, else with the last exchange on it.
  @Test func poolsEndWithTheLastGenerationThatNamesThem() throws {
    let gateway = try GatewayHarness()
    let second = Engine(EngineSettings(mode: .lorem, intervalMicroseconds: 0))
    let other = try second.start()
    let moved = """
      clusters: [ { name: engine, endpoints: [ { url: "http://\(other)", protocol: h2c } ] } ]
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """
    let running = gateway.client.chat(model: "lorem-stall-after-5")
    running.wait(forBytes: 100)
    try gateway.reload(moved)
    let after = gateway.client.chat()
    #expect(after.finish() == .whole)
    #expect(gateway.figures.pools.count == 2)
    gateway.client.cancel(running)
    #expect(gateway.eventually { gateway.figures.pools.map(\.endpoint) == [other.description] })
    // And back, with the new one idle.
    try gateway.reload(GatewayHarness.plain())
    let back = gateway.client.chat()
    #expect(back.finish() == .whole)
    #expect(back.isDone)
    #expect(gateway.eventually { gateway.figures.pools.map(\.endpoint) == [gateway.engineAddress.description] })
    // The retired connections close by themselves, with nobody's memory under them.
    #expect(gateway.eventually { gateway.io.perform { $0.targetCount } <= 4 })
    second.stop()
    gateway.stop()
  }

  /// An HTTP/1.1 pool has timers armed for its idle connections when it is let go.
  @Test func aRetiredPoolTakesItsTimersAlong() throws {
    func configuration(_ cluster: String) -> String {
      """
      clusters: [ { name: \(cluster), endpoints: [ { url: "http://{engine}", protocol: http/1.1 } ] } ]
      models: [ { id: "*", cluster: \(cluster) } ]
      routes: [ { name: default, cluster: by-model } ]
      """
    }
    let gateway = try GatewayHarness(configuration("a0"))
    for round in 1...8 {
      let call = gateway.client.chat()
      #expect(call.finish() == .whole)
      try gateway.reload(configuration("a\(round)"))
    }
    #expect(gateway.eventually { gateway.figures.pools.isEmpty })
    #expect(gateway.eventually { gateway.io.perform { $0.timers.count } <= 4 })
    gateway.stop()
  }
}
