import TideCore
import Testing

@testable import TideDialects

private typealias T = ResponsesTranscripts

@Suite struct ResponsesStreamTests {
  static func processors() -> [RecordingProcessor] {
    [RecordingProcessor(), UpperCaser(), Dropper(), Holder(), WordReplacer(), Cutter(), ArgumentReplacer()]
  }

  func run(_ input: String, _ processor: LaneProcessor? = nil, mayBeCut: Bool = false, end: Bool = true) -> (
    output: String, progress: StreamProgress, stream: AnswerStream
  ) {
    var options = ChatStreamOptions(processor: processor)
    options.mayBeCut = mayBeCut
    let result = TideDialectsTests.run(.responses, bytes(input), options, end: end)
    return (text(result.output), result.progress, result.stream)
  }

  @Test func nothingChangesWithoutAProcessor() {
    for transcript in T.all {
      for mayBeCut in [false, true] {
        let (output, progress, stream) = run(transcript, mayBeCut: mayBeCut)
        #expect(output == transcript)
        #expect(progress == .complete)
        #expect(stream.finishReasons.count == 1)
      }
    }
  }

  @Test func unchangedEventsLeaveAsTheyCame() {
    for transcript in [T.reasoned, T.tools, T.annotated, T.terse] {
      #expect(run(transcript, RecordingProcessor()).output == transcript)
    }
  }

  @Test func everyCutGivesTheSameBytes() {
    for transcript in T.all {
      for ending in ["\n", "\r\n", "\r"] {
        let input = bytes(transcript, ending: ending)
        for index in 0..<Self.processors().count {
          let options = { ChatStreamOptions(processor: Self.processors()[index]) }
          let whole = TideDialectsTests.run(.responses, input, options())
          #expect(whole.progress == .complete || whole.progress == .cut)
          _ = ReadResponse(whole.output)
          for size in [1, 3, 64] {
            let pieces = TideDialectsTests.run(.responses, input, options(), size: size)
            #expect(text(pieces.output) == text(whole.output), "\(type(of: Self.processors()[index])) by \(size)")
          }
        }
        #expect(text(TideDialectsTests.run(.responses, input, ChatStreamOptions()).output) == text(input))
      }
    }
  }

  @Test func everySingleCutPoint() {
    let input = bytes(T.annotated, ending: "\r\n")
    let whole = TideDialectsTests.run(.responses, input, ChatStreamOptions(processor: WordReplacer()))
    for cut in 0...input.count {
      let pieces = TideDialectsTests.run(
        .responses, input, ChatStreamOptions(processor: WordReplacer()), cutAt: cut)
      #expect(text(pieces.output) == text(whole.output))
      #expect(
        text(TideDialectsTests.run(.responses, input, ChatStreamOptions(), cutAt: cut).output) == text(input))
    }
  }

  @Test func whatRepeatsATextSaysWhatWentOut() {
    for (transcript, expected) in [
      (T.plain, "The [x] is é😀 \"ok\"\n[x]"), (T.reasoned, "Let me [x]no [x]"), (T.annotated, "abc [x] end"),
      (T.terse, "first [x]second [x]third [x]"),
    ] {
      let (output, progress, _) = run(transcript.replacing("secret think", with: "secret"), WordReplacer())
      #expect(progress == .complete)
      #expect(!output.contains("secret"))
      let read = ReadResponse(bytes(output))
      if transcript != T.reasoned { #expect(read.text == expected) }
      #expect(read.status == "completed" || transcript == T.annotated)
    }
  }

  @Test func aWordCutInTwoIsStillOneWord() {
    let (output, _, _) = run(T.plain, WordReplacer())
    #expect(output.contains(#""delta":"The ""#) && output.contains(#""delta":"[x] ""#))
    // The last word is held to the text's end: an event of its own before that.
    let events = output.split(separator: "\n\n")
    let done = events.firstIndex { $0.hasPrefix("event: response.output_text.done") }!
    #expect(
      events[done - 1].hasSuffix(
        #","item_id":"msg_1","output_index":0,"content_index":0,"delta":"[x]","logprobs":[]}"#))
  }

  @Test func lanesAreParts() {
    let processor = ArgumentReplacer()
    _ = run(T.tools, processor)
    #expect(text(processor.seen[LaneID(choice: 0, channel: .text)] ?? []) == "One secret")
    #expect(text(processor.seen[LaneID(choice: 0, channel: .toolArgs)] ?? []) == #"{"a":"secret"}"#)
    #expect(text(processor.seen[LaneID(choice: 0, block: 1, channel: .toolArgs)] ?? []) == "{}")
    let other = RecordingProcessor()
    _ = run(T.reasoned, other)
    #expect(text(other.seen[LaneID(choice: 0, channel: .reasoning)] ?? []) == "Let me secret think")
    #expect(text(other.seen[LaneID(choice: 0, channel: .refusal)] ?? []) == "no secret")
    #expect(Set(other.ended) == Set(other.seen.keys))
  }

  @Test func argumentsRunThroughLanesOfTheirOwn() {
    let (output, progress, _) = run(T.tools, ArgumentReplacer())
    #expect(progress == .complete)
    let read = ReadResponse(bytes(output))
    #expect(read.done["1.0"] == #"{"a":"[x]"}"# && read.done["2.0"] == "{}")
    let breaker = ArgumentReplacer()
    breaker.breaksJSON = true
    #expect(run(T.tools, breaker).progress == .failed(.policy))
  }

  @Test func anEditDropsWhatItMakesStale() {
    let (output, _, _) = run(T.annotated, WordReplacer())
    #expect(!output.contains("obfuscation") && !output.contains("logprob\":-1"))
    let events = EventReader.events(bytes(output))
    let annotations = events.filter { $0["type"] as? String == "response.output_text.annotation.added" }
    #expect(annotations.count == 1, "the one before the edit stays")
    let part = events.first { $0["type"] as? String == "response.content_part.done" }?["part"] as? EventReader.Object
    #expect((part?["annotations"] as? [Any])?.count == 1)
    // Text that was only held back is text as it came.
    #expect(run(T.annotated, Holder()).output.contains("logprob\":-1"))
  }

  @Test func droppedTextLeavesNoEmptyEvents() {
    let read = ReadResponse(bytes(run(T.plain, Dropper()).output))
    #expect(read.texts.isEmpty && read.text == "" && read.status == "completed")
  }

  @Test func usageIsThatOfTheLastEvent() {
    let stream = run(T.plain).stream
    #expect(stream.usage == TokenUsage(prompt: 9, completion: 12, total: 21, cached: 3, reasoning: 2))
    #expect(stream.usageSource == .upstream)
    #expect(stream.contentEventCount == 5)
    #expect(stream.finishReasons == [FinishReason(choice: 0, reason: "completed")])
  }

  @Test func truncationIsNeverACompleteAnswer() {
    let input = T.make { _ = $0.message(["a"]) }
    for tail in ["event: response.comp", "data: [DONE]\n\n"] {
      for processor in [nil, RecordingProcessor()] {
        let (output, progress, stream) = run(input + tail, processor)
        #expect(progress == .failed(.truncated))
        #expect(output == input)
        let message = text(error(stream, .truncated))
        let read = ReadResponse(bytes(output + message))
        #expect(read.types.suffix(2) == ["error", "response.failed"] && read.status == "failed")
        #expect(message.contains(#""error":{"message":"The upstream ended the stream"#))
        #expect(message.contains(#""code":"upstream_stream_interrupted""#))
        #expect(message.contains(#""id":"resp_1""#), "a response keeps its identity")
      }
    }
  }

  @Test func anErrorOfTheUpstreamsEndsTheResponse() {
    for members in [
      #","code":"rate_limit","message":"slow","param":null"#,
      #","error":{"type":"x","code":"rate_limit","message":"slow"}"#,
    ] {
      let input = T.make { $0.event("error", members) }
      for processor in [nil, RecordingProcessor()] {
        let (output, progress, stream) = run(input, processor)
        #expect(progress == .failed(.upstreamError))
        #expect(output.hasPrefix(input))
        #expect(ReadResponse(bytes(output)).status == "failed")
        #expect(output.contains(#""error":{"code":"rate_limit","message":"slow"}"#))
        #expect(error(stream, .truncated).isEmpty)
      }
    }
    let failed = T.make {
      $0.event("response.failed", T.response("failed", output: T.message(T.part("never seen"))))
    }
    #expect(run(failed).output == failed)
    #expect(run(failed, RecordingProcessor()).progress == .failed(.upstreamError))
    #expect(!run(failed, RecordingProcessor()).output.contains("never seen"))
  }

  @Test func aCutEndsWellFormed() {
    let input = T.make { stream in
      _ = stream.reasoning(["hm"], index: 0)
      let item = stream.message(["go ", "STOP it", "never"], index: 1)
      stream.end(item)
    }
    let (output, progress, stream) = run(input, Cutter())
    #expect(progress == .cut)
    let read = ReadResponse(bytes(output))
    #expect(read.status == "incomplete" && read.reason == "content_filter")
    #expect(read.texts["1.0"] == "go  [cut]")
    #expect(read.output.map { $0["type"] as? String } == ["reasoning", "message"])
    #expect(read.output.map { $0["status"] as? String } == [nil, "incomplete"])
    #expect(read.output[0]["encrypted_content"] as? String == "eA==")
    #expect(
      read.types.suffix(4) == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete",
      ])
    #expect(stream.finishReasons == [FinishReason(choice: 0, reason: "content_filter")])
  }

  @Test func aCutInWhatOnlyItsEndTellsIsAnnouncedFirst() {
    for (transcript, count) in [
      (T.terse.replacing("second secret", with: "STOP"), 2), (T.terse.replacing("third secret", with: "STOP"), 3),
    ] {
      let (output, progress, _) = run(transcript, Cutter())
      #expect(progress == .cut)
      let read = ReadResponse(bytes(output))
      #expect(read.status == "incomplete")
      #expect(read.output.count == count)
      #expect(read.text.hasSuffix(" [cut]"))
    }
  }

  @Test func aCutFromOutsideRemembersTexts() {
    let whole = T.make { stream in
      _ = stream.message(["one ", #"\u00e9"#])
      _ = stream.call(["{"], whole: "{}", index: 1)
    }
    let input = whole.components(separatedBy: "\n\n").prefix { !$0.contains("arguments.done") }.map { $0 + "\n\n" }
      .joined()
    let (output, _, stream) = run(input, mayBeCut: true, end: false)
    var out = ByteQueue()
    out.append(output)
    stream.cut(LaneCut(finishReason: "length", text: "over"), into: &out)
    let read = ReadResponse([UInt8](out.readableBytes))
    #expect(read.reason == "max_output_tokens")
    #expect(read.output.count == 3)
    #expect(read.output[1]["arguments"] as? String == "{")
    #expect(read.done["2.0"] == "over")
  }

  @Test func aCutBeforeAnythingIsAWholeResponse() {
    let stream = AnswerStream(.responses, options: ChatStreamOptions())
    var out = ByteQueue()
    stream.cut(LaneCut(finishReason: "stop", text: "bye"), into: &out)
    let read = ReadResponse([UInt8](out.readableBytes))
    #expect(read.status == "completed" && read.text == "bye")
    #expect(read.types.first == "response.created")
  }

  @Test func nothingOfATextFollowsItsEnd() {
    let late = T.make { stream in
      let item = stream.message(["a"])
      stream.event(
        "response.output_text.delta", #","item_id":"msg_1","output_index":0,"content_index":0,"delta":"late""#)
      stream.end(item)
    }
    #expect(ReadResponse(bytes(run(late, RecordingProcessor()).output)).text == "a")
  }

  @Test func eventsBeforeTheEndTellNothingUnheard() {
    let early = T.make { stream in
      stream.event("response.in_progress", T.response("in_progress", output: T.message(T.part("a secret"))))
    }
    #expect(!run(early, WordReplacer()).output.contains("secret"))
  }

  @Test func backendsThatCountOtherwiseAreUnderstood() {
    // Events name parts by other numbers than the item's own list has, and items by other identifiers.
    let input = T.make { stream in
      let place = #","item_id":"msg_1","output_index":4,"content_index":3"#
      stream.event("response.output_text.delta", place + #","delta":"a secret""#)
      stream.event("response.output_item.done", #","output_index":4,"item":"# + T.message(T.part("a secret")))
      stream.end(T.message(T.part("a secret"), id: "other"))
    }
    let (output, progress, _) = run(input, WordReplacer())
    #expect(progress == .complete)
    #expect(!output.contains("secret"))
  }

  @Test func whatAFilterCannotReadFails() {
    for data in [
      "{", "[]", "{}", #"{"type":"response.output_text.delta","delta":"a","d\u0065lta":"b"}"#,
      #"{"type":"x","type":"response.output_text.delta","delta":"a"}"#,
      #"{"type":"response.completed","response":{"output":[],"output":[]}}"#,
      #"{"type":"response.output_text.delta","output_index":-1,"delta":"a"}"#,
    ] {
      let input = T.make { _ in } + "data: \(data)\n\n"
      #expect(run(input, RecordingProcessor()).progress == .failed(.malformed), "\(data)")
    }
    let large = bytes("data: ") + [UInt8](repeating: 0x61, count: SSEFramer.eventByteLimit)
    #expect(TideDialectsTests.run(.responses, large, ChatStreamOptions()).progress == .failed(.tooLarge))
    // What is remembered has a limit, too.
    let endless = T.make { stream in
      for _ in 0..<45 {
        stream.event(
          "response.output_text.delta",
          #","item_id":"m","output_index":0,"content_index":0,"delta":""# + String(repeating: "a", count: 100_000)
            + "\"")
      }
    }
    #expect(run(endless, RecordingProcessor(), end: false).progress == .failed(.tooLarge))
  }

  @Test func mutatedTranscriptsNeverTrap() {
    var random = SeededNumbers(seed: 11)
    for round in 0..<1500 {
      let input = mutated(T.all[round % T.all.count], &random)
      let processor = Self.processors()[round % 7]
      let (_, progress, stream) = TideDialectsTests.run(
        .responses, input, ChatStreamOptions(processor: processor), size: Int(random.next() % 50) + 1)
      #expect(progress.isOver)
      if case .failed(let failure) = progress, failure != .upstreamError {
        #expect(!error(stream, failure).isEmpty)
      }
      _ = TideDialectsTests.run(.responses, input, ChatStreamOptions())
    }
  }
}
