import TideCore
import TideEngine
import TideHTTP
import TideIO
import Testing

@testable import TideGateway

@Suite(.serialized) struct AdminTests {
  @Test func everyPageAnswersWhileStreamsRun() throws {
    let gateway = try GatewayHarness(
      """
      clusters:
        - name: engine
          endpoints: [ { url: "http://{engine}", protocol: h2c } ]
          credentials: { bearer: very-secret }
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """,
      policies: [
        "word":
          "return { auto = true, on_request = function(ctx) tide.metrics.incr('asked', 1, { model = ctx.model }) end, "
          + "on_token = function(s, text) return text end }"
      ],
      engine: EngineSettings(mode: .lorem, intervalMicroseconds: 1_000))
    let state = GatewayState(
      generation: gateway.worker.current.generation, source: "test.yaml", version: "1", stores: gateway.stores)
    let io = Worker(index: 1)
    let socket = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    let admin = AdminServer(io: io, socket: socket, state: state, log: gateway.log, workers: [gateway.worker])
    io.start()
    let client = TestClient(socket.address)
    let streams = (0..<100).map { _ in gateway.client.chat(model: "lorem-200") }
    streams[99].wait(forBytes: 100)
    let pages = ["/healthz", "/readyz", "/policies", "/config", "/metrics", "/"]
    let calls = (0..<300).map { client.send($0 % 7 == 6 ? "HEAD" : "GET", pages[$0 % pages.count]) }
    for (index, call) in calls.enumerated() {
      #expect(call.finish() == .whole)
      #expect(call.status == 200)
      #expect(call.body.isEmpty == (index % 7 == 6))
      #expect(!call.text.contains("very-secret"))
    }
    #expect(client.send("GET", "/policies").finish() == .whole)
    #expect(calls[2].text.contains("\"word\""))
    let metrics = client.send("GET", "/metrics")
    #expect(metrics.finish() == .whole)
    #expect(metrics.text.contains("\ntidegate_policy_asked_total{policy=\"word\",model=\"lorem-200\"} 100\n"))
    for (method, path, status) in [("GET", "/none", 404), ("POST", "/healthz", 405), ("GET", "/a/../healthz", 400)] {
      let call = client.send(method, path)
      #expect(call.finish() == .whole)
      #expect(call.status == status)
    }
    // A client that leaves before the workers have answered.
    for _ in 0..<20 { client.cancel(client.send("GET", "/metrics")) }
    state.beginDrain()
    let draining = client.send("GET", "/readyz")
    #expect(draining.finish() == .whole)
    #expect(draining.status == 503)
    for call in streams {
      #expect(call.finish() == .whole)
      #expect(call.isDone)
    }
    client.stop()
    io.stop()
    io.join()
    withExtendedLifetime(admin) {}
    gateway.stop()
  }
}
