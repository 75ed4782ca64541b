import Foundation
import TideCore
import Testing

@testable import TideDialects

/// Text that a processor holds until it is told that its time has come.
@Suite struct ReleaseTests {
  /// Holds everything; lets it go when asked, or ends the answer instead.
  final class Waiting: RecordingProcessor {
    var held: [LaneID: [UInt8]] = [:]
    var cutsOnRelease = false
    override var cut: LaneCut { LaneCut(finishReason: "content_filter") }

    override func change(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
      held[lane, default: []] += text
      return .proceed
    }

    override func release(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
      out.append(held.removeValue(forKey: lane) ?? [])
      return .proceed
    }

    override func laneRelease(_ lane: LaneID, at time: MonotonicTime, into out: inout ByteQueue) -> LaneStep {
      guard let text = held.removeValue(forKey: lane) else { return .proceed }
      if cutsOnRelease { return .cut }
      out.append(text)
      return .proceed
    }
  }

  static let streams: [(Dialect, String)] = [
    (.openAI, Transcripts.plain), (.openAI, Transcripts.choices), (.openAI, Transcripts.reasoning),
    (.responses, ResponsesTranscripts.plain), (.responses, ResponsesTranscripts.reasoned),
    (.anthropic, MessagesTranscripts.plain), (.anthropic, MessagesTranscripts.signed),
  ]

  /// What a client reads of a stream, by choice or block.
  private func read(_ dialect: Dialect, _ stream: [UInt8]) -> [String] {
    switch dialect {
    case .responses: return [ReadResponse(stream).text]
    case .anthropic: return ReadMessage(stream).blocks.map(\.text)
    case .openAI:
      var texts: [Int: String] = [:]
      for line in text(stream).split(separator: "\n") where line.hasPrefix("data: {") {
        guard let event = try? JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)) as? [String: Any] else {
          Issue.record("not JSON: \(line)")
          continue
        }
        for choice in event["choices"] as? [[String: Any]] ?? [] {
          let delta = choice["delta"] as? [String: Any] ?? [:]
          for key in ["content", "reasoning_content", "reasoning"] {
            texts[choice["index"] as? Int ?? 0, default: ""] += delta[key] as? String ?? ""
          }
        }
      }
      return texts.sorted { $0.key < $1.key }.map(\.value)
    }
  }

  /// Feeds a stream in pieces, and lets text go after each.
  private func run(
    _ dialect: Dialect, _ input: String, _ processor: Waiting, size: Int
  ) -> (output: [UInt8], progress: StreamProgress) {
    let stream = AnswerStream(dialect, options: ChatStreamOptions(processor: processor))
    var out = ByteQueue()
    let all = bytes(input)
    for start in stride(from: 0, to: all.count, by: size) {
      _ = all[start..<min(all.count, start + size)].withUnsafeBytes { stream.receive($0, into: &out) }
      _ = stream.release(at: MonotonicTime(nanoseconds: 1), into: &out)
    }
    return ([UInt8](out.readableBytes), stream.progress)
  }

  @Test(arguments: streams)
  func whatIsLetGoIsReadAsItCame(_ dialect: Dialect, _ input: String) {
    let whole = TideDialectsTests.run(dialect, bytes(input), ChatStreamOptions(processor: RecordingProcessor()))
    let expected = read(dialect, whole.output)
    for size in [1, 7, 64, 300, 100_000] {
      let found = run(dialect, input, Waiting(), size: size)
      #expect(read(dialect, found.output) == expected && found.progress == .complete, "\(size)")
    }
  }

  @Test(arguments: streams)
  func anAnswerMayEndInsteadWellFormed(_ dialect: Dialect, _ input: String) {
    let processor = Waiting()
    processor.cutsOnRelease = true
    let found = run(dialect, input, processor, size: 1)
    #expect(found.progress == .cut)
    // The readers check the grammar.
    _ = read(dialect, found.output)
    #expect(dialect != .openAI || text(found.output).hasSuffix("data: [DONE]\n\n"))
  }
}
