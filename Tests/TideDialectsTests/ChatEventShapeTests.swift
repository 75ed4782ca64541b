import TideCore
import Testing

@testable import TideDialects

@Suite struct ChatEventShapeTests {
  /// Everything that an event says, as text; nil when it cannot be read.
  private func decoded(_ json: String) -> String? {
    var event = ChatEvent()
    return bytes(json).withUnsafeBytes { event.decode($0) } ? said(event) : nil
  }

  private func said(_ event: ChatEvent) -> String {
    let choices = event.choices.map { choice in
      // The end of what is absent says nothing.
      var choice = choice
      if choice.logprobsStart < 0 { choice.logprobsEnd = -1 }
      return "\(choice)"
    }
    return
      "\(choices) \(event.texts) \(event.hasChoices) \(event.usageStart) \(event.errorStart) \(event.obfuscationStart) \(event.obfuscationStart < 0 ? -1 : event.obfuscationEnd) \(String(describing: event.model))"
  }

  private func learned(_ json: String) -> ChatEventShape {
    var shape = ChatEventShape()
    var event = ChatEvent()
    bytes(json).withUnsafeBytes {
      let isDecoded = event.decode($0)
      #expect(isDecoded)
      shape.learn(event, $0)
    }
    return shape
  }

  private func read(_ json: String, by shape: borrowing ChatEventShape) -> String? {
    // What the worker's event held before must not shine through.
    var event = ChatEvent()
    let other = #"{"choices":[{"text":"x"},{"text":"y"}],"model":"z","usage":{},"error":{},"obfuscation":"o"}"#
    _ = bytes(other).withUnsafeBytes { event.decode($0) }
    return bytes(json).withUnsafeBytes { shape.read($0, into: &event) } ? said(event) : nil
  }

  private static let frames = [
    (
      #"{"id":"a","model":"m","choices":[{"index":0,"delta":{"content":""#,
      #""},"logprobs":null,"finish_reason":null}]}"#
    ),
    (#"{"choices":[{"delta":{"reasoning_content":""#, #"","content":null},"index":3}],"model":"m","usage":null}"#),
    (#"{"choices":[{"logprobs":{"content":[]},"text":""#, #"","index":1,"finish_reason":null}] , "model" : "m"}"#),
    (#"{"choices":[{"delta":{"role":"assistant","content":[{"type":"text","text":""#, #""}]}}]}"#),
    (#"{"model":"m","choices":[{"delta":{"content":""#, #""}}],"usage":null,"obfuscation":"aXb3"}"#),
    (#"{"choices":[{"index":0,"delta":{"content":""#, #""},"logprobs":null}],"model":"m","due" : 12.5 }"#),
  ]

  /// What stands before a text and behind it, up to the value that changes from event to event, and what ends the event.
  private static let notes = [
    (#"{"model":"m","choices":[{"delta":{"content":""#, #""}}],"usage":null,"obfuscation":"#, "}"),
    (#"{"choices":[{"delta":{"content":""#, #""},"logprobs":null}],"model":"m","due": "#, " }"),
    (#"{"created":7,"choices":[{"delta":{"content":""#, #""}}],"due":"#, #","usage":null}"#),
    (#"{"choices":[{"delta":{"content":""#, #""}}],"obfuscation":"#, #","usage":null,"x":{}}"#),
  ]

  @Test("one value behind the text may change where it says nothing", arguments: notes.indices)
  func notesMayChange(_ index: Int) {
    let (head, middle, tail) = Self.notes[index]
    for (first, others) in [
      (#""abcd""#, [#""""#, #""x""#, #""a much longer one""#, #""\"}""#]), ("12", ["0", "13907208569170", "-1.5e3"]),
    ] as [(String, [String])] {
      let shape = learned(head + "first" + middle + first + tail)
      for value in others {
        for text in ["", "a", "a longer one", #"\"q\""#] {
          let event = head + text + middle + value + tail
          #expect(read(event, by: shape) != nil)
          #expect(read(event, by: shape) == decoded(event))
        }
      }
      // Another kind of value, none, more than one, or a member behind it.
      let otherKind = first == "12" ? #""a""# : "1"
      for value in ["null", "{}", "[1]", "", #""a"#, "01", #"1,"usage":{}"#, #""a","error":"b""#, otherKind] {
        #expect(read(head + "a" + middle + value + tail, by: shape) == nil)
      }
    }
  }

  @Test("a last member that says something is compared", arguments: ["usage", "error", "model", "choices"])
  func whatSaysSomethingIsCompared(_ key: String) {
    let head = #"{"choices":[{"delta":{"content":"a"}}],""# + key + #"":"#
    var shape = ChatEventShape()
    var event = ChatEvent()
    bytes(head + "null}").withUnsafeBytes {
      if event.decode($0) { shape.learn(event, $0) }
    }
    for value in ["1", "\"a\"", "{}"] {
      #expect(read(head + value + "}", by: shape) == nil)
    }
  }

  @Test("what it reads is what decoding says", arguments: frames.indices)
  func isExact(_ index: Int) {
    let (head, tail) = Self.frames[index]
    let shape = learned(head + "first" + tail)
    for text in ["", "a", "a longer one with é and 😀", #"line\nfeed \"quoted\" \u00e9"#, "first"] {
      let event = head + text + tail
      #expect(read(event, by: shape) != nil)
      #expect(read(event, by: shape) == decoded(event))
    }
  }

  @Test("what is not a text between the same bytes is refused", arguments: frames.indices)
  func isStrict(_ index: Int) {
    let (head, tail) = Self.frames[index]
    let shape = learned(head + "first" + tail)
    for text in [#"a","content":"b"#, #"a\"#, "a\nb", #"\x"#, #"\u12"#, "\""] {
      #expect(read(head + text + tail, by: shape) == nil)
    }
    #expect(read(head, by: shape) == nil)
    #expect(read(tail, by: shape) == nil)
    #expect(read("", by: shape) == nil)
    #expect(read(String((head + tail).dropLast()), by: shape) == nil)
  }

  @Test("one byte changed anywhere is either refused or read as decoding reads it", arguments: frames.indices)
  func survivesChanges(_ index: Int) {
    let (head, tail) = Self.frames[index]
    let shape = learned(head + "first" + tail)
    var random = SeededNumbers(seed: 7)
    let whole = bytes(head + "text" + tail)
    for offset in whole.indices {
      var event = whole
      event[offset] = random.pick(bytes(#""\{}[],:a0 "#))
      let json = text(event)
      if let said = read(json, by: shape) { #expect(said == decoded(json)) }
    }
  }

  @Test(
    "events that end, cost, fail or say more than one text are not kept",
    arguments: [
      #"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
      #"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}"#,
      #"{"choices":[{"delta":{"content":"a"}}],"error":{"code":"x"}}"#,
      #"{"choices":[{"delta":{"content":"a"}}],"obfuscation":"xyz","x":1}"#,
      #"{"obfuscation":"xyz","choices":[{"delta":{"content":"a"}}],"x":1}"#,
      #"{"choices":[{"delta":{"content":"a"}}],"due":1,"model":"m"}"#,
      #"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
      #"{"choices":[{"delta":{"content":"a"}},{"delta":{}}]}"#,
      #"{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0}]}}]}"#,
      #"{"choices":[]}"#,
    ])
  func learnsTokensOnly(_ json: String) {
    #expect(read(json, by: learned(json)) == nil)
  }

  @Test func forgetsWhatItKnewBeforeAnotherEvent() {
    let (head, tail) = Self.frames[0]
    var shape = learned(head + "first" + tail)
    var event = ChatEvent()
    bytes(#"{"choices":[]}"#).withUnsafeBytes {
      let isDecoded = event.decode($0)
      #expect(isDecoded)
      shape.learn(event, $0)
    }
    #expect(read(head + "first" + tail, by: shape) == nil)
  }
}
