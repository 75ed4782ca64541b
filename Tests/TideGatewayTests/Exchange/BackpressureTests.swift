import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

@Suite(.serialized) struct BackpressureTests {
  /// A client that does not read holds its own upstream back, and nobody else's.
  @Test(arguments: ["h2c", "http/1.1"]) func aClientThatDoesNotReadStopsItsEngineAlone(_ version: String) throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: \(version) } ] } ]
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let slow = gateway.client.chat(model: "lorem-20000", on: Call(isReading: false))
    slow.wait(forBytes: 65_000)
    // The client's window is full; what the engine may still send goes into the gateway's buffers and stops there.
    let others = (0..<20).map { _ in gateway.client.chat(model: "lorem-100") }
    for call in others {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
    }
    #expect(gateway.engine.activeStreams == 1)
    #expect(slow.body.count <= 65_535)
    #expect(gateway.bufferedByteCountMax <= 96 * 1024)
    gateway.client.resume(slow)
    #expect(slow.finish() == .whole)
    #expect(slow.isDone)
    #expect(slow.content.split(separator: " ").count == 20_000)
    gateway.stop()
  }

  @Test func aRelayedUploadWaitsForItsEndpoint() throws {
    let mayRead = Watched(false)
    let upstream = ScriptedUpstream { connection in
      mayRead.wait { $0 }
      guard connection.request() != nil else { return }
      connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    }
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address)" } ] } ]
      routes: [ { name: default, cluster: raw } ]
      """, client: .http1)
    let call = gateway.client.send("POST", "/upload", body: Array(repeating: 0x61, count: 8_000_000))
    #expect(gateway.eventually { gateway.figures.streams == 1 })
    for _ in 0..<100 { gateway.io.perform { _ in () } }
    #expect(gateway.bufferedByteCountMax <= 192 * 1024)
    mayRead.change { $0 = true }
    #expect(call.finish() == .whole)
    #expect(call.status == 200)
    upstream.stop()
    gateway.stop()
  }
}
