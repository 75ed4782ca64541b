import Glibc
import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

@Suite(.serialized) struct UpstreamFailureTests {
  @Test(arguments: ["h2c", "http/1.1"]) func deathBeforeAndAfterTheHead(_ version: String) throws {
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: engine, endpoints: [ { url: "http://{engine}", protocol: \(version) } ] } ]
      models: [ { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let before = gateway.client.chat(model: "lorem-die-before-head")
    #expect(before.finish() == .whole)
    #expect(before.status == 502)
    #expect(before.text.contains("\"error\""))
    for model in ["lorem-50-die-after-5", "lorem-50-eof-after-5", "lorem-50-no-done-die-after-3"] {
      let after = gateway.client.chat(model: model)
      #expect(after.finish() == .whole)
      #expect(after.status == 200)
      #expect(after.text.contains("\"error\""))
      #expect(!after.text.contains("[DONE]"))
    }
    let whole = gateway.client.chat(model: "lorem-50-die-after-5", stream: false)
    #expect(whole.finish() != .whole || whole.status != 200)
    let refused = gateway.client.chat(model: "lorem-rate-limited")
    #expect(refused.finish() == .whole)
    #expect(refused.status == 429)
    #expect(refused.state.current.head?.headers["retry-after"] == "1")
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 && gateway.figures.streams == 0 })
    let outcomes = gateway.stop().outcomes
    #expect(outcomes == Array(repeating: "upstream_died", count: 5) + ["upstream_failed"])
  }

  @Test func timeoutsOfEachKind() throws {
    let gateway = try GatewayHarness(
      """
      clusters:
        - { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ], timeouts: { first_byte: 60ms, idle: 60ms } }
        - { name: short, endpoints: [ { url: "http://{engine}", protocol: h2c } ], timeouts: { total: 80ms } }
      models: [ { id: "short", targets: [ { cluster: short, model: lorem-100000 } ] }, { id: "*", cluster: engine } ]
      routes: [ { name: default, cluster: by-model } ]
      """, engine: EngineSettings(mode: .lorem, intervalMicroseconds: 1_000))
    let late = gateway.client.chat(model: "lorem-slow-first-60000")
    #expect(late.finish() == .whole)
    #expect(late.status == 504)
    let lateWhole = gateway.client.chat(model: "lorem-slow-first-60000", stream: false)
    #expect(lateWhole.finish() == .whole)
    #expect(lateWhole.status == 504)
    let silent = gateway.client.chat(model: "lorem-stall-after-3")
    #expect(silent.finish() == .whole)
    #expect(silent.status == 200)
    #expect(silent.text.contains("\"error\""))
    let long = gateway.client.chat(model: "short")
    #expect(long.finish() == .whole)
    #expect(long.text.contains("\"error\""))
    #expect(gateway.eventually { gateway.engine.activeStreams == 0 })
    #expect(gateway.stop().outcomes == Array(repeating: "timed_out", count: 4))
  }

  @Test func connectTimeout() throws {
    // A full accept queue drops further SYNs: the connection attempt hangs.
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, size)
        listen(socket, 0)
        getsockname(socket, $0, &size)
      }
    }
    let fillers = (0..<4).map { _ in
      Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    }
    for filler in fillers {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(filler, $0, size) }
      }
    }
    let port = UInt16(bigEndian: address.sin_port)
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: hung, endpoints: [ { url: "http://127.0.0.1:\(port)" } ], timeouts: { connect: 80ms } } ]
      models: [ { id: "*", cluster: hung } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let call = gateway.client.chat()
    #expect(call.finish() == .whole)
    #expect(call.status == 504)
    for descriptor in fillers + [socket] { close(descriptor) }
    gateway.stop()
  }

  @Test func aRefusedConnectionGoesToTheNextEndpoint() throws {
    let dead = ScriptedUpstream.refusingAddress()
    let gateway = try GatewayHarness(
      """
      clusters:
        - { name: pair, endpoints: [ { url: "http://\(dead)", weight: 100 }, { url: "http://{engine}", protocol: h2c } ] }
        - { name: dead, endpoints: [ { url: "http://\(dead)" } ] }
        - { name: engine, endpoints: [ { url: "http://{engine}", protocol: h2c } ] }
      models:
        - { id: lorem-20, cluster: pair }
        - { id: over, targets: [ { cluster: dead }, { cluster: engine, model: lorem-30 } ] }
        - { id: none, cluster: dead }
      routes: [ { name: default, cluster: by-model } ]
      """)
    for _ in 0..<5 {
      let call = gateway.client.chat(model: "lorem-20")
      #expect(call.finish() == .whole)
      #expect(call.isDone)
    }
    let next = gateway.client.chat(model: "over")
    #expect(next.finish() == .whole)
    #expect(next.content.split(separator: " ").count == 30)
    let none = gateway.client.chat(model: "none")
    #expect(none.finish() == .whole)
    #expect(none.status == 502)
    gateway.stop()
  }

  /// One connection is busy and no second can be had: whoever waits must neither spin nor be lost.
  @Test func aFailedDialBesideABusyConnectionDoesNotSpin() throws {
    let isOpen = Watched(true)
    let upstream = ScriptedUpstream { connection in
      guard connection.request() != nil else { return }
      connection.send(ScriptedUpstream.streamHead + ScriptedUpstream.eventStream([ScriptedUpstream.chunk("a")]))
      isOpen.wait { !$0 }
      connection.send(ScriptedUpstream.eventStream([ScriptedUpstream.finish, "[DONE]"]) + "0\r\n\r\n")
      guard connection.request() != nil else { return }
      connection.send(
        ScriptedUpstream.streamHead
          + ScriptedUpstream.eventStream([ScriptedUpstream.chunk("b"), ScriptedUpstream.finish, "[DONE]"]) + "0\r\n\r\n"
      )
      connection.waitForEnd()
    }
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address)" } ] } ]
      models: [ { id: "*", cluster: raw } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let first = gateway.client.chat()
    first.wait(forBytes: 10)
    upstream.stop()
    let second = gateway.client.chat()
    #expect(gateway.eventually { (gateway.figures.pools.first?.failed ?? 0) >= 1 })
    for _ in 0..<500 { gateway.io.perform { _ in () } }
    #expect((gateway.figures.pools.first?.opened ?? 0) < 20)
    isOpen.change { $0 = false }
    #expect(first.finish() == .whole)
    #expect(second.finish() == .whole)
    #expect(second.content == "b")
    gateway.stop()
  }

  /// An engine that writes its last event and the end of its body apart, as many do: the connection stays usable.
  @Test func theEndBehindTheTerminalMarkerIsWaitedFor() throws {
    let mayEnd = Watched(false)
    let upstream = ScriptedUpstream { connection in
      while connection.request() != nil {
        connection.send(
          ScriptedUpstream.streamHead
            + ScriptedUpstream.eventStream([ScriptedUpstream.chunk("a"), ScriptedUpstream.finish, "[DONE]"]))
        mayEnd.wait { $0 }
        connection.send("0\r\n\r\n")
      }
    }
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address)" } ] } ]
      models: [ { id: "*", cluster: raw } ]
      routes: [ { name: default, cluster: by-model } ]
      """)
    let first = gateway.client.chat()
    #expect(first.finish() == .whole)
    #expect(first.isDone)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    mayEnd.change { $0 = true }
    #expect(gateway.eventually { gateway.figures.streams == 0 })
    let second = gateway.client.chat()
    #expect(second.finish() == .whole)
    #expect(second.isDone)
    #expect(upstream.connectionCount.current == 1)
    upstream.stop()
    gateway.stop()
  }

  /// `Connection: close` behind a large answer must not cost a slow client its rest.
  @Test func aSlowClientGetsAllOfAnAnswerThatClosesItsConnection() throws {
    let upstream = ScriptedUpstream { connection in
      guard connection.request() != nil else { return }
      connection.send("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\nconnection: close\r\n\r\n")
      connection.send(Array(repeating: 0x61, count: 600_000))
    }
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address)" } ] } ]
      routes: [ { name: default, cluster: raw } ]
      """)
    let call = gateway.client.send("GET", "/big", on: Call(isReading: false))
    call.wait(forBytes: 60_000)
    for _ in 0..<50 { gateway.io.perform { _ in () } }
    gateway.client.resume(call)
    #expect(call.finish() == .whole)
    #expect(call.body.count == 600_000)
    upstream.stop()
    gateway.stop()
  }

  /// What was handed on of an upload is gone: a second endpoint would get half a body.
  @Test func aRelayedUploadIsNotTriedTwice() throws {
    let whole = Watched<[Int]>([])
    let upstream = ScriptedUpstream { connection in
      guard connection.request() != nil else { return }
      whole.change { $0.append(connection.body.count) }
      connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    }
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address)" } ] } ]
      routes: [ { name: default, cluster: raw } ]
      """)
    let call = gateway.client.send("POST", "/upload", body: Array(repeating: 0x61, count: 300_000))
    #expect(call.finish() == .whole)
    #expect(call.status == 200)
    #expect(whole.current == [300_000])
    upstream.stop()
    gateway.stop()
  }
}
