import CodingFixtures
import Testing
import TideCoding
import TideCore
import TideDialects
import TideHTTP

@testable import TideGateway

/// Upstreams that compress although they are asked not to.
@Suite(.serialized) struct CodedAnswerTests {
  private static let dialects: [Dialect] = [.openAI, .responses, .anthropic]

  // MARK: Read

  @Test(arguments: ["h2c", "http/1.1"]) func aCodedAnswerIsReadLikeAPlainOne(_ version: String) throws {
    let coded = try CodedCase(CodedUpstream.Answer(pieces: []), upstream: version)
    for dialect in Self.dialects {
      for stream in [true, false] {
        let kind = stream ? "text/event-stream" : "application/json"
        let pieces = CodedCase.pieces(dialect, stream: stream)
        coded.upstream.set(.init(type: kind, encoding: "identity", pieces: pieces))
        let plain = coded.ask(dialect, stream: stream)
        #expect(plain.finish() == .whole)
        #expect(plain.status == 200 && plain.text.contains("color of the sea"))
        for form in Encoded.allCases {
          coded.upstream.set(CodedCase.answer(form, dialect, stream: stream))
          let call = coded.ask(dialect, stream: stream)
          #expect(call.finish() == .whole)
          #expect(call.status == 200)
          #expect(call.text == plain.text, "\(form) \(dialect) \(stream)")
          let headers = call.state.current.head?.headers
          #expect(headers?.contains("content-encoding") == false)
        }
      }
    }
    let asked = coded.upstream.requests.current.map { $0.head.headers["accept-encoding"] }
    #expect(asked.allSatisfy { $0 == "identity" })
    let log = coded.stop()
    #expect(log.outcomes.allSatisfy { $0 == "complete" })
    // What it cost was read, too.
    #expect(log.count == 54 && log.allSatisfy { $0.contains("\"tokens_in\":11") && $0.contains("\"tokens_out\":7") })
  }

  @Test(arguments: Encoded.allCases, ["h2c", "http/1.1"])
  func eachEventComesWhenItWasFlushed(_ form: Encoded, _ version: String) throws {
    let words = (0..<12).map { "w\($0) " }
    let events =
      words.map { Array("data: \(ScriptedUpstream.chunk($0))\n\n".utf8) }
      + ["data: \(ScriptedUpstream.finish)\n\n", "data: [DONE]\n\n"].map { Array($0.utf8) }
    // What frames begin with goes out with the first event.
    let coded = form.encode(events)
    let early = coded.count - events.count
    let one = try CodedCase(
      .init(encoding: form.coding.rawValue, pieces: coded, free: early + 1),
      policies: ["p": "return { on_token = function(s, text) return text:upper() end }"], upstream: version)
    let call = one.ask()
    for sent in 1...words.count {
      let expected = words[..<sent].joined().uppercased()
      #expect(one.gateway.eventually { call.content == expected }, "event \(sent)")
      one.upstream.send(upTo: early + sent + 1)
    }
    one.upstream.send(upTo: .max)
    #expect(call.finish() == .whole)
    #expect(call.isDone && call.content == words.joined().uppercased())
    #expect(one.stop().outcomes == ["complete"])
  }

  @Test func severalFieldsAreOne() throws {
    var answer = CodedCase.answer(.gzip)
    answer.encoding = "identity, X-GZip"
    let one = try CodedCase(answer)
    let call = one.ask()
    #expect(call.finish() == .whole)
    #expect(call.isDone && call.content == CodedCase.edited)
    one.stop()
  }

  // MARK: Not read

  @Test(arguments: Encoded.allCases) func aWholeAnswerThatNobodyReadsPassesAsItIs(_ form: Encoded) throws {
    let answer = CodedCase.answer(form, stream: false)
    let one = try CodedCase(answer, policies: [:])
    let call = one.ask(stream: false)
    #expect(call.finish() == .whole)
    #expect(call.body == Array(answer.pieces.joined()))
    #expect(call.state.current.head?.headers["content-encoding"] == form.coding.rawValue)
    // Its usage is read on the side.
    let log = one.stop()
    #expect(log.first?.contains("\"tokens_in\":11") == true && log.first?.contains("\"tokens_out\":7") == true)
  }

  /// A stream holds usage that the gateway asked for and the client did not.
  @Test func aStreamIsReadInAnyCase() throws {
    let one = try CodedCase(CodedCase.answer(.gzip), policies: [:])
    let call = one.ask()
    #expect(call.finish() == .whole)
    #expect(call.isDone && call.content == CodedCase.text)
    #expect(!call.text.contains("prompt_tokens"))
    #expect(one.stop().first?.contains("\"tokens_out\":7") == true)
  }

  @Test(arguments: ["compress", "gzip, br"]) func whatCannotBeDecodedIsRefusedOnlyWherePoliciesRead(_ encoding: String)
    throws
  {
    let bytes = Array("neither gzip nor anything".utf8)
    for stream in [true, false] {
      let answer = CodedUpstream.Answer(
        type: stream ? "text/event-stream" : "application/json", encoding: encoding, pieces: [bytes])
      let one = try CodedCase(answer)
      for dialect in Self.dialects {
        let call = one.ask(dialect, stream: stream)
        #expect(call.finish() == .whole)
        #expect(call.status == 502)
        #expect(call.text.contains("gzip, deflate, br, zstd"))
        #expect(call.text.contains(dialect == .anthropic ? "\"type\":\"error\"" : "\"upstream_undecodable\""))
      }
      #expect(one.stop().outcomes == Array(repeating: "upstream_died", count: 3))
      let free = try CodedCase(answer, policies: [:])
      let call = free.ask(stream: stream)
      #expect(call.finish() == .whole)
      #expect(call.status == 200 && call.body == bytes)
      #expect(call.state.current.head?.headers["content-encoding"] == encoding)
      free.stop()
    }
  }

  /// Policies see an error's status and no byte of its body.
  @Test func anErrorsBodyPassesAsItIs() throws {
    let body = Encoded.gzip.encode(Array(#"{"error":{"message":"slow down"}}"#.utf8))
    let one = try CodedCase(
      .init(status: 429, type: "application/json", encoding: "gzip", pieces: [body]),
      policies: [
        "p":
          "return { on_token = function() end, on_upstream_error = function(ctx, cfg, err) tide.log.info(err.status) end }"
      ])
    let call = one.ask()
    #expect(call.finish() == .whole)
    #expect(call.status == 429 && call.body == body)
    #expect(call.state.current.head?.headers["content-encoding"] == "gzip")
    one.stop()
  }

  // MARK: Broken

  /// Cuts, changes and lengthens streams of every coding: the client gets what came before, and the dialect's error, never an end.
  @Test(arguments: Encoded.allCases) func aBrokenStreamIsAFailureOfTheUpstream(_ form: Encoded) throws {
    let one = try CodedCase(CodedUpstream.Answer(pieces: []))
    for dialect in Self.dialects {
      let whole = CodedCase.answer(form, dialect)
      let half = Array(whole.pieces.prefix(whole.pieces.count / 3))
      var broken = whole
      broken.pieces = half
      var garbled = whole
      garbled.pieces = half + [[UInt8](repeating: 0xFF, count: 300)]
      var reset = broken
      reset.isReset = true
      for answer in [broken, garbled, reset] {
        one.upstream.set(answer)
        let call = one.ask(dialect)
        #expect(call.finish() == .whole)
        #expect(call.status == 200)
        #expect(call.text.contains("error"), "\(form) \(dialect)")
        for end in ["[DONE]", "response.completed", "message_stop"] { #expect(!call.text.contains(end)) }
      }
    }
    #expect(one.gateway.eventually { one.gateway.figures.exchangesOpen == 0 && one.gateway.figures.streams == 0 })
    #expect(one.stop().outcomes == Array(repeating: "upstream_died", count: 9))
  }

  /// Whatever comes behind the answer's own end is read by nobody.
  @Test func whatFollowsTheTerminalMarkerChangesNothing() throws {
    var answer = CodedCase.answer(.gzip)
    answer.pieces.append(Array("garbage".utf8))
    let one = try CodedCase(answer)
    let call = one.ask()
    #expect(call.finish() == .whole)
    #expect(call.isDone && call.content == CodedCase.edited)
    #expect(one.stop().outcomes == ["complete"])
  }

  @Test(arguments: Encoded.allCases) func aBrokenBodyIsAnError(_ form: Encoded) throws {
    let one = try CodedCase(CodedUpstream.Answer(pieces: []))
    let whole = Array(CodedCase.answer(form, stream: false).pieces.joined())
    for bytes in [Array(whole.dropLast(3)), whole + [0], Array(repeating: 0xEE, count: 90), []] {
      one.upstream.set(.init(type: "application/json", encoding: form.coding.rawValue, pieces: [bytes]))
      let call = one.ask(stream: false)
      #expect(call.finish() == .whole)
      #expect(call.status == 502)
      #expect(call.text.contains("upstream_undecodable"))
    }
    #expect(one.stop().outcomes == Array(repeating: "upstream_died", count: 4))
  }

  // MARK: Bombs and credit

  @Test(arguments: Encoded.allCases) func bombsEnd(_ form: Encoded) throws {
    let one = try CodedCase(CodedUpstream.Answer(pieces: []), limits: "limits: { decoded_body: 1MiB }")
    let bomb = form.encode([UInt8](repeating: 0x20, count: 24 << 20))
    one.upstream.set(.init(type: "application/json", encoding: form.coding.rawValue, pieces: [bomb]))
    let whole = one.ask(stream: false)
    #expect(whole.finish() == .whole)
    #expect(whole.status == 502)
    #expect(whole.text.contains("response_too_large"))
    // Within an event, and as many short ones: the ratio ends the second.
    one.upstream.set(.init(encoding: form.coding.rawValue, pieces: [bomb]))
    let event = one.ask()
    #expect(event.finish() == .whole)
    #expect(event.text.contains("\"error\"") && !event.isDone)
    let comments = form.encode([UInt8](repeating: 0x0A, count: 24 << 20))
    one.upstream.set(.init(encoding: form.coding.rawValue, pieces: [comments]))
    let events = one.ask()
    #expect(events.finish() == .whole)
    #expect(events.text.contains("\"upstream_undecodable\"") && !events.isDone)
    #expect(events.body.count <= DecodingLimits.ratioFloor + 100 * comments.count + 4096)
    #expect(one.stop().outcomes == Array(repeating: "upstream_died", count: 3))
  }

  /// A client that does not read stops the decoder, not only the upstream: what a few bytes expand to is nowhere.
  @Test(arguments: [Encoded.gzip, .brotli, .zstd], ["h2c", "http/1.1"])
  func aClientThatDoesNotReadStopsTheDecoder(_ form: Encoded, _ version: String) throws {
    let count = 20_000
    let events = (0..<count).map { Array("data: \(ScriptedUpstream.chunk("w\($0) "))\n\n".utf8) }
    let body = Array(events.joined()) + Array("data: \(ScriptedUpstream.finish)\n\ndata: [DONE]\n\n".utf8)
    let one = try CodedCase(
      .init(encoding: form.coding.rawValue, pieces: [form.encode(body)]), policies: [:], upstream: version)
    let slow = one.ask(on: Call(isReading: false))
    slow.wait(forBytes: 60_000)
    for _ in 0..<50 { one.gateway.io.perform { _ in () } }
    #expect(one.gateway.bufferedByteCountMax <= 128 * 1024)
    #expect(one.gateway.codedByteCountMax <= 700 * 1024)
    one.gateway.client.resume(slow)
    #expect(slow.finish() == .whole)
    #expect(slow.isDone)
    #expect(slow.content == (0..<count).map { "w\($0) " }.joined())
    #expect(one.stop().outcomes == ["complete"])
  }

  /// Members of nothing: their credit comes back though they bring no text.
  @Test(arguments: ["h2c", "http/1.1"]) func bytesWithoutTextDoNotStopTheStream(_ version: String) throws {
    let empty = Encoded.gzip.encode([UInt8]())
    let members = Array(repeatElement(empty, count: 60_000).joined())
    var answer = CodedCase.answer(.gzip)
    answer.pieces.insert(members, at: 0)
    let one = try CodedCase(answer, upstream: version)
    let call = one.ask()
    #expect(call.finish() == .whole)
    #expect(call.isDone && call.content == CodedCase.edited)
    one.stop()
  }

  // MARK: Waiting

  /// A hook that waits, wherever it does, gets the answer as if it had come plain.
  @Test(arguments: [Encoded.gzip, .brotli, .zstd, .zlib], [true, false])
  func hooksMayWaitForACodedAnswer(_ form: Encoded, _ stream: Bool) throws {
    let judge = Judge()
    let policy = """
      return { schema = { url = { type = "url" } }, segment = { unit = "word", wait = true },
        on_response_start = function(ctx, cfg) tide.http { url = cfg.url } end,
        on_segment = function(s, word)
          if word == "colour" then tide.http { url = s.url } return "color" end
        end,
        on_lane = function(ctx, cfg) return { url = cfg.url } end }
      """
    judge.release(1_000)
    let one = try CodedCase(
      CodedCase.answer(form, stream: stream),
      policies: ["p": policy], url: judge.url)
    let call = one.ask(stream: stream)
    #expect(call.finish() == .whole)
    #expect(call.status == 200)
    #expect(call.text.contains("color"))
    if stream { #expect(call.isDone && call.content == CodedCase.edited) }
    #expect(judge.questions.current.count == 3)
    judge.stop()
    #expect(one.stop().outcomes == ["complete"])
  }

  /// A tool call that is being judged holds the decoder back, and the answer goes on behind it.
  @Test(arguments: [Encoded.gzip, .brotli, .zstd], [true, false])
  func aToolCallMayBeJudgedForALongTime(_ form: Encoded, _ stream: Bool) throws {
    let judge = Judge()
    let answer = ChatAnswer(
      text: "", toolCalls: [ChatAnswer.ToolCall(id: "t", name: "look", arguments: #"{"at":"sea"}"#)], id: "id",
      model: "m", created: 1)
    var out = ByteQueue()
    if stream {
      answer.writeStream(.openAI, includeUsage: true, into: &out)
    } else {
      answer.writeBody(.openAI, into: &out)
    }
    let policy = """
      return { schema = { url = { type = "url" } },
        on_tool_call = function(ctx, cfg, call)
          tide.http { url = cfg.url }
          return tide.tool { args = { at = "sky" } }
        end }
      """
    let one = try CodedCase(
      .init(
        type: stream ? "text/event-stream" : "application/json", encoding: form.coding.rawValue,
        pieces: form.encode([Array(out.readableBytes)])), policies: ["p": policy], url: judge.url)
    let call = one.ask(stream: stream)
    #expect(judge.questions.wait { $0.count == 1 })
    judge.release(1)
    #expect(call.finish() == .whole)
    #expect(call.status == 200 && call.text.contains("sky") && !call.text.contains("sea"))
    if stream { #expect(call.isDone) }
    judge.stop()
    #expect(one.stop().outcomes == ["complete"])
  }

  @Test func aClientThatLeavesEndsTheDecoder() throws {
    let one = try CodedCase(
      .init(encoding: "gzip", pieces: Encoded.gzip.encode(CodedCase.pieces(.openAI, stream: true)), free: 2))
    let call = one.ask()
    #expect(call.wait(forBytes: 10))
    one.gateway.client.cancel(call)
    #expect(one.gateway.eventually { one.gateway.figures.exchangesOpen == 0 && one.gateway.figures.streams == 0 })
    #expect(one.stop().outcomes == ["client_left"])
  }
}
