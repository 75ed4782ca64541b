import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

@Suite(.serialized) struct RelayTests {
  /// The identifier and the instant differ from answer to answer; everything else must be the engine's bytes.
  private func neutral(_ text: String) -> String {
    text.replacing(#/"id":"[^"]*"/#, with: "\"id\":\"\"").replacing(#/"created":[0-9]+/#, with: "\"created\":0")
  }

  @Test(arguments: [HTTPVersionChoice.http2, .http1]) func aStreamArrivesByteForByte(_ version: HTTPVersionChoice)
    throws
  {
    let gateway = try GatewayHarness(client: version)
    let direct = TestClient(gateway.engineAddress, version)
    let extra = ",\"stream_options\":{\"include_usage\":true}"
    for model in ["lorem-200", "echo", "lorem-20-reasoning"] {
      let through = gateway.client.chat(model: model, extra: extra)
      let straight = direct.chat(model: model, extra: extra)
      #expect(through.finish() == .whole)
      #expect(straight.finish() == .whole)
      #expect(neutral(through.text) == neutral(straight.text))
      #expect(through.isDone)
    }
    let whole = gateway.client.chat(model: "lorem-50", stream: false)
    let straight = direct.chat(model: "lorem-50", stream: false)
    #expect(whole.finish() == .whole)
    #expect(straight.finish() == .whole)
    #expect(neutral(whole.text) == neutral(straight.text))
    direct.stop()
    #expect(gateway.stop().outcomes == ["complete", "complete", "complete", "complete"])
  }

  @Test func usageIsAskedForAndStripped() throws {
    let gateway = try GatewayHarness()
    let call = gateway.client.chat(model: "lorem-20")
    #expect(call.finish() == .whole)
    #expect(call.isDone)
    #expect(!call.text.contains("prompt_tokens"))
    let log = gateway.stop()
    #expect(log.count == 1)
    #expect(log.first?.contains("20") == true)
  }

  @Test func hundredsOfStreamsAtOnce() throws {
    let gateway = try GatewayHarness(engine: EngineSettings(mode: .lorem, intervalMicroseconds: 1_000))
    let others = (0..<3).map { _ in TestClient(gateway.address) }
    let clients = [gateway.client] + others
    let calls = (0..<400).map { clients[$0 % 4].chat(model: "lorem-40") }
    for call in calls {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
    }
    let text = calls[0].content
    #expect(text.split(separator: " ").count == 40)
    for call in calls { #expect(call.content == text) }
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 && gateway.figures.streams == 0 })
    for client in others { client.stop() }
    #expect(gateway.stop().outcomes.filter { $0 == "complete" }.count == 400)
  }

  @Test func aRequestBodyOverTheLimitIsRefused() throws {
    let gateway = try GatewayHarness(GatewayHarness.plain("limits: { request_body: 64KiB }"))
    let announced = gateway.client.send(
      "POST", "/v1/chat/completions", body: Array(repeating: 0x20, count: 70_000))
    announced.finish()
    #expect(announced.status == 413)
    let silent = gateway.client.send(
      "POST", "/v1/chat/completions", body: Array(repeating: 0x20, count: 70_000), announces: false)
    silent.finish()
    #expect(silent.status == 413)
    let fine = gateway.client.chat(prompt: String(repeating: "a ", count: 20_000))
    #expect(fine.finish() == .whole)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    gateway.stop()
  }

  @Test func aRelayedUploadOverTheLimitIsRefused() throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
      routes: [ { name: default, cluster: engine } ]
      limits: { request_body: 64KiB }
      """)
    let body = [UInt8](repeating: 0x20, count: 70_000)
    for announces in [true, false] {
      let call = gateway.client.send("POST", "/v1/files", body: body, announces: announces)
      call.finish()
      #expect(call.status == 413)
      #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 && gateway.figures.streams == 0 })
    }
    gateway.stop()
  }

  @Test func headRequestsAreAnsweredWithoutABody() throws {
    for version in [HTTPVersionChoice.http2, .http1] {
      let gateway = try GatewayHarness(
        """
        clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] } ]
        routes: [ { name: default, match: { path: /v1/* }, cluster: engine } ]
        """, client: version)
      for (path, status) in [("/v1/models", 200), ("/elsewhere", 404), ("/v1/%2f", 400)] {
        let call = gateway.client.send("HEAD", path)
        #expect(call.finish() == .whole)
        #expect(call.status == status)
        #expect(call.body.isEmpty)
      }
      #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
      gateway.stop()
    }
  }

  @Test func aRequestWithoutABodyGoesUpWithoutOne() throws {
    let heads = Watched<[String]>([])
    let upstream = ScriptedUpstream { connection in
      while let head = connection.request() {
        heads.change { $0.append(head) }
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
      }
    }
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address)" } ] } ]
      routes: [ { name: default, cluster: raw } ]
      """)
    for _ in 0..<2 {
      let call = gateway.client.send("GET", "/files/1")
      #expect(call.finish() == .whole)
      #expect(call.text == "ok")
    }
    for head in heads.current { #expect(!head.lowercased().contains("transfer-encoding")) }
    upstream.stop()
    gateway.stop()
  }
}
