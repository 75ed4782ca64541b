import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

@Suite(.serialized) struct CancelTests {
  @Test(arguments: [HTTPVersionChoice.http2, .http1])
  func aCancelReachesTheEngineInEveryPhase(_ version: HTTPVersionChoice) throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: \(version == .http2 ? "h2c" : "http/1.1") } ] } ]
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """, engine: EngineSettings(mode: .lorem, intervalMicroseconds: 2_000), client: version)
    // The body is still coming: the engine never hears of it.
    let early = gateway.client.send("POST", "/v1/chat/completions", body: Array("{".utf8), ends: false)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 1 })
    gateway.client.cancel(early)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    #expect(gateway.engine.cancelledStreams == 0)
    // Waiting for the head.
    let waiting = gateway.client.chat(model: "lorem-slow-first-60000")
    #expect(gateway.eventually { gateway.engine.activeStreams == 1 })
    gateway.client.cancel(waiting)
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 1 })
    // In the middle of a stream.
    let streaming = gateway.client.chat(model: "lorem-100000")
    streaming.wait(forBytes: 1_000)
    gateway.client.cancel(streaming)
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 2 })
    // An engine that fell silent.
    let silent = gateway.client.chat(model: "lorem-stall-after-2")
    silent.wait(forBytes: 200)
    gateway.client.cancel(silent)
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 3 })
    // Not streamed: the answer is collected while nothing has gone out.
    let whole = gateway.client.chat(model: "lorem-slow-first-60000", stream: false)
    #expect(gateway.eventually { gateway.engine.activeStreams == 1 })
    gateway.client.cancel(whole)
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 4 })
    // The connection itself goes.
    let last = gateway.client.chat(model: "lorem-100000")
    last.wait(forBytes: 1_000)
    gateway.client.abort()
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 5 })
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 && gateway.figures.streams == 0 })
    #expect(gateway.stop().outcomes == Array(repeating: "client_left", count: 6))
  }

  @Test func aClientThatLeavesWithTheEndUnreadHasLeft() throws {
    let gateway = try GatewayHarness()
    let call = gateway.client.chat(model: "lorem-450", on: Call(isReading: false))
    call.wait(forBytes: 60_000)
    #expect(gateway.eventually { gateway.engine.activeStreams == 0 })
    gateway.client.cancel(call)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    #expect(gateway.stop().outcomes == ["client_left"])
  }

  @Test func aWaiterOfAFullPoolLeavesItsQueue() throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: http/1.1 } ], max_connections: 1 } ]
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let first = gateway.client.chat(model: "lorem-stall-after-2")
    first.wait(forBytes: 200)
    let second = gateway.client.chat()
    let third = gateway.client.chat()
    #expect(gateway.eventually { gateway.figures.pools.first?.waiting == 2 })
    gateway.client.cancel(second)
    #expect(gateway.eventually { gateway.figures.pools.first?.waiting == 1 })
    gateway.client.cancel(first)
    #expect(third.finish() == .whole)
    #expect(third.isDone)
    gateway.stop()
  }
}
