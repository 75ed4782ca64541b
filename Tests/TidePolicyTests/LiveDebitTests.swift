import Testing
import TideCore
import TideDialects

@testable import TidePolicy

/// Budgets of tokens are debited as arguments of tool calls and thinking pass, which no lane carries where no policy asks for them.
@Suite struct LiveDebitTests {
  enum Kind: CaseIterable { case arguments, thinking }

  /// Forty bytes of text, ten tokens, with an escape in them where arguments have them.
  private static let piece = #"{\"ab\":\"cdefghijklmnopqrstuvwxyz012345\"}"#
  private static let pieceTokens = 10

  private static func event(_ json: String) -> String { "data: \(json)\n\n" }

  private static func named(_ name: String, _ members: String) -> String {
    "event: \(name)\ndata: {\"type\":\"\(name)\",\(members)}\n\n"
  }

  /// What comes before the pieces, and one of these.
  private static func stream(_ dialect: Dialect, _ kind: Kind) -> (beginning: String, piece: String) {
    func chat(_ delta: String) -> String {
      event(
        #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"# + delta
          + "}]}")
    }
    switch (dialect, kind) {
    case (.openAI, .arguments):
      return (
        chat(
          #"{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#
        ),
        chat(#"{"tool_calls":[{"index":0,"function":{"arguments":""# + piece + #""}}]}"#)
      )
    case (.openAI, .thinking):
      return (chat(#"{"role":"assistant"}"#), chat(#"{"reasoning_content":""# + piece + #""}"#))
    case (.anthropic, _):
      let block =
        kind == .arguments
        ? #"{"type":"tool_use","id":"a","name":"f","input":{}}"# : #"{"type":"thinking","thinking":"","signature":""}"#
      let delta =
        kind == .arguments
        ? #"{"type":"input_json_delta","partial_json":""# + piece + #""}"#
        : #"{"type":"thinking_delta","thinking":""# + piece + #""}"#
      return (
        named(
          "message_start",
          #""message":{"id":"m","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}"#
        ) + named("content_block_start", #""index":0,"content_block":"# + block),
        named("content_block_delta", #""index":0,"delta":"# + delta)
      )
    case (.responses, _):
      let item =
        kind == .arguments
        ? #"{"id":"i","type":"function_call","status":"in_progress","arguments":"","call_id":"c","name":"f"}"#
        : #"{"id":"i","type":"reasoning","status":"in_progress","summary":[]}"#
      let delta =
        kind == .arguments ? "response.function_call_arguments.delta" : "response.reasoning_summary_text.delta"
      return (
        named(
          "response.created",
          #""response":{"id":"r","object":"response","created_at":7,"status":"in_progress","model":"m","output":[]},"sequence_number":0"#
        ) + named("response.output_item.added", #""output_index":0,"item":"# + item + #","sequence_number":1"#),
        named(delta, #""item_id":"i","output_index":0,"summary_index":0,"delta":""# + piece + #"","sequence_number":2"#)
      )
    }
  }

  private static func request(_ dialect: Dialect) -> String {
    switch dialect {
    case .openAI: #"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#
    case .anthropic: #"{"model":"m","stream":true,"max_tokens":9000,"messages":[{"role":"user","content":"hi"}]}"#
    case .responses: #"{"model":"m","stream":true,"input":"hi"}"#
    }
  }

  /// An exchange of a key that has 100 tokens, up to its answer.
  private static func exchange(_ dialect: Dialect, more: String = "") throws -> (PolicyFixture, PolicyRun) {
    let fixture = try PolicyFixture([
      (
        "p",
        """
        return { \(more) on_request = function(ctx)
          local r = tide.limit.tokens("k", { tokens = 100, per = "day", count = "output", estimate = 16 })
          if not r.ok then return tide.deny(429) end
        end }
        """
      )
    ])
    let run = fixture.run()
    run.context.chat = try ChatRequest.parse(Array(request(dialect).utf8), dialect).get()
    run.context.dialect = dialect.name
    #expect(run.runRequest() == .proceed)
    run.context.response = ExchangeContext.Response(status: 200)
    return (fixture, run)
  }

  private static let cases = [Dialect.openAI, .anthropic, .responses].flatMap { dialect in
    Kind.allCases.map { (dialect, $0) }
  }

  @Test(arguments: cases, [true, false])
  func anEmptyKeyEndsAStream(_ one: (dialect: Dialect, kind: Kind), atOnce: Bool) throws {
    let (fixture, run) = try Self.exchange(one.dialect)
    let stream = AnswerStream(one.dialect, options: ChatStreamOptions(processor: run.lanes))
    let (beginning, piece) = Self.stream(one.dialect, one.kind)
    var out = ByteQueue()
    func send(_ text: String) -> StreamProgress {
      var text = text
      return text.withUTF8 { stream.receive(UnsafeRawBufferPointer($0), into: &out) }
    }
    if atOnce {
      #expect(send(beginning + String(repeating: piece, count: 50)) == .cut)
    } else {
      #expect(send(beginning) == .streaming)
      for index in 0..<10 { #expect(send(piece) == .streaming, "piece \(index)") }
      #expect(send(piece) == .cut)
    }
    let sent = String(decoding: out.readableBytes, as: UTF8.self)
    let pieces = sent.split(separator: "\n").filter {
      $0.contains("cdefghijklmnopqrstuvwxyz012345") && ($0.contains("delta") && !$0.contains(".done"))
    }
    #expect(pieces.count == 10, "\(sent)")
    let reason = one.dialect == .openAI ? "length" : one.dialect == .anthropic ? "max_tokens" : "max_output_tokens"
    #expect(stream.finishReasons.map(\.reason) == [reason])
    #expect(sent.contains(#"":"\#(reason)""#) || sent.contains(#"": "\#(reason)""#), "\(sent)")
    // The books say so while the exchange still runs: nobody else of this key is let in.
    #expect(run.context.reservations.first?.taken == 100)
    #expect(fixture.run().runRequest() != .proceed)
  }

  /// Where thinking is a lane of a policy, it counts there, and only there.
  @Test(arguments: [Dialect.openAI, .anthropic, .responses])
  func thinkingThatAPolicySeesCountsOnce(_ dialect: Dialect) throws {
    let (_, run) = try Self.exchange(dialect, more: "channels = { 'reasoning' }, on_token = function() end,")
    let stream = AnswerStream(dialect, options: ChatStreamOptions(processor: run.lanes))
    let (beginning, piece) = Self.stream(dialect, .thinking)
    var out = ByteQueue()
    var text = beginning + String(repeating: piece, count: 8)
    _ = text.withUTF8 { stream.receive(UnsafeRawBufferPointer($0), into: &out) }
    #expect(stream.progress == .streaming)
    #expect(run.context.reservations.first?.taken == 80)
  }

  /// A whole answer keeps the calls that the key had tokens for.
  @Test(arguments: [Dialect.openAI, .anthropic, .responses])
  func aWholeAnswerEndsBeforeTheCallThatDoesNotFit(_ dialect: Dialect) throws {
    let (_, run) = try Self.exchange(dialect)
    let long = #"{\"a\":\""# + String(repeating: "x", count: 192) + #"\"}"#
    let plain = #"{"a":""# + String(repeating: "x", count: 192) + #""}"#
    func list(_ make: (Int) -> String) -> String { (0..<3).map(make).joined(separator: ",") }
    let body: String =
      switch dialect {
      case .openAI:
        #"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":["#
          + list { #"{"id":"call_\#($0)","type":"function","function":{"name":"f","arguments":"\#(long)"}}"# }
          + #"]},"finish_reason":"tool_calls"}]}"#
      case .anthropic:
        #"{"id":"m","type":"message","role":"assistant","content":["#
          + list { #"{"type":"tool_use","id":"call_\#($0)","name":"f","input":\#(plain)}"# }
          + #"],"stop_reason":"tool_use","stop_sequence":null}"#
      case .responses:
        #"{"id":"r","object":"response","status":"completed","incomplete_details":null,"output":["#
          + list {
            #"{"id":"fc_\#($0)","type":"function_call","status":"completed","arguments":"\#(long)","call_id":"call_\#($0)","name":"f"}"#
          } + "]}"
      }
    let whole = AnswerBody(dialect, options: ChatStreamOptions(processor: run.lanes))
    guard case .cut(let bytes) = whole.transform(Array(body.utf8)) else {
      Issue.record("not cut")
      return
    }
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("call_1") && !text.contains("call_2"), "\(text)")
    #expect(text.contains("length") || text.contains("max_tokens") || text.contains("max_output_tokens"))
    #expect(run.context.reservations.first?.taken == 100)
  }
}
