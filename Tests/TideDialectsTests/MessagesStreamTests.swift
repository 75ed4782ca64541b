import TideCore
import Testing

@testable import TideDialects

private typealias T = MessagesTranscripts

@Suite struct MessagesStreamTests {
  static func processors() -> [RecordingProcessor] {
    [RecordingProcessor(), UpperCaser(), Dropper(), Holder(), WordReplacer(), Cutter(), ArgumentReplacer()]
  }

  func run(_ input: String, _ processor: LaneProcessor? = nil, end: Bool = true) -> (
    output: String, progress: StreamProgress, stream: AnswerStream
  ) {
    let result = TideDialectsTests.run(
      .anthropic, bytes(input), ChatStreamOptions(processor: processor), end: end)
    return (text(result.output), result.progress, result.stream)
  }

  @Test func nothingChangesWithoutAProcessor() {
    for transcript in T.all {
      let (output, progress, stream) = run(transcript)
      #expect(output == transcript)
      #expect(progress == .complete)
      #expect(stream.finishReasons.count == 1)
    }
  }

  @Test func unchangedEventsLeaveAsTheyCame() {
    for transcript in [T.signed, T.tools, T.cited, T.unsigned] {
      let output = run(transcript, RecordingProcessor()).output
      // A ping need not wait for thinking that does.
      #expect(output.replacing(T.ping, with: "") == transcript.replacing(T.ping, with: ""))
    }
  }

  @Test func everyCutGivesTheSameBytes() {
    for transcript in T.all {
      for ending in ["\n", "\r\n", "\r"] {
        let input = bytes(transcript, ending: ending)
        for index in 0..<Self.processors().count {
          let options = { ChatStreamOptions(processor: Self.processors()[index]) }
          let whole = TideDialectsTests.run(.anthropic, input, options())
          #expect(whole.progress == .complete || whole.progress == .cut)
          _ = ReadMessage(whole.output)
          for size in [1, 3, 64] {
            let pieces = TideDialectsTests.run(.anthropic, input, options(), size: size)
            #expect(text(pieces.output) == text(whole.output), "\(type(of: Self.processors()[index])) by \(size)")
          }
        }
        #expect(text(TideDialectsTests.run(.anthropic, input, ChatStreamOptions()).output) == text(input))
      }
    }
  }

  @Test func everySingleCutPoint() {
    for transcript in [T.plain, T.unsigned] {
      let input = bytes(transcript, ending: "\r\n")
      let whole = TideDialectsTests.run(.anthropic, input, ChatStreamOptions(processor: WordReplacer()))
      for cut in 0...input.count {
        let pieces = TideDialectsTests.run(
          .anthropic, input, ChatStreamOptions(processor: WordReplacer()), cutAt: cut)
        #expect(text(pieces.output) == text(whole.output))
        let plain = TideDialectsTests.run(.anthropic, input, ChatStreamOptions(), cutAt: cut)
        #expect(text(plain.output) == text(input))
      }
    }
  }

  @Test func aWordCutInTwoIsStillOneWord() {
    let (output, _, _) = run(T.plain, WordReplacer())
    #expect(!output.contains("sec"))
    #expect(output.contains(T.text(0, "The ")) && output.contains(T.text(0, "[x] ")))
    // The last word is held to the block's end: an event of its own before that.
    #expect(output.contains(T.text(0, "[x]") + T.stop(0)))
    #expect(ReadMessage(bytes(output)).text == "The [x] is é😀 \"ok\"\n[x]")
  }

  @Test func lanesAreBlocks() {
    let processor = ArgumentReplacer()
    _ = run(T.tools, processor)
    #expect(text(processor.seen[LaneID(choice: 0, channel: .text)] ?? []) == "One secret")
    #expect(text(processor.seen[LaneID(choice: 0, block: 0, channel: .toolArgs)] ?? []) == #"{"a": "secret"}"#)
    #expect(text(processor.seen[LaneID(choice: 0, block: 1, channel: .toolArgs)] ?? []) == "{}")
  }

  @Test func argumentsRunThroughLanesOfTheirOwn() {
    let read = ReadMessage(bytes(run(T.tools, ArgumentReplacer()).output))
    #expect(read.blocks.map(\.text) == ["One [x]", #"{"a": "[x]"}"#, "{}"])
    let breaker = ArgumentReplacer()
    breaker.breaksJSON = true
    #expect(run(T.tools, breaker).progress == .failed(.policy))
  }

  @Test func signedThinkingPassesOrIsDroppedWhole() {
    // Unchanged, though words are held back on the way.
    #expect(
      run(T.signed.replacing("secret", with: "me"), WordReplacer()).output.replacing(T.ping, with: "")
        .hasPrefix(
          (T.begin + T.start(0, T.emptyThinking) + T.thinking(0, "Let me me") + T.thinking(0, " think")
            + T.delta(0, T.signature) + T.stop(0))))
    // Changed: the block is gone, and the next one takes its index.
    for processor in [WordReplacer(), UpperCaser(), Dropper()] {
      let (output, progress, _) = run(T.signed, processor)
      #expect(progress == .complete)
      #expect(!output.contains("thinking") && !output.contains("signature"))
      #expect(output.hasPrefix(T.begin + T.ping))
    }
    #expect(
      run(T.signed, WordReplacer()).output == T.begin + T.ping + T.start(0, T.emptyText) + T.text(0, "Hi: ")
        + T.text(0, "é") + T.stop(0) + T.finish("end_turn") + T.end)
  }

  @Test func unsignedThinkingIsEdited() {
    let read = ReadMessage(bytes(run(T.unsigned, WordReplacer()).output))
    #expect(read.blocks.map(\.text) == ["My [x] plan", "Hi"])
    #expect(read.stopReason == "max_tokens")
  }

  @Test func emptiedBlocksAreNeverAnnounced() {
    let (output, _, _) = run(T.plain, Dropper())
    #expect(output == T.begin + T.ping + ": keep-alive\n\n" + T.finish("end_turn") + T.end)
    // A block that came empty is the upstream's to send.
    let empty = T.begin + T.start(0, T.emptyText) + T.stop(0) + T.finish("end_turn") + T.end
    #expect(run(empty, Dropper()).output == empty)
  }

  @Test func aBlockMayBeginWithText() {
    let input =
      T.begin + T.start(0, #"{"type":"text","text":"a secret "}"#) + T.text(0, "b") + T.stop(0) + T.finish("end_turn")
      + T.end
    #expect(ReadMessage(bytes(run(input, WordReplacer()).output)).text == "a [x] b")
    #expect(run(input, RecordingProcessor()).output == input)
  }

  @Test func usageIsReplacedNotAdded() {
    let usage = run(T.plain).stream.usage
    #expect(usage == TokenUsage(prompt: 16, completion: 12, cached: 3))
    #expect(run(T.plain).stream.usageSource == .upstream)
    let more = T.plain.replacing(
      #""usage":{"output_tokens":12}"#,
      with:
        #""usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":14,"output_tokens_details":{"thinking_tokens":6}}"#
    )
    #expect(run(more).stream.usage == TokenUsage(prompt: 19, completion: 14, cached: 5, reasoning: 6))
    let early = run(T.begin + T.start(0, T.emptyText) + T.text(0, "a") + T.text(0, "b"), end: false).stream
    #expect(early.usage == TokenUsage(prompt: 16, completion: 2, cached: 3))
    #expect(early.usageSource == .counted)
    #expect(early.contentEventCount == 2 && early.deliveredTextBytes == 2)
  }

  @Test func truncationIsNeverACompleteAnswer() {
    let input = T.begin + T.start(0, T.emptyText) + T.text(0, "a")
    for processor in [nil, RecordingProcessor()] {
      let (output, progress, stream) = run(input + "event: content_block_stop\ndata: {\"ty", processor)
      #expect(progress == .failed(.truncated))
      #expect(output == input)
      #expect(
        text(error(stream, .truncated))
          == "event: error\ndata: "
          + #"{"type":"error","error":{"type":"api_error","message":"The upstream ended the stream before the answer was complete."}}"#
          + "\n\n")
    }
    #expect(text(error(run(input).stream, .timedOut)).contains("timeout_error"))
    #expect(text(error(run(input).stream, .drained)).contains("overloaded_error"))
  }

  @Test func aForgottenEndIsWrittenAfterTheStopReason() {
    for processor in [nil, RecordingProcessor()] {
      let (output, progress, _) = run(String(T.tools.dropLast(T.end.count)), processor)
      #expect(progress == .complete)
      #expect(output == T.tools)
    }
  }

  @Test func anErrorOfTheUpstreamsIsForwarded() {
    let input =
      T.begin + T.event("error", #","error":{"type":"overloaded_error","message":"Overloaded"}"#)
    for processor in [nil, RecordingProcessor()] {
      let (output, progress, stream) = run(input + T.end, processor)
      #expect(progress == .failed(.upstreamError))
      #expect(output == input)
      #expect(error(stream, .truncated).isEmpty)
    }
  }

  @Test func aCutEndsWellFormed() {
    let head = T.begin + T.start(0, T.emptyText)
    let (output, progress, stream) = run(
      head + T.text(0, "go ") + T.text(0, "STOP it") + T.text(0, "never") + T.stop(0) + T.end, Cutter())
    #expect(progress == .cut)
    #expect(
      output == head + T.text(0, "go ") + T.text(0, " [cut]") + T.stop(0) + T.finish("refusal", output: 2) + T.end)
    #expect(stream.usageSource == .counted)
    #expect(stream.finishReasons == [FinishReason(choice: 0, reason: "refusal")])
  }

  @Test func aCutInThinkingOrArgumentsEndsInABlockOfText() {
    let thinking = run(T.signed.replacing("secret", with: "STOP"), Cutter())
    #expect(thinking.progress == .cut)
    let read = ReadMessage(bytes(thinking.output))
    #expect(read.hasEnded && read.blocks.map(\.type) == ["text"] && read.text == " [cut]")

    let stream = run(
      T.begin + T.start(0, #"{"type":"tool_use","id":"t","name":"f","input":{}}"#) + T.json(0, "{"), end: false)
    var out = ByteQueue()
    out.append(stream.output)
    stream.stream.cut(LaneCut(finishReason: "length", text: "over"), into: &out)
    let cut = ReadMessage([UInt8](out.readableBytes))
    #expect(cut.hasEnded && cut.stopReason == "max_tokens" && cut.blocks.map(\.text) == ["{", "over"])
  }

  @Test func aCutBeforeAnythingIsAWholeMessage() {
    let stream = AnswerStream(.anthropic, options: ChatStreamOptions())
    var out = ByteQueue()
    stream.cut(LaneCut(finishReason: "stop", text: ""), into: &out)
    stream.cut(LaneCut(), into: &out)
    let read = ReadMessage([UInt8](out.readableBytes))
    #expect(read.hasEnded && read.stopReason == "end_turn" && stream.progress == .cut)
  }

  @Test func breachesOfTheGrammarFail() {
    let open = T.begin + T.start(0, T.emptyText)
    for input in [
      T.start(0, T.emptyText), T.begin + T.begin, T.begin + T.text(0, "a"), T.begin + T.stop(0),
      open + T.text(1, "a"), open + T.stop(0) + T.text(0, "a"), open + T.stop(0) + T.stop(0),
      open + T.stop(0) + T.finish("end_turn") + T.start(1, T.emptyText), T.end, T.finish("end_turn"),
      T.begin.replacing(#""content":[]"#, with: #""content":[{"type":"text","text":"a"}]"#),
    ] {
      for processor in [nil, RecordingProcessor()] {
        let result = run(input + T.end, processor)
        #expect(result.progress == .failed(.malformed), "\(input)")
        #expect(ReadMessage(bytes(result.output) + error(result.stream, .malformed)).hasError)
      }
    }
  }

  @Test func whatCanBeRepairedIs() {
    // Indexes that do not count from 0, a block that never closes, one index for all.
    let input =
      T.begin + T.start(1, T.emptyText) + T.text(1, "a") + T.stop(1) + T.start(1, T.emptyText) + T.text(1, "b")
      + T.start(1, T.emptyText) + T.text(1, "c") + T.finish("end_turn") + T.end
    for processor in [nil, RecordingProcessor()] {
      let (output, progress, _) = run(input, processor)
      #expect(progress == .complete)
      #expect(ReadMessage(bytes(output)).text == "a|b|c")
    }
  }

  @Test func whatAFilterCannotReadFails() {
    for data in [
      "{", #"{"type":"content_block_delta","index":0,"index":1,"delta":{}}"#,
      #"{"type":"ping","type":"content_block_delta"}"#,
      #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","te\u0078t":"b"}}"#,
      #"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#, "[]", "{}",
    ] {
      let input = T.begin + T.start(0, T.emptyText) + "event: content_block_delta\ndata: \(data)\n\n"
      #expect(run(input, RecordingProcessor()).progress == .failed(.malformed), "\(data)")
    }
    let large = bytes("data: ") + [UInt8](repeating: 0x61, count: SSEFramer.eventByteLimit)
    #expect(TideDialectsTests.run(.anthropic, large, ChatStreamOptions()).progress == .failed(.tooLarge))
  }

  @Test func thinkingIsHeldUpToALimit() {
    let piece = T.thinking(0, String(repeating: "a", count: 100_000))
    let input = T.begin + T.start(0, T.emptyThinking) + String(repeating: piece, count: 12)
    #expect(run(input, RecordingProcessor(), end: false).progress == .failed(.tooLarge))
  }

  @Test func mutatedTranscriptsNeverTrapAndStayGrammatical() {
    var random = SeededNumbers(seed: 5)
    for round in 0..<1500 {
      let input = mutated(T.all[round % T.all.count], &random)
      let processor = Self.processors()[round % 7]
      let size = Int(random.next() % 50) + 1
      let (output, progress, stream) = TideDialectsTests.run(
        .anthropic, input, ChatStreamOptions(processor: processor), size: size)
      #expect(progress.isOver)
      var end: [UInt8] = []
      if case .failed(let failure) = progress, failure != .upstreamError {
        end = error(stream, failure)
        #expect(!end.isEmpty)
      }
      _ = ReadMessage(output + end, isHonest: false)
      _ = TideDialectsTests.run(.anthropic, input, ChatStreamOptions())
    }
  }
}
