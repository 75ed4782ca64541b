import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

@Suite(.serialized) struct DrainTests {
  private func drain(_ gateway: GatewayHarness) -> Watched<Bool> {
    let isDrained = Watched(false)
    gateway.io.perform { [worker = gateway.worker!] _ in worker.drain { isDrained.change { $0 = true } } }
    return isDrained
  }

  @Test func withNothingOpenItEndsAtOnce() throws {
    let gateway = try GatewayHarness()
    #expect(drain(gateway).wait { $0 })
    gateway.stop()
  }

  @Test(arguments: [HTTPVersionChoice.http2, .http1]) func runningStreamsEndWhole(_ version: HTTPVersionChoice) throws {
    let gateway = try GatewayHarness(
      engine: EngineSettings(mode: .lorem, intervalMicroseconds: 1_000), client: version)
    let running = gateway.client.chat(model: "lorem-300")
    running.wait(forBytes: 500)
    let isDrained = drain(gateway)
    #expect(running.finish() == .whole)
    #expect(running.isDone)
    #expect(running.content.split(separator: " ").count == 300)
    #expect(isDrained.wait { $0 })
    gateway.stop()
  }

  @Test func theLimitEndsWhatStillRunsWithAnErrorEvent() throws {
    let gateway = try GatewayHarness()
    let stream = gateway.client.chat(model: "lorem-stall-after-5")
    stream.wait(forBytes: 100)
    let waiting = gateway.client.chat(model: "lorem-slow-first-60000", stream: false)
    #expect(gateway.eventually { gateway.engine.activeStreams == 2 })
    let isDrained = drain(gateway)
    gateway.io.perform { [worker = gateway.worker!] _ in worker.endRemaining() }
    #expect(stream.finish() == .whole)
    #expect(stream.text.contains("\"error\""))
    #expect(!stream.text.contains("[DONE]"))
    #expect(waiting.finish() == .whole)
    #expect(waiting.status == 503)
    #expect(isDrained.wait { $0 })
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 2 })
    #expect(gateway.stop().outcomes == ["drain_killed", "drain_killed"])
  }
}
