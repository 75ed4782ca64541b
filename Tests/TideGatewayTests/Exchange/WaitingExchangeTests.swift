import Testing
import TideCore
import TideEngine
import TideHTTP
import TideIO

@testable import TideGateway

/// Exchanges whose policies wait: for a judge that answers when the test says so.
@Suite(.serialized) struct WaitingExchangeTests {
  /// An HTTP service that policies ask; each question is answered when the test lets it.
  final class Judge: @unchecked Sendable {
    let questions = Watched<[String]>([])
    let gone = Watched(0)
    private let released = Watched(0)
    private(set) var upstream: ScriptedUpstream!

    init(_ answer: String = #"{"ok":true}"#, status: Int = 200) {
      upstream = ScriptedUpstream { [unowned self] connection in
        while connection.request() != nil {
          var number = 0
          questions.change {
            $0.append(String(decoding: connection.body, as: UTF8.self))
            number = $0.count
          }
          released.wait { $0 >= number }
          connection.send(
            "HTTP/1.1 \(status) OK\r\ncontent-type: application/json\r\ncontent-length: \(answer.utf8.count)\r\n\r\n\(answer)"
          )
        }
        gone.change { $0 += 1 }
      }
    }

    func release(_ count: Int) { released.change { $0 += count } }
    var url: String { "http://\(upstream.address)/judge" }
    func stop() {
      release(1_000)
      upstream.stop()
    }
  }

  private static func bound(_ judge: Judge, _ more: String = "") -> String {
    GatewayHarness.plain(
      "policies: [ { use: ask, config: { url: \"\(judge.url)\" }\(more) } ]")
  }

  private static func policy(_ hook: String, _ then: String = "") -> [String: String] {
    [
      "ask": """
      return { schema = { url = { type = "url" } },
        \(hook) = function(ctx, cfg)
          local r, err = tide.http { url = cfg.url, json = { model = ctx.kind } }
          if err then return tide.deny(502, { code = err.code }) end
          \(then)
        end }
      """
    ]
  }

  @Test func aRequestThatWaitsHoldsNobodyElse() throws {
    let judge = Judge()
    let gateway = try GatewayHarness(
      Self.bound(judge, ", when: { header: { x-ask: \"1\" } }"), policies: Self.policy("on_request"))
    let waiting = gateway.client.chat(model: "lorem-5", headers: [("x-ask", "1")])
    judge.questions.wait { $0.count == 1 }
    // A whole answer passes while the other request waits.
    let other = gateway.client.chat(model: "lorem-50")
    #expect(other.finish() == .whole && other.isDone)
    #expect(waiting.status == nil)
    judge.release(1)
    #expect(waiting.finish() == .whole && waiting.isDone)
    judge.stop()
    #expect(gateway.stop().outcomes == ["complete", "complete"])
  }

  @Test(arguments: [HTTPVersionChoice.http2, .http1])
  func theBodyOfARequestThatIsNotInYetIsHeldBack(_ version: HTTPVersionChoice) throws {
    let judge = Judge()
    let gateway = try GatewayHarness(
      Self.bound(judge), policies: Self.policy("on_auth", "return tide.identity { key_id = 'k' }"), client: version)
    let call = gateway.client.chat(model: "lorem-5", prompt: String(repeating: "word ", count: 200_000))
    judge.questions.wait { $0.count == 1 }
    // What came is bounded by the window: the client has a megabyte to send.
    #expect(gateway.eventually { gateway.bodyByteCount > 0 })
    gateway.client.barrier()
    #expect(gateway.bodyByteCount <= 512 * 1024)
    judge.release(1)
    #expect(call.finish() == .whole && call.isDone)
    judge.stop()
    #expect(gateway.stop().outcomes == ["complete"])
  }

  @Test func aClientThatLeavesCancelsItsCall() throws {
    let judge = Judge()
    let gateway = try GatewayHarness(Self.bound(judge), policies: Self.policy("on_request"))
    let call = gateway.client.chat(model: "lorem-5")
    judge.questions.wait { $0.count == 1 }
    gateway.client.cancel(call)
    #expect(gateway.eventually { gateway.figures.exchangesOpen == 0 })
    // The call's connection is closed, not kept for the next one.
    judge.release(1)
    #expect(judge.gone.wait { $0 == 1 })
    judge.stop()
    #expect(gateway.stop().outcomes == ["client_left"])
  }

  @Test func aReloadKeepsWhatWaits() throws {
    let judge = Judge()
    let gateway = try GatewayHarness(
      Self.bound(judge), policies: Self.policy("on_request", "return tide.deny(403, { code = 'old' })"))
    let first = gateway.client.chat(model: "lorem-5")
    judge.questions.wait { $0.count == 1 }
    try gateway.reload(policies: Self.policy("on_request", "return tide.deny(403, { code = 'new' })"))
    let second = gateway.client.chat(model: "lorem-5")
    judge.questions.wait { $0.count == 2 }
    #expect(gateway.figures.generations.count == 2)
    judge.release(2)
    first.finish()
    second.finish()
    #expect(first.text.contains("\"old\""))
    #expect(second.text.contains("\"new\""))
    #expect(gateway.eventually { gateway.figures.generations.count == 1 })
    judge.stop()
    gateway.stop()
  }

  @Test func aHeadIsJudgedBeforeItGoesOut() throws {
    let judge = Judge()
    let gateway = try GatewayHarness(Self.bound(judge), policies: Self.policy("on_response_start"))
    let call = gateway.client.chat(model: "lorem-2000")
    judge.questions.wait { $0.count == 1 }
    // The engine has begun; it is held back, and nothing went out.
    #expect(gateway.eventually { gateway.heldByteCount > 0 })
    #expect(call.status == nil)
    judge.release(1)
    #expect(call.finish() == .whole && call.isDone)
    judge.stop()
    #expect(gateway.stop().outcomes == ["complete"])
  }

  @Test func aHeadIsRefused() throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: head } ]"),
      policies: [
        "head": """
        return { on_response_start = function(ctx)
          if ctx.response.status == 200 and ctx.response.headers["content-type"] then return tide.deny(451, { code = "no" }) end
        end }
        """
      ])
    let call = gateway.client.chat(model: "lorem-100000")
    call.finish()
    #expect(call.status == 451)
    #expect(gateway.eventually { gateway.engine.cancelledStreams == 1 })
    #expect(gateway.stop().outcomes == ["denied"])
  }

  /// Two clusters: one that fails as its script says, and the engine.
  private static func two(_ bad: SocketAddress) -> String {
    """
    clusters:
      - { name: bad, endpoints: [ { url: "http://\(bad)", protocol: http/1.1 } ] }
      - { name: good, endpoints: [ { url: "http://{engine}", protocol: h2c } ] }
    models: [ { id: "*", cluster: bad } ]
    routes: [ { name: default, cluster: by-model } ]
    policies: [ { use: again } ]
    """
  }

  private static func failing(_ reply: String) -> ScriptedUpstream {
    ScriptedUpstream { connection in
      while connection.request() != nil { connection.send(reply) }
    }
  }

  @Test(arguments: [
    "HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\n{}", "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
  ])
  func aPolicyTriesElsewhere(reply: String) throws {
    let bad = Self.failing(reply)
    let gateway = try GatewayHarness(
      Self.two(bad.address),
      policies: [
        "again": """
        return { on_upstream_error = function(ctx, cfg, err)
          if err.kind == "status" and err.cluster == "bad" and ctx.attempt == 1 then
            return tide.retry { targets = { { cluster = "good", model = "lorem-7" } }, delay = 1 }
          end
        end }
        """
      ])
    let call = gateway.client.chat(model: "lorem-5")
    #expect(call.finish() == .whole && call.isDone)
    #expect(call.status == 200)
    bad.stop()
    #expect(gateway.stop().outcomes == ["complete"])
  }

  @Test func aRefusedConnectionIsTheirsToo() throws {
    let gateway = try GatewayHarness(
      Self.two(ScriptedUpstream.refusingAddress()),
      policies: [
        "again": """
        return { on_upstream_error = function(ctx, cfg, err)
          tide.sleep(1)
          if err.kind == "connect" and not err.status then return tide.retry { targets = { { cluster = "good" } } } end
        end }
        """
      ])
    let call = gateway.client.chat(model: "lorem-5")
    #expect(call.finish() == .whole && call.isDone)
    #expect(gateway.stop().outcomes == ["complete"])
  }

  @Test func retriesAreBounded() throws {
    let bad = Self.failing("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n")
    let gateway = try GatewayHarness(
      Self.two(bad.address), policies: ["again": "return { on_upstream_error = function() return tide.retry {} end }"])
    let call = gateway.client.chat(model: "lorem-5")
    call.finish()
    #expect(call.status == 500)
    bad.stop()
    let lines = gateway.stop()
    #expect(lines.outcomes == ["upstream_failed"])
    #expect(lines[0].contains("\"attempts\":\(Exchange.policyRetryLimit + 1)"))
  }

  @Test func anAnswerStandsInForAFailure() throws {
    let bad = Self.failing("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n")
    let gateway = try GatewayHarness(
      Self.two(bad.address),
      policies: ["again": "return { on_upstream_error = function() return tide.respond { text = 'sorry' } end }"])
    let call = gateway.client.chat(model: "lorem-5")
    #expect(call.finish() == .whole && call.isDone)
    #expect(call.content == "sorry")
    bad.stop()
    gateway.stop()
  }

  @Test func aJudgeThatIsDownActsAsFailureSays() throws {
    for (failure, status) in [("deny", 503), ("skip", 200)] {
      let gateway = try GatewayHarness(
        GatewayHarness.plain(
          """
          policies: [ { use: ask, config: { url: "http://\(ScriptedUpstream.refusingAddress())/" }, failure: { on_request: \(failure) } } ]
          """),
        policies: [
          "ask": """
          return { schema = { url = { type = "url" } },
            on_request = function(ctx, cfg) local r, err = tide.http { url = cfg.url } if err then error(err.message) end end }
          """
        ])
      let call = gateway.client.chat(model: "lorem-5")
      call.finish()
      #expect(call.status == status)
      gateway.stop()
    }
  }

  @Test func aClusterIsCalledOverItsOwnPool() throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: models } ]"),
      policies: [
        "models": """
        return { on_request = function(ctx)
          local r, err = tide.http { cluster = "engine", path = "/v1/models" }
          if err then return tide.deny(502, { code = err.code, message = err.message }) end
          return tide.respond { text = r.status .. r.json.object }
        end }
        """
      ])
    let call = gateway.client.chat(model: "lorem-5", stream: false)
    call.finish()
    #expect(call.text.contains("200list"), "\(call.text)")
    gateway.stop()
  }

  // MARK: Where a call may lead (robustness, "SSRF")

  /// What a call of `url` brings, where the policy's file lists the host itself.
  private func listed(_ hosts: [String], _ url: String) throws -> String {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: ask } ]"),
      policies: [
        "ask": """
        return { net = { \(hosts.map { "'\($0)'" }.joined(separator: ",")) },
          on_request = function(ctx)
            local r, err = tide.http { url = "\(url)" }
            return tide.deny(400, { code = err and err.code or tostring(r.status) })
          end }
        """
      ])
    let call = gateway.client.chat(model: "lorem-5")
    call.finish()
    gateway.stop()
    return call.text
  }

  @Test(arguments: [
    "127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "localhost.",
  ])
  func aListedHostThatIsNotPublicIsNeverReached(host: String) throws {
    let judge = Judge()
    judge.release(1_000)
    let port = judge.upstream.address.port
    #expect(try listed(["\(host):\(port)"], "http://\(host):\(port)/").contains("\"forbidden\""))
    #expect(judge.upstream.connectionCount.current == 0)
    judge.stop()
  }

  @Test(arguments: ["http://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/"])
  func notEvenTheOperatorReachesMetadata(url: String) throws {
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: ask, config: { url: \"\(url)\" } } ]"),
      policies: Self.policy("on_request"))
    let call = gateway.client.chat(model: "lorem-5")
    call.finish()
    #expect(call.status == 502)
    #expect(call.text.contains("\"forbidden\""))
    gateway.stop()
  }

  @Test func redirectsAreNotFollowed() throws {
    let target = Judge()
    let bait = Self.failing("HTTP/1.1 302 Found\r\nlocation: \(target.url)\r\ncontent-length: 0\r\n\r\n")
    let gateway = try GatewayHarness(
      GatewayHarness.plain("policies: [ { use: ask, config: { url: \"http://\(bait.address)/\" } } ]"),
      policies: Self.policy("on_request", "return tide.deny(400, { code = 'status_' .. r.status })"))
    let call = gateway.client.chat(model: "lorem-5")
    call.finish()
    #expect(call.text.contains("status_302"))
    #expect(target.upstream.connectionCount.current == 0)
    bait.stop()
    target.stop()
    gateway.stop()
  }

  @Test func anAnswerThatIsTooLargeIsAnError() throws {
    let judge = Judge(String(repeating: "x", count: 5_000))
    judge.release(1_000)
    let gateway = try GatewayHarness(
      Self.bound(judge),
      policies: [
        "ask": """
        return { schema = { url = { type = "url" } },
          on_request = function(ctx, cfg)
            local r, err = tide.http { url = cfg.url, max_body = 4999 }
            return tide.deny(400, { code = err and err.code or "none" })
          end }
        """
      ])
    let call = gateway.client.chat(model: "lorem-5")
    call.finish()
    #expect(call.text.contains("too_large"))
    judge.stop()
    gateway.stop()
  }
}

extension GatewayHarness {
  /// What the first exchange has of its request.
  fileprivate var bodyByteCount: Int {
    let worker = worker!
    return io.perform { _ in worker.exchanges.first?.requestBody.count ?? 0 }
  }

  /// What the first exchange holds back of its answer.
  fileprivate var heldByteCount: Int {
    let worker = worker!
    return io.perform { _ in worker.exchanges.first?.held.byteCount ?? 0 }
  }
}
