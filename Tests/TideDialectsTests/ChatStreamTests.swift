import TideCore
import Testing

@testable import TideDialects

@Suite struct ChatStreamTests {
  static func processors() -> [RecordingProcessor] {
    [RecordingProcessor(), UpperCaser(), Dropper(), Holder(), WordReplacer(), Cutter()]
  }

  @Test func nothingChangesWithoutAProcessor() {
    for transcript in Transcripts.all {
      let (output, progress, stream) = run(bytes(transcript), ChatStreamOptions())
      #expect(text(output) == transcript)
      #expect(progress == .complete)
      #expect(!stream.finishReasons.isEmpty)
    }
  }

  @Test func unchangedEventsLeaveAsTheyCame() {
    for transcript in [Transcripts.choices, Transcripts.tools, Transcripts.padded, Transcripts.reasoning] {
      #expect(text(run(bytes(transcript), ChatStreamOptions(processor: RecordingProcessor())).output) == transcript)
    }
  }

  @Test func surrogateHalvesJoinAcrossDeltas() {
    let processor = RecordingProcessor()
    let output = text(run(bytes(Transcripts.plain), ChatStreamOptions(processor: processor)).output)
    #expect(text(processor.seen[LaneID(choice: 0, channel: .text)] ?? []) == "The secret is é😀 \"ok\"\nsecret")
    #expect(output.contains(#"{"content":"😀 \"ok\"\n"}"#))
  }

  @Test func everyCutGivesTheSameBytes() {
    for transcript in Transcripts.all {
      for ending in ["\n", "\r\n", "\r"] {
        let input = Array(transcript.utf8).flatMap { $0 == 0x0A ? Array(ending.utf8) : [$0] }
        for index in 0..<Self.processors().count {
          let whole = run(input, ChatStreamOptions(processor: Self.processors()[index]))
          #expect(whole.progress == .complete)
          for size in [1, 2, 3, 7, 64] {
            let pieces = run(input, ChatStreamOptions(processor: Self.processors()[index]), size: size)
            #expect(text(pieces.output) == text(whole.output))
          }
        }
        let plain = run(input, ChatStreamOptions())
        #expect(text(plain.output) == text(input))
      }
    }
  }

  @Test func everySingleCutPoint() {
    let input = bytes(
      Transcripts.plain.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"))
    let whole = run(input, ChatStreamOptions(processor: WordReplacer(), stripUsage: true))
    for cut in 0...input.count {
      let pieces = run(input, ChatStreamOptions(processor: WordReplacer(), stripUsage: true), cutAt: cut)
      #expect(text(pieces.output) == text(whole.output))
      #expect(text(run(input, ChatStreamOptions(), cutAt: cut).output) == text(input))
    }
  }

  @Test func aWordCutInTwoIsStillOneWord() {
    let output = text(run(bytes(Transcripts.plain), ChatStreamOptions(processor: WordReplacer())).output)
    #expect(!output.contains("sec"))
    #expect(output.contains(#"{"content":"The "}"#))
    #expect(output.contains(#"{"content":"[x] "}"#))
    // The last word is held to the end: an event of its own before the finish event.
    let parts = output.components(separatedBy: "\n\n")
    let finish = parts.firstIndex { $0.contains("\"stop\"") }!
    #expect(parts[finish - 1].contains(#""delta":{"content":"[x]"}"#))
    #expect(
      parts[finish - 1].hasPrefix(
        #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","#))
  }

  @Test func anEditDropsLogprobsAndPaddingOnly() {
    let output = text(run(bytes(Transcripts.padded), ChatStreamOptions(processor: UpperCaser())).output)
    #expect(
      output.hasPrefix(
        #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"HELLO SECRET","x":null},"finish_reason":null}],"service_tier":"default"}"#
          + "\n\n"))
  }

  @Test func droppedTextLeavesNoEmptyEvents() {
    let output = text(run(bytes(Transcripts.plain), ChatStreamOptions(processor: Dropper())).output)
    #expect(
      output == Transcripts.delta(#"{"role":"assistant","content":""}"#) + ": keep-alive\n\n"
        + Transcripts.delta("{}", finish: "\"stop\"") + Transcripts.usage + Transcripts.done)
  }

  @Test func usageIsReadAndStripped() {
    for processor in [nil, RecordingProcessor()] {
      let (output, _, stream) = run(bytes(Transcripts.plain), ChatStreamOptions(processor: processor, stripUsage: true))
      #expect(!text(output).contains("prompt_tokens"))
      #expect(stream.usage == TokenUsage(prompt: 9, completion: 12, total: 21, cached: 3, reasoning: 2))
      #expect(stream.usageSource == .upstream)
      #expect(stream.contentEventCount == 5)
      #expect(stream.finishReasons == [FinishReason(choice: 0, reason: "stop")])
    }
  }

  @Test func truncationIsNeverACompleteAnswer() {
    let input = Transcripts.delta(#"{"content":"a"}"#) + #"data: {"choices":[{"ind"#
    for processor in [nil, RecordingProcessor()] {
      let (output, progress, stream) = run(bytes(input), ChatStreamOptions(processor: processor))
      #expect(progress == .failed(.truncated))
      #expect(text(output) == Transcripts.delta(#"{"content":"a"}"#))
      var out = ByteQueue()
      stream.writeError(.truncated, into: &out)
      stream.writeError(.truncated, into: &out)
      #expect(
        text([UInt8](out.readableBytes))
          == #"data: {"error":{"message":"The upstream ended the stream before the answer was complete.","type":"server_error","param":null,"code":"upstream_stream_interrupted"}}"#
          + "\n\n")
    }
  }

  @Test func aForgottenMarkerIsWrittenWhenAllChoicesHaveFinished() {
    for processor in [nil, RecordingProcessor()] {
      let whole = Transcripts.choices
      let (output, progress, _) = run(
        bytes(String(whole.dropLast(Transcripts.done.count + 1))), ChatStreamOptions(processor: processor))
      #expect(progress == .complete)
      #expect(text(output) == whole)
    }
  }

  @Test func anErrorOfTheUpstreamsIsForwarded() {
    let input =
      Transcripts.delta(#"{"content":"a"}"#) + "data: {\"error\":{\"message\":\"boom\",\"code\":\"overloaded\"}}\n\n"
    for processor in [nil, RecordingProcessor()] {
      let (output, progress, stream) = run(bytes(input + Transcripts.done), ChatStreamOptions(processor: processor))
      #expect(progress == .failed(.upstreamError))
      #expect(text(output) == input)
      #expect(stream.upstreamErrorCode == "overloaded")
    }
  }

  @Test func aCutEndsWellFormed() {
    let input =
      Transcripts.delta(#"{"role":"assistant","content":"go "}"#) + Transcripts.delta(#"{"content":"STOP it"}"#)
      + Transcripts.delta(#"{"content":"never"}"#) + Transcripts.done
    let (output, progress, stream) = run(
      bytes(input), ChatStreamOptions(processor: Cutter(), includeUsageRequested: true))
    #expect(progress == .cut)
    #expect(
      text(output) == Transcripts.delta(#"{"role":"assistant","content":"go "}"#)
        + Transcripts.delta(#"{"content":" [cut]"}"#) + Transcripts.delta("{}", finish: "\"content_filter\"")
        + Transcripts.event("", more: #","usage":{"prompt_tokens":0,"completion_tokens":2,"total_tokens":2}"#)
        + Transcripts.done)
    #expect(stream.usageSource == .counted)
  }

  @Test func nothingOfAChoiceFollowsItsFinish() {
    let late = Transcripts.delta(#"{"content":"late"}"#)
    let two = Transcripts.event(
      #"{"index":0,"delta":{"content":"late"}},{"index":1,"delta":{"content":"b"}}"#)
    let head = Transcripts.delta(#"{"content":"a"}"#) + Transcripts.delta("{}", finish: "\"stop\"")
    let end = Transcripts.done
    for processor in [nil, RecordingProcessor()] {
      let output = text(
        run(bytes(head + late + two + end + late + end), ChatStreamOptions(processor: processor)).output)
      #expect(output == head + Transcripts.event(#"{"index":1,"delta":{"content":"b"}}"#) + end)
    }
  }

  @Test func malformedAndOversizedEventsFailClosed() {
    #expect(
      run(bytes("data: {\"choices\":[{]}\n\n"), ChatStreamOptions(processor: RecordingProcessor())).progress
        == .failed(.malformed))
    let large = bytes("data: ") + [UInt8](repeating: 0x61, count: SSEFramer.eventByteLimit)
    #expect(run(large, ChatStreamOptions()).progress == .failed(.tooLarge))
    #expect(run(large, ChatStreamOptions(), size: 65536).progress == .failed(.tooLarge))
  }

  @Test func finishWaitsForTheUsage() {
    var options = ChatStreamOptions(processor: RecordingProcessor())
    options.holdFinishForUsage = true
    let early = Transcripts.delta(#"{"content":"a"}"#)
    let finish = Transcripts.delta("{}", finish: "\"stop\"")
    #expect(text(run(bytes(early + finish), options, end: false).output) == early)
    options.processor = RecordingProcessor()
    #expect(
      text(run(bytes(early + finish + Transcripts.usage), options, end: false).output) == early + finish
        + Transcripts.usage)
  }

  @Test func theModelIsRenamed() {
    var options = ChatStreamOptions()
    options.renameModel = "alias"
    let output = text(run(bytes(Transcripts.choices), options).output)
    #expect(output == Transcripts.choices.replacing("\"model\":\"m\"", with: "\"model\":\"alias\""))
  }

  @Test func mutatedTranscriptsNeverTrap() {
    var random = SeededNumbers(seed: 20_26)
    for round in 0..<1500 {
      var input = bytes(Transcripts.all[round % Transcripts.all.count])
      for _ in 0..<Int(random.next() % 6 + 1) {
        let place = Int(random.next() % UInt64(input.count))
        switch random.next() % 4 {
        case 0: input[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: input.remove(at: place)
        case 2: input.insert(bytes("\"\\{}[]:,\r\n\0\u{D}udF")[Int(random.next() % 15)], at: place)
        default: input.insert(contentsOf: input[place..<min(place + 40, input.count)], at: place)
        }
      }
      let processor = Self.processors()[round % 6]
      let (output, progress, _) = run(input, ChatStreamOptions(processor: processor), size: Int(random.next() % 50) + 1)
      #expect(progress.isOver)
      _ = output
      _ = run(input, ChatStreamOptions())
    }
  }
}

extension String {
  func components(separatedBy separator: String) -> [String] { self.split(separator: separator).map(String.init) }
}
