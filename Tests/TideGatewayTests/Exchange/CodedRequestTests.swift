import CodingFixtures
import Testing
import TideCoding
import TideCore
import TideDialects
import TideHTTP

@testable import TideGateway

/// Requests whose bodies are compressed.
@Suite(.serialized) struct CodedRequestTests {
  private static let plain = CodedUpstream.Answer(
    type: "application/json", pieces: CodedCase.pieces(.openAI, stream: false))

  private func send(
    _ one: CodedCase, _ body: [UInt8], _ encoding: String, path: String = "/v1/chat/completions",
    announces: Bool = true, on call: Call = Call()
  ) -> Call {
    one.gateway.client.send(
      "POST", path, headers: [("content-type", "application/json"), ("content-encoding", encoding)], body: body,
      announces: announces, on: call)
  }

  @Test(arguments: Encoded.allCases, [HTTPVersionChoice.http2, .http1])
  func aCodedRequestIsForwardedPlain(_ form: Encoded, _ version: HTTPVersionChoice) throws {
    let one = try CodedCase(Self.plain, client: version)
    let body = CodedCase.request(.openAI, stream: false)
    for path in ["/v1/chat/completions", "/v1/embeddings"] {
      for announces in [true, false] {
        let call = send(one, form.encode(body), form.coding.rawValue, path: path, announces: announces)
        #expect(call.finish() == .whole)
        #expect(call.status == 200)
      }
    }
    for request in one.upstream.requests.current {
      #expect(request.body == body)
      #expect(request.head.contentLength == body.count)
      #expect(!request.head.headers.contains("content-encoding"))
    }
    #expect(one.upstream.requests.current.count == 4)
    one.stop()
  }

  @Test func aPolicyReadsAndChangesIt() throws {
    let one = try CodedCase(
      Self.plain,
      policies: [
        "p":
          "return { on_request = function(ctx) for part in ctx.prompt:each_text { roles = { 'user' } } do part.text = part.text:upper() end end }"
      ])
    let call = send(one, Encoded.zstd.encode(CodedCase.request(.openAI, stream: false)), "zstd")
    #expect(call.finish() == .whole)
    #expect(call.status == 200)
    let sent = one.upstream.requests.current.map { String(decoding: $0.body, as: UTF8.self) }
    #expect(sent.count == 1 && sent.allSatisfy { $0.contains("\"HI\"") })
    one.stop()
  }

  @Test(arguments: ["compress", "gzip, gzip", "br,zstd"]) func whatCannotBeDecodedIs415(_ encoding: String) throws {
    let one = try CodedCase(Self.plain)
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"] {
      let call = send(one, Array("whatever".utf8), encoding, path: path)
      #expect(call.finish() == .whole)
      #expect(call.status == 415)
      #expect(call.text.contains("gzip, deflate, br, zstd"))
      #expect(call.state.current.head?.headers["accept-encoding"] == "gzip, deflate, br, zstd")
    }
    #expect(one.upstream.requests.current.isEmpty)
    #expect(one.stop().outcomes == Array(repeating: "rejected", count: 4))
  }

  @Test(arguments: Encoded.allCases) func brokenAndBombsAreRefused(_ form: Encoded) throws {
    let one = try CodedCase(Self.plain, limits: "limits: { decoded_body: 2MiB }")
    let body = form.encode(CodedCase.request(.openAI, stream: false))
    let zeros = form.encode([UInt8](repeating: 0x20, count: 24 << 20))
    let cases: [([UInt8], Int, String)] = [
      (Array(body.dropLast(4)), 400, "ends before"), (body + [1], 400, "goes on behind"),
      (Array(repeating: 0xEE, count: 50), 400, "corrupt"), (zeros, 413, ""),
    ]
    for (bytes, status, message) in cases {
      let call = send(one, bytes, form.coding.rawValue)
      call.finish()
      #expect(call.status == status, "\(message)")
      #expect(message.isEmpty || call.text.contains(message), "\(call.text)")
    }
    // No byte at all is no coded body.
    let empty = send(one, [], form.coding.rawValue)
    #expect(empty.finish() == .whole)
    #expect(empty.status == 400)
    #expect(one.upstream.requests.current.isEmpty)
    #expect(one.gateway.eventually { one.gateway.figures.exchangesOpen == 0 })
    #expect(one.stop().outcomes == Array(repeating: "rejected", count: 5))
  }

  /// What arrives while a policy judges the head is decoded once the client may come in, and not before.
  @Test func aBodyThatIsEarlyIsDecodedAfterTheHeadIsJudged() throws {
    let judge = Judge()
    let policy = """
      return { schema = { url = { type = "url" } },
        on_auth = function(ctx, cfg) tide.http { url = cfg.url } return tide.identity { key_id = "k" } end }
      """
    let one = try CodedCase(Self.plain, policies: ["p": policy], url: judge.url)
    let padding = (0..<60_000).map { String($0 &* 7_919, radix: 36) }.joined(separator: " ")
    let body = Array(#"{"model":"m","messages":[{"role":"user","content":"\#(padding)"}]}"#.utf8)
    let call = send(one, Encoded.brotli.encode(body), "br")
    #expect(judge.questions.wait { $0.count == 1 })
    judge.release(1)
    #expect(call.finish() == .whole)
    #expect(call.status == 200)
    #expect(one.upstream.requests.current.map(\.body) == [body])
    judge.stop()
    one.stop()
  }

  @Test func whatIsNotParsedPassesAsItIs() throws {
    let one = try CodedCase(Self.plain, policies: [:], limits: "")
    let upstream = one.upstream
    let gateway = try GatewayHarness(
      """
      clusters: [ { name: raw, endpoints: [ { url: "http://\(upstream.address!)", protocol: h2c } ] } ]
      routes: [ { name: default, cluster: raw } ]
      """)
    let body = Encoded.gzip.encode(Array("a file".utf8))
    let call = gateway.client.send("POST", "/v1/files", headers: [("content-encoding", "gzip")], body: body)
    #expect(call.finish() == .whole)
    #expect(upstream.requests.current.map(\.body) == [body])
    #expect(upstream.requests.current.first?.head.headers["content-encoding"] == "gzip")
    gateway.stop()
    one.stop()
  }

  // MARK: tide.http

  @Test(arguments: Encoded.allCases) func whatPoliciesCallMayBeCoded(_ form: Encoded) throws {
    let service = CodedUpstream(.init(pieces: []))
    let policy = """
      return { schema = { url = { type = "url" } },
        on_request = function(ctx, cfg)
          local r, err = tide.http { url = cfg.url, max_body = "64KiB" }
          if err then return tide.deny(503, { code = err.code, message = err.message }) end
          local word = r.json and r.json.word or r.body
          return tide.deny(418, { message = word .. " " .. tostring(r.headers["content-encoding"]) })
        end }
      """
    let one = try CodedCase(Self.plain, policies: ["p": policy], url: "http://\(service.address!)/x")
    func answer(_ bytes: [UInt8], _ encoding: String) -> String {
      service.set(.init(type: "application/json", encoding: encoding, pieces: [bytes]))
      let call = one.ask()
      #expect(call.finish() == .whole)
      return call.text
    }
    let name = form.coding.rawValue
    #expect(answer(form.encode(Array(#"{"word":"plain"}"#.utf8)), name).contains("plain nil"))
    #expect(answer([], name).contains(" \(name)"))
    #expect(answer(form.encode([UInt8](repeating: 0x20, count: 70_000)), name).contains("\"too_large\""))
    #expect(answer(Array(repeating: 0xEE, count: 40), name).contains("\"closed\""))
    #expect(answer(Array("as it is".utf8), "compress").contains("as it is compress"))
    #expect(service.requests.current.allSatisfy { $0.head.headers["accept-encoding"] == "identity" })
    one.stop()
    service.stop()
  }
}
