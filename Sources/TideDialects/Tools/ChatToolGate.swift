import TideCore

/// The gate of Chat Completions streams.
///
/// Nothing says that a call is whole but its choice's finish reason (or the end): calls may come interleaved. They leave right before it.
final class ChatToolGate: ToolGate {
  private struct Choice {
    var index: Int32
    var calls: [ChatToolCall] = []
    var isJudged = false
    /// Calls that the client gets.
    var keptCount = 0
  }

  private var choices: [Choice] = []
  private var template: ChatTemplate?

  override func take(_ event: SSEEvent) {
    let data = event.data
    guard scratch.event.decode(data) else {
      // The terminal marker, or what no client may see unjudged.
      guard ChatStream.isTerminator(data) else { return fail(.malformed) }
      return judgeAll(before: event, where: { _ in true }) ? () : forward(event)
    }
    if template == nil, !scratch.event.choices.isEmpty { template = ChatTemplate(data, renameModel: nil) }
    guard scratch.event.choices.allSatisfy({ !$0.hasFunctionCall }) else { return fail(.malformed) }
    scratch.beginEdits()
    var hasRest = scratch.event.usageStart >= 0 || scratch.event.errorStart >= 0 || scratch.event.choices.isEmpty
    for choice in scratch.event.choices {
      let hasText = scratch.event.texts[choice.firstText..<choice.endText].contains { !$0.isEmpty }
      if !choice.hasToolCalls || choice.hasRole || choice.hasExtras || choice.isFinish || hasText { hasRest = true }
      guard choice.hasToolCalls else { continue }
      guard collect(choice, data) else { return fail(.malformed) }
      scratch.splice(choice.toolCalls.lowerBound, choice.toolCalls.upperBound, with: "null")
    }
    guard failure == nil, hasRest else { return }
    let finished = scratch.event.choices.filter(\.isFinish).map(\.index)
    if !finished.isEmpty {
      var rest = ByteQueue()
      scratch.write(event, into: &rest)
      let isHeld = reread([UInt8](rest.readableBytes)) { judgeAll(before: $0, where: { finished.contains($0) }) }
      if isHeld { return }
      correctFinish(data)
    }
    forwardEdited(event)
  }

  /// Reads an event that was edited as one of its own.
  private func reread(_ raw: [UInt8], _ body: (SSEEvent) -> Bool) -> Bool {
    raw.withUnsafeBytes { bytes in
      var framer = SSEFramer()
      var rest = bytes
      if case .event(let event) = framer.next(&rest) { return body(event) }
      return framer.lastEvent().map(body) ?? false
    }
  }

  /// Takes the deltas of a choice's calls.
  private func collect(_ choice: ChatEvent.Choice, _ data: UnsafeRawBufferPointer) -> Bool {
    guard let elements = JSONMembers.elements(data, choice.toolCalls) else { return false }
    let place = place(choice.index)
    // Calls behind the finish reason are nobody's.
    guard !choices[place].isJudged else { return true }
    for (ordinal, element) in elements.enumerated() {
      let json = [UInt8](data[element])
      guard let members = JSONMembers(bytes(data, element)) else { return false }
      let index = members.integer("index") ?? Int32(ordinal)
      if let known = choices[place].calls.lastIndex(where: { $0.index == index }) {
        guard choices[place].calls[known].append(json) else { return false }
      } else {
        guard let call = ChatToolCall(json, index: index), choices[place].calls.count < Self.callLimit else {
          return false
        }
        choices[place].calls.append(call)
      }
      note(json.count)
    }
    return true
  }

  private func place(_ index: Int32) -> Int {
    if let known = choices.firstIndex(where: { $0.index == index }) { return known }
    choices.append(Choice(index: index))
    return choices.count - 1
  }

  /// Asks for decisions on the calls of choices that have ended.
  ///
  /// - Returns: false when there are none.
  private func judgeAll(before event: SSEEvent, where isWanted: (Int32) -> Bool) -> Bool {
    var calls: [ToolCall] = []
    for place in choices.indices where isWanted(choices[place].index) && !choices[place].isJudged {
      choices[place].isJudged = true
      choices[place].calls.sort { $0.index < $1.index }
      for (ordinal, call) in choices[place].calls.enumerated() {
        calls.append(call.call(choice: choices[place].index, ordinal: ordinal))
      }
    }
    guard !calls.isEmpty else { return false }
    judge(calls, before: event)
    return true
  }

  /// A choice without calls has not finished with them.
  private func correctFinish(_ data: UnsafeRawBufferPointer) {
    for choice in scratch.event.choices where choice.isFinish {
      guard let judged = choices.first(where: { $0.index == choice.index }), !judged.calls.isEmpty,
        judged.keptCount == 0,
        bytes(data, choice.finishStart..<choice.finishEnd).elementsEqual("\"tool_calls\"".utf8)
      else { continue }
      scratch.splice(choice.finishStart, choice.finishEnd, with: "\"stop\"")
    }
  }

  override func release(_ calls: [(call: ToolCall, decision: ToolDecision)]) {
    let template = template ?? ChatTemplate(id: "chatcmpl-tidegate", model: "", created: 0)
    for (call, decision) in calls {
      let place = place(call.choice)
      let original = choices[place].calls[call.index]
      var name = call.name
      var arguments = call.arguments
      switch decision {
      case .deny(var message):
        message.withUTF8 { text in
          guard !text.isEmpty else { return }
          template.writeText(
            UnsafeRawBufferPointer(text), choice: call.choice, key: .content, withRole: false, into: &output)
        }
        continue
      case .replace(let newName, let newArguments): (name, arguments) = (newName, newArguments)
      case .pass: break
      }
      template.begin(call.choice, into: &output)
      output.append("\"delta\":{\"tool_calls\":[")
      output.append(original.json(index: choices[place].keptCount, name: name, arguments: arguments))
      output.append("]},\"finish_reason\":null}]}\n\n")
      choices[place].keptCount += 1
    }
  }
}
