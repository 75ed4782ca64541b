import TideCore
import Testing

@testable import TideDialects

/// An event that is like the one before it takes a short way. What comes out is what the long way would have written.
@Suite struct LikeEventTests {
  /// What stands in a choice before its text, after it, and behind all choices, where a value may vary.
  private static let shapes: [(before: String, after: String, end: String)] = [
    (#""index":0,"delta":{"content":""#, #"},"finish_reason":null"#, ""),
    (#""index":1,"delta":{"content":""#, #"},"finish_reason":null"#, #","obfuscation":"aB3""#),
    (#""index":0,"delta":{"content":""#, #"},"logprobs":{"content":[1]}"#, ""),
    (#""index":0,"delta":{"reasoning_content":""#, "}", #","due":123"#),
    (#""index":0,"delta":{"content":""#, #","mood":"fine"}"#, ""),
    (#""index":0,"delta":{"role":"assistant","content":""#, #"},"finish_reason":null"#, ""),
  ]
  private static let texts = [
    "one", "two secret", #"q \"uo\" \u00e9 \n"#, "grün STOP", "", #"\ud83d"#, #"\ude00"#, "last",
  ]

  private func event(_ shape: Int, _ text: String) -> String {
    let (before, after, end) = Self.shapes[shape]
    return #"data: {"id":"c","model":"m","choices":[{\#(before)\#(text)"\#(after)}]\#(end)}"# + "\n\n"
  }

  /// - Parameter forgets: between two events stands one of another shape that says nothing.
  private func output(_ shape: Int, _ processor: RecordingProcessor, forgets: Bool) -> String {
    let stream = AnswerStream(.openAI, options: ChatStreamOptions(processor: processor))
    var out = ByteQueue()
    var input = bytes("")
    for text in Self.texts {
      input += bytes(event(shape, text))
      if forgets { input += bytes("data: {\"choices\":[]}\n\n") }
    }
    _ = input.withUnsafeBytes { stream.receive($0, into: &out) }
    var written = String(decoding: out.readableBytes, as: UTF8.self)
    written = written.replacing("data: {\"choices\":[]}\n\n", with: "")
    let usage = stream.usage
    return written + "\(usage) \(processor.seen.map { "\($0.key) \(text($0.value))" }.sorted())"
  }

  @Test(arguments: shapes.indices, ["pass", "upper", "drop", "replace", "cut"])
  func theShortWayWritesWhatTheLongOneDoes(_ shape: Int, _ name: String) {
    func processor() -> RecordingProcessor {
      switch name {
      case "upper": UpperCaser()
      case "drop": Dropper()
      case "replace": WordReplacer()
      case "cut": Cutter()
      default: RecordingProcessor()
      }
    }
    let short = output(shape, processor(), forgets: false)
    let long = output(shape, processor(), forgets: true)
    #expect(short == long)
    #expect(name == "drop" || short.contains(name == "upper" ? "ONE" : "one"))
  }

  @Test func eventsThatPassAreForwardedAsTheyCame() {
    for shape in Self.shapes.indices {
      let stream = AnswerStream(.openAI, options: ChatStreamOptions(processor: RecordingProcessor()))
      var out = ByteQueue()
      let input = ["a", "b", #"\u0063"#].map { event(shape, $0) }.joined()
      _ = bytes(input).withUnsafeBytes { stream.receive($0, into: &out) }
      #expect(String(decoding: out.readableBytes, as: UTF8.self) == input)
    }
  }
}
