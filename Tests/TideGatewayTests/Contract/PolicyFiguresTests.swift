import TideCore
import TideEngine
import TideTelemetry
import Testing

@testable import TideGateway
@testable import TidePolicy

/// What the admin listener tells of policies.
@Suite(.serialized) struct PolicyFiguresTests {
  private func metrics(_ gateway: GatewayHarness) -> String {
    let state = GatewayState(
      generation: gateway.worker.current.generation, source: "test.yaml", version: "1", stores: gateway.stores)
    return PrometheusText.render(
      workers: [gateway.worker.metrics], figures: state.gatewayFigures([gateway.figures], droppedLogLines: 0))
  }

  @Test func logHooksThatAreDroppedAreCounted() throws {
    let judge = Judge()
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: log, config: { url: \"\(judge.url)\" } } ]"),
      policies: [
        "log":
          "return { schema = { url = { type = 'url' } }, on_log = function(ctx, cfg) tide.http { url = cfg.url, timeout = '30s' } end }"
      ])
    let calls = (0..<300).map { _ in gateway.client.chat(model: "lorem-2") }
    for call in calls { #expect(call.finish() == .whole && call.isDone) }
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    #expect(gateway.eventually { metrics(gateway).contains("\ntidegate_log_hooks_dropped_total 44\n") })
    // The count outlives the generation that it was made in, which stays until its logs are written.
    try gateway.reload()
    #expect(gateway.figures.generations.count == 2)
    judge.release(1_000)
    #expect(gateway.eventually { gateway.figures.generations.count == 1 })
    #expect(metrics(gateway).contains("\ntidegate_log_hooks_dropped_total 44\n"))
    judge.stop()
    gateway.stop()
  }

  @Test func whatHooksCostIsCountedOverGenerations() throws {
    let policy = "return { auto = true, on_request = function() end }"
    let gateway = try GatewayHarness(policies: ["p": policy])
    for round in 1...3 {
      #expect(gateway.client.chat(model: "lorem-2").finish() == .whole)
      #expect(gateway.figures.hooks.map(\.metrics.count) == [UInt64(round)])
      try gateway.reload(policies: ["p": policy + " -- \(round)"])
    }
    #expect(gateway.figures.hooks.count == 1)
    gateway.stop()
  }

  /// Two reloads may reach a worker before its next turn: timers of the first must not run on for ever.
  @Test func timersRunInTheGenerationInUseAlone() throws {
    let gateway = try GatewayHarness(
      policies: ["p": "return { auto = true, timers = { x = { every = '1d', run = function() end } } }"])
    let policies = try gateway.adoptInOneTurn(3)
    let counts = gateway.io.perform { _ in policies.map(\.runningTimers.count) }
    #expect(counts == [0, 0, 1])
    gateway.stop()
  }

  @Test func deprecatedKeysAreTold() throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: p, config: { old: 1 } } ]"),
      policies: ["p": "return { schema = { old = { type = 'integer', deprecated = 'use new' } } }"])
    let report = ConfigurationCheck.run(configPath: gateway.folder + "/tidegate.yaml", environment: [:])
    #expect(report.isValid)
    #expect(report.diagnostics.map(\.message) == ["policy p: config.old is deprecated"])
    #expect(report.diagnostics.map(\.hint) == ["use new"])
    gateway.stop()
  }
}
