import TideCore
import TideDialects
import TideLua
import TidePolicy

/// Runs a case again in every way in which its answer can travel, and says where what the client is told depends on it.
struct Invariant {
  /// Single cuts of one answer: more are sampled evenly.
  private static let cutLimit = 4_096

  private let result: TestResult
  private let options: InvariantOptions
  private let deadline: TestDeadline
  private let reference: ReceivedAnswer
  private(set) var caseCount = 0
  /// Answers that were read before, by dialect and bytes: most cuts change nothing.
  private var known: [Known: ReceivedAnswer] = [:]

  private struct Known: Hashable {
    var dialect: Dialect
    var isStreamed: Bool
    var isWhole: Bool
    var bytes: [UInt8]
  }

  init(_ result: TestResult, _ options: InvariantOptions, _ deadline: TestDeadline) {
    self.result = result
    self.options = options
    self.deadline = deadline
    reference = result.answer
  }

  /// - Throws: the first way of travelling in which the answer differs, and how.
  mutating func check() throws(TestProblem) {
    let chat = result.chat
    guard chat.plain == nil else { throw TestProblem("invariant: only chats travel in more than one way") }
    if chat.leavesAfter != nil || result.client.hasLeft || result.client.wasReset || result.client.record == nil {
      throw TestProblem("invariant: the case must come to its end: this one broke off (\(outcome))")
    }
    if let breach = reference.breaches.first { throw failure(chat.delivery, breach, nil) }
    for dialect in options.dialects where chat.choices == 1 || dialect == chat.dialect {
      try check(dialect)
    }
  }

  private var outcome: String { result.client.record?.outcome ?? "none" }

  private mutating func check(_ dialect: Dialect) throws(TestProblem) {
    var base = result.chat.delivery
    base.dialect = dialect
    // Arguments of tool calls are cut like the text.
    let textCount =
      result.chat.replies.flatMap { [$0.text.count] + $0.toolCalls.map(\.arguments.utf8.count) }.max() ?? 0
    for isStreamed in [true, false] where isStreamed == result.chat.isStreamed || options.aspects.contains(.whole) {
      base.isStreamed = isStreamed
      try check(base)
      if isStreamed { try checkDeltas(base, textCount) }
      try checkReads(base)
      if options.aspects.contains(.choices), dialect == .openAI, base.choices == 1 {
        var two = base
        two.choices = 2
        try check(two)
        two.deltas = .each(1)
        if isStreamed { try check(two) }
      }
    }
    base.isStreamed = true
    if options.aspects.contains(.lines) { try checkLines(base) }
    if options.aspects.contains(.tools), dialect == .openAI,
      result.chat.replies.contains(where: { !$0.toolCalls.isEmpty })
    {
      base.interleavesTools = true
      for deltas in [Delivery.Deltas.asWritten, .each(1), .each(3)] {
        base.deltas = deltas
        try check(base)
      }
      base.interleavesTools = false
      base.deltas = .asWritten
    }
    try checkEndings(base)
  }

  private mutating func checkDeltas(_ base: Delivery, _ textCount: Int) throws(TestProblem) {
    guard options.aspects.contains(.deltas) else { return }
    var delivery = base
    delivery.deltas = .whole
    try check(delivery)
    delivery.deltas = .each(1)
    try check(delivery)
    for offset in Self.offsets(textCount) {
      delivery.deltas = .at(offset)
      try check(delivery)
    }
    for number in 0..<options.randomCount {
      delivery.deltas = .random(seed: options.seed &+ UInt64(number))
      try check(delivery)
    }
  }

  private mutating func checkReads(_ base: Delivery) throws(TestProblem) {
    guard options.aspects.contains(.reads) else { return }
    var delivery = base
    delivery.reads = .each(1)
    try check(delivery)
    if base.isStreamed {
      delivery.deltas = .each(1)
      try check(delivery)
      delivery.deltas = base.deltas
    }
    let byteCount =
      result.chat.replies.map { reply in
        UpstreamTranscript.play(reply, base, model: result.chat.model).steps.reduce(0) { sum, step in
          if case .bytes(let bytes) = step { sum + bytes.count } else { sum }
        }
      }.max() ?? 0
    for offset in Self.offsets(byteCount) {
      delivery.reads = .at(offset)
      try check(delivery)
    }
    for number in 0..<options.randomCount {
      delivery.reads = .random(seed: options.seed &+ UInt64(number))
      try check(delivery)
    }
  }

  private mutating func checkLines(_ base: Delivery) throws(TestProblem) {
    var delivery = base
    for ending in [Delivery.LineEnding.crlf, .cr] {
      delivery.lineEnding = ending
      for reads in [Delivery.Reads.whole, .each(1), .each(2)] {
        delivery.reads = reads
        try check(delivery)
      }
    }
  }

  /// Streams that break off: of each the client must have a beginning of the answer, and be told.
  private mutating func checkEndings(_ base: Delivery) throws(TestProblem) {
    guard let reply = result.chat.replies.last, reply.status < 400, reply.failure == nil, reply.body == nil else {
      return
    }
    var delivery = base
    delivery.deltas = .each(2)
    let count = UpstreamTranscript.streamEvents(reply, delivery, model: result.chat.model).count
    for event in 0...count {
      if options.aspects.contains(.breaks) {
        delivery.breaksAfter = event
        try check(delivery)
        delivery.breaksAfter = nil
      }
      if options.aspects.contains(.leaves) {
        delivery.leavesAfter = event
        try check(delivery)
        delivery.leavesAfter = nil
      }
    }
  }

  private static func offsets(_ count: Int) -> [Int] {
    guard count > 1 else { return [] }
    let step = max(1, (count + cutLimit - 1) / cutLimit)
    return Array(stride(from: 1, to: count, by: step))
  }

  // MARK: One run

  private mutating func check(_ delivery: Delivery) throws(TestProblem) {
    if deadline.hasPassed { throw deadline.problem }
    caseCount += 1
    let client = try result.gateway.replay(result.place, delivery)
    let answer = read(client, delivery)
    if let breach = answer.breaches.first { throw failure(delivery, breach, client) }
    guard let record = client.record else {
      throw failure(delivery, "the exchange does not end", client)
    }
    let hasBrokenOff = client.hasLeft || answer.error != nil && reference.error == nil
    if hasBrokenOff, delivery.breaksAfter != nil || delivery.leavesAfter != nil {
      try checkBeginning(answer, delivery, client)
    } else if client.wasReset {
      // A body that is not streamed has no other way to say that it is not whole.
      guard delivery.breaksAfter != nil else {
        throw failure(delivery, "the gateway reset the client's stream", client)
      }
    } else {
      try checkWhole(answer, delivery, client)
      if record.outcome != outcome {
        throw failure(
          delivery, LuaDifference.between(.text(record.outcome), .text(outcome), path: "outcome")!, client)
      }
    }
  }

  private mutating func read(_ client: RehearsalClient, _ delivery: Delivery) -> ReceivedAnswer {
    let key = Known(
      dialect: delivery.dialect, isStreamed: client.headers["content-type"]?.hasPrefix("text/event-stream") == true,
      isWhole: !client.hasLeft && !client.wasReset, bytes: client.received)
    if let answer = known[key] { return answer }
    let answer = client.answer(delivery.dialect)
    known[key] = answer
    return answer
  }

  private func checkBeginning(
    _ answer: ReceivedAnswer, _ delivery: Delivery, _ client: RehearsalClient
  ) throws(TestProblem) {
    for choice in answer.choices {
      let came = Array(choice.text.utf8)
      let whole = Array(reference.text.utf8)
      guard !whole.starts(with: came) else { continue }
      throw failure(
        delivery,
        "what came before the end is no beginning of the whole answer:\n  "
          + LuaDifference.strings(came, whole), client)
    }
  }

  private func checkWhole(
    _ answer: ReceivedAnswer, _ delivery: Delivery, _ client: RehearsalClient
  ) throws(TestProblem) {
    func differ(_ came: LuaValue, _ expected: LuaValue, _ path: String) throws(TestProblem) {
      guard let difference = LuaDifference.between(came, expected, path: path) else { return }
      throw failure(delivery, difference, client)
    }
    try differ(.integer(Int64(client.status)), .integer(Int64(result.client.status)), "status")
    try differ(.text(answer.error?.message ?? ""), .text(reference.error?.message ?? ""), "error.message")
    guard reference.error == nil else { return }
    if delivery.choices > 1 {
      try differ(.integer(Int64(answer.choices.count)), .integer(Int64(delivery.choices)), "choices")
    }
    for (index, choice) in answer.choices.enumerated() {
      let own =
        result.chat.choices > 1 && index < reference.choices.count ? reference.choices[index] : reference.choices[0]
      let name = delivery.choices > 1 ? "texts[\(index + 1)]" : "text"
      try differ(.text(choice.text), .text(own.text), name)
      try differ(.text(choice.refusal), .text(own.refusal), "refusal")
      try differ(choice.finish.map { .text($0) } ?? .nilValue, own.finish.map { .text($0) } ?? .nilValue, "finish")
      try differ(Self.calls(choice), Self.calls(own), "tool_calls")
    }
  }

  private static func calls(_ choice: ReceivedAnswer.Choice) -> LuaValue {
    .array(
      choice.toolCalls.map { call in
        .map([
          (.text("id"), .text(call.id)), (.text("name"), .text(call.name)),
          (.text("args"), PolicyValue(json: Array(call.arguments.utf8))?.luaValue ?? .text(call.arguments)),
        ])
      })
  }

  // MARK: Words

  private func failure(_ delivery: Delivery, _ what: String, _ client: RehearsalClient?) -> TestProblem {
    var text = "the answer depends on how it travels\n  \(what)\n  way: \(delivery)"
    if let cut = cut(delivery) { text += "\n  cut: \(cut)" }
    var evidence = CaseEvidence(passages: [CaseEvidence.Passage("upstream sent", sent(delivery))])
    if let client {
      evidence.passages.append(CaseEvidence.Passage("client received (\(client.status))", client.received))
      evidence.log = result.gateway.replayLog(of: client.exchangeID)
    }
    return TestProblem(text, evidence)
  }

  private func sent(_ delivery: Delivery) -> [UInt8] {
    guard let reply = result.chat.replies.last else { return [] }
    return UpstreamTranscript.play(reply, delivery, model: result.chat.model).steps.flatMap { step -> [UInt8] in
      if case .bytes(let bytes) = step { bytes } else { [] }
    }
  }

  /// Where the answer was cut, shown as `|`.
  private func cut(_ delivery: Delivery) -> String? {
    switch (delivery.deltas, delivery.reads) {
    case (.at(let offset), _):
      guard let text = result.chat.replies.last?.text, offset <= text.count else { return nil }
      return
        "\"\(LuaDifference.quoted(text[..<offset].suffix(60)))|\(LuaDifference.quoted(text[offset...].prefix(60)))\""
    case (_, .at(let offset)):
      let bytes = sent(delivery)
      guard offset <= bytes.count else { return nil }
      return
        "...\(LuaDifference.quoted(bytes[..<offset].suffix(60)))|\(LuaDifference.quoted(bytes[offset...].prefix(60)))..."
    default: return nil
    }
  }
}
