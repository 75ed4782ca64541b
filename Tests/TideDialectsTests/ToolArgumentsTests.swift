import TideCore
import Testing

@testable import TideDialects

/// Text in the arguments of tool calls: every string value is a lane, and nothing else changes.
@Suite struct ToolArgumentsTests {
  /// Looks at each value whole, and gives what `change` makes of it.
  private final class Values: LaneProcessor {
    var seen: [String] = []
    var lanes: Set<LaneID> = []
    var ends = 0
    private var held: [UInt8] = []
    private let change: (String) -> [UInt8]?
    var cuts = false

    init(_ change: @escaping (String) -> [UInt8]?) { self.change = change }

    override func laneDelta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
      precondition(UTF8Text.validPrefix(text) == text.count && !text.isEmpty)
      lanes.insert(lane)
      held += text
      return .proceed
    }

    override func laneEnd(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep {
      let value = String(decoding: held, as: UTF8.self)
      held = []
      seen.append(value)
      ends += 1
      guard let changed = change(value) else { return cuts ? .cut : .fail }
      out.append(changed)
      return .proceed
    }
  }

  private func run(
    _ arguments: String, takesJSON: Bool = true, _ change: @escaping (String) -> [UInt8]? = { Array($0.utf8) }
  ) -> (outcome: ToolArguments.Outcome, values: Values) {
    let values = Values(change)
    let call = ToolCall(choice: 1, index: 2, id: "a", name: "t", arguments: arguments, takesJSON: takesJSON)
    return (ToolArguments.run(call, values, DialectScratch()), values)
  }

  private static func upper(_ text: String) -> [UInt8] { Array(text.uppercased().utf8) }

  @Test func everyStringValueIsALaneOfItsCall() {
    let found = run(#"{"a":"one","b":[1,"two",{"c":["three",{}],"d":"four"},[],null,true],"e":"","f":"five"}"#)
    #expect(found.outcome == .unchanged)
    #expect(found.values.seen == ["one", "two", "three", "four", "five"])
    #expect(found.values.lanes == [LaneID(choice: 1, block: 2, channel: .toolArgs)])
  }

  @Test func onlyValuesThatChangeAreWrittenAnew() {
    let json =
      "{ \"key\" : \"x\",\n\"k\\u0065y\":\"caf\\u00e9 \\/ \",\t\"n\": 1.50e+3, \"key\":[\"secret\" ,\"\\u0073ecret\"],\"z\":-0}"
    let found = run(json) { $0 == "secret" ? Array("a \"quoted\" \\ line\n\u{1}\u{e9}\u{1f600}".utf8) : Array($0.utf8) }
    let made = #""a \"quoted\" \\ line\n\u0001é😀""#
    let expected =
      "{ \"key\" : \"x\",\n\"k\\u0065y\":\"caf\\u00e9 \\/ \",\t\"n\": 1.50e+3, \"key\":[\(made) ,\(made)],\"z\":-0}"
    #expect(found.outcome == .changed(expected))
    #expect(JSONText.isValue(Array(expected.utf8)))
    #expect(found.values.seen == ["x", "café / ", "secret", "secret"])
  }

  @Test func nothingIsFoundAcrossTwoValues() {
    let found = run(#"["sec","ret"]"#) { Array($0.replacing("secret", with: "[x]").utf8) }
    #expect(found.outcome == .unchanged && found.values.ends == 2)
  }

  @Test func aValueMayBeTheWhole() {
    #expect(run(#" "one" "#, Self.upper).outcome == .changed(#" "ONE" "#))
    #expect(run("7").outcome == .unchanged)
    #expect(run("").outcome == .unchanged)
    #expect(run(" \n\t").outcome == .unchanged)
    #expect(run("{}").outcome == .unchanged)
  }

  @Test func whatIsDroppedLeavesAnEmptyString() {
    #expect(run(#"{"a":"one"}"#) { _ in [] }.outcome == .changed(#"{"a":""}"#))
  }

  @Test func halvesOfCharactersStayUnlessTheirValueChanges() {
    let json = #"{"a":"\ud83d","b":"\ude00 x","c":"\ud83d\ude00"}"#
    let found = run(json)
    #expect(found.outcome == .unchanged)
    #expect(found.values.seen == ["\u{fffd}", "\u{fffd} x", "\u{1f600}"])
    #expect(run(json, Self.upper).outcome == .changed(#"{"a":"\ud83d","b":"� X","c":"\ud83d\ude00"}"#))
  }

  @Test func whatTheProcessorBreaksIsRepaired() {
    #expect(run(#"["x"]"#) { _ in [0xC3, 0x28] }.outcome == .changed("[\"\u{fffd}(\"]"))
  }

  @Test(arguments: [
    "{", "{\"a\":\"x}", "{\"a\":\"x\"}}", "{\"a\":\"x\"} {}", "{'a':'x'}", "[\"x\",]", "{\"a\" \"x\"}", "nonsense",
    "[\"\\x\"]", "[\"\\ud8\"]", "[\"a\nb\"]", "[01]", "NaN", "{\"a\":\"x\",}", "\"x", "{1:\"x\"}", "\u{feff}{}",
    String(repeating: "[", count: 65) + "\"x\"" + String(repeating: "]", count: 65),
  ])
  func whatIsNoJSONIsShownToNobody(_ arguments: String) {
    let found = run(arguments)
    #expect(found.outcome == .malformed && found.values.seen.isEmpty)
  }

  @Test func depthHasALimitAndLengthHasNone() {
    let open = String(repeating: "[{\"a\":", count: 32)
    let close = String(repeating: "}]", count: 32)
    #expect(run(open + "\"x\"" + close, Self.upper).outcome == .changed(open + "\"X\"" + close))
    let long = String(repeating: "long \\\" ", count: 200_000)
    #expect(
      run("[\"\(long)\",\"x\"]") { $0 == "x" ? [0x79] : Array($0.utf8) }.outcome == .changed("[\"\(long)\",\"y\"]"))
    let many = "[" + Array(repeating: "\"x\"", count: 100_000).joined(separator: ",") + "]"
    #expect(run(many, Self.upper).outcome == .changed(many.uppercased()))
  }

  @Test func aToolThatTakesAnyTextHasOneValue() {
    let found = run("print(\"secret\")", takesJSON: false) { Array($0.replacing("secret", with: "[x]").utf8) }
    #expect(found.outcome == .changed("print(\"[x]\")") && found.values.seen == ["print(\"secret\")"])
    #expect(run("{", takesJSON: false).outcome == .unchanged)
    #expect(run("", takesJSON: false).values.seen.isEmpty)
  }

  @Test func aCutOrAFailureEndsTheWalk() {
    for takesJSON in [true, false] {
      let failed = run(#"["one","two","three"]"#, takesJSON: takesJSON) { $0.contains("two") ? nil : Array($0.utf8) }
      #expect(failed.outcome == .failed && failed.values.ends == (takesJSON ? 2 : 1))
    }
    let values = Values { $0 == "two" ? nil : Array($0.utf8) }
    values.cuts = true
    let call = ToolCall(id: "a", name: "t", arguments: #"["one","two","three"]"#)
    #expect(ToolArguments.run(call, values, DialectScratch()) == .cut && values.seen == ["one", "two"])
  }

  /// Mutated arguments are either refused or changed into JSON that differs in its values alone.
  @Test func whateverComesStaysJSON() {
    var random = SeededNumbers(seed: 7)
    let seed = #"{"a":"one \" two","b":[1,{"c":"\u00e9\ud83d\ude00"},"x"],"n":1.5e3,"t":true}"#
    for _ in 0..<4_000 {
      let input = String(decoding: mutated(seed, &random), as: UTF8.self)
      switch run(input, { Array(("\"" + $0 + "\\").utf8) }).outcome {
      case .changed(let made): #expect(JSONText.isValue(Array(made.utf8)), "\(input)")
      case .unchanged: #expect(JSONText.isValue(Array(input.utf8)) || input.allSatisfy(\.isWhitespace), "\(input)")
      case .malformed: #expect(!JSONText.isValue(Array(input.utf8)), "\(input)")
      case .cut, .failed: Issue.record("\(input)")
      }
    }
  }

  // MARK: On their way

  /// The arguments' deltas as they stand in JSON: a character cut between its bytes, one between its halves, and an escape of the
  /// arguments' own cut in the middle.
  private static let pieces: [[UInt8]] = [
    bytes(#"{\"to\":\"caf"#) + [0xC3], [0xA9] + bytes(#" \ud83d"#), bytes(#"\ude00 \\u00"#), bytes(#"e9\"}"#),
  ]

  private static func transcript(_ dialect: Dialect) -> [UInt8] {
    func delta(_ piece: [UInt8]) -> [UInt8] {
      switch dialect {
      case .anthropic:
        bytes(
          "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\""
        ) + piece + bytes("\"}}\n\n")
      default:
        bytes(#"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":""#)
          + piece + bytes("\"}}]},\"finish_reason\":null}]}\n\n")
      }
    }
    let deltas = pieces.flatMap(delta)
    switch dialect {
    case .anthropic:
      return bytes(
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"one\",\"input\":{}}}\n\n"
      ) + deltas
        + bytes("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n")
    default:
      return bytes(
        #"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"one","arguments":""}}]},"finish_reason":null}]}"#
      ) + bytes("\n\n") + deltas
        + bytes(#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#) + bytes("\n\n")
    }
  }

  @Test(arguments: [Dialect.openAI, .anthropic])
  func charactersThatAreCutAreWholeAgain(_ dialect: Dialect) {
    let input = Self.transcript(dialect)
    for place in 0...input.count {
      let gate = ToolGate.make(dialect, scratch: nil)
      input[..<place].withUnsafeBytes { gate.receive($0) }
      input[place...].withUnsafeBytes { gate.receive($0) }
      guard gate.failure == nil, let call = gate.call else {
        Issue.record("no call, cut at \(place)")
        return
      }
      #expect(call.arguments == "{\"to\":\"caf\u{e9} \u{1f600} \\u00e9\"}", "cut at \(place)")
      guard case .changed(let arguments) = ToolArguments.run(call, Values(Self.upper), gate.scratch) else {
        Issue.record("unchanged, cut at \(place)")
        return
      }
      gate.decide(.replace(name: call.name, arguments: arguments))
      #expect(text([UInt8](gate.output.readableBytes)).contains(#"{\"to\":\"CAFÉ 😀 É\"}"#), "cut at \(place)")
    }
  }

  @Test func whatPassesIsWhatCame() {
    let gate = ToolGate.make(.openAI, scratch: nil)
    Self.transcript(.openAI).withUnsafeBytes { gate.receive($0) }
    gate.decide(.pass)
    #expect(text([UInt8](gate.output.readableBytes)).contains(#"{\"to\":\"café 😀 \\u00e9\"}"#))
  }
}
