/// Chat Completions.
extension UpstreamTranscript {
  private var opening: String {
    "{\"id\":\"chatcmpl-rehearsal\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\(Self.quote(model)),\"choices\":["
  }

  private mutating func delta(_ choice: Int, _ members: [UInt8], finish: String? = nil, waitMs: Int = 0) {
    let reason = finish.map { Self.quote($0) } ?? "null"
    add(
      "", [UInt8](json: opening + "{\"index\":\(choice),\"delta\":{"), members,
      [UInt8](json: "},\"logprobs\":null,\"finish_reason\":\(reason)}]}"), waitMs: waitMs)
  }

  mutating func writeChat(_ reply: UpstreamReply, _ delivery: Delivery) {
    let choices = 0..<delivery.choices
    for choice in choices { delta(choice, [UInt8](json: "\"role\":\"assistant\",\"content\":\"\"")) }
    if !reply.reasoning.isEmpty {
      for choice in choices { delta(choice, [UInt8](json: "\"reasoning_content\":" + Self.quote(reply.reasoning))) }
    }
    var tools = reply.toolCalls.enumerated().flatMap { toolDeltas($0.element, $0.offset, delivery) }
    if delivery.interleavesTools { tools = interleaved(reply, delivery) }
    var text = Self.deltas(of: reply, delivery)
    while !text.isEmpty || !tools.isEmpty {
      if !text.isEmpty {
        let chunk = text.removeFirst()
        for choice in choices {
          delta(
            choice, [UInt8](json: "\"content\":") + Self.quoted(chunk.text), waitMs: choice == 0 ? chunk.waitMs : 0)
        }
        if !delivery.interleavesTools { continue }
      }
      guard !tools.isEmpty, delivery.interleavesTools || text.isEmpty else { continue }
      let members = tools.removeFirst()
      for choice in choices { delta(choice, members) }
    }
    for choice in choices { delta(choice, [], finish: reply.finishReason) }
    add("", [UInt8](json: opening + "],\"usage\":" + usage(reply.usage) + "}"))
    add("", [UInt8](json: "[DONE]"))
  }

  private func toolDeltas(_ call: UpstreamReply.ToolCall, _ index: Int, _ delivery: Delivery) -> [[UInt8]] {
    let start =
      "\"tool_calls\":[{\"index\":\(index),\"id\":\(Self.quote(call.id)),\"type\":\"function\",\"function\":{\"name\":\(Self.quote(call.name)),\"arguments\":\"\"}}]"
    return [[UInt8](json: start)]
      + Self.argumentDeltas(call, delivery).map {
        [UInt8](json: "\"tool_calls\":[{\"index\":\(index),\"function\":{\"arguments\":") + Self.quoted($0)
          + [UInt8](json: "}}]")
      }
  }

  /// The deltas of all calls, one of each in turn.
  private func interleaved(_ reply: UpstreamReply, _ delivery: Delivery) -> [[UInt8]] {
    var lists = reply.toolCalls.enumerated().map { toolDeltas($0.element, $0.offset, delivery)[...] }
    var result: [[UInt8]] = []
    while lists.contains(where: { !$0.isEmpty }) {
      for index in lists.indices {
        if let next = lists[index].popFirst() { result.append(next) }
      }
    }
    return result
  }

  private func usage(_ usage: UpstreamReply.Usage) -> String {
    "{\"prompt_tokens\":\(usage.input),\"completion_tokens\":\(usage.output),\"total_tokens\":\(usage.input + usage.output),\"prompt_tokens_details\":{\"cached_tokens\":\(usage.cached)}}"
  }

  func chatBody(_ reply: UpstreamReply, choices: Int) -> [UInt8] {
    var bytes = [UInt8](
      json:
        "{\"id\":\"chatcmpl-rehearsal\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":\(Self.quote(model)),\"choices\":["
    )
    let calls = reply.toolCalls.map {
      "{\"id\":\(Self.quote($0.id)),\"type\":\"function\",\"function\":{\"name\":\(Self.quote($0.name)),\"arguments\":\(Self.quote($0.arguments))}}"
    }
    for choice in 0..<choices {
      bytes += [UInt8](json: (choice > 0 ? "," : "") + "{\"index\":\(choice),\"message\":{\"role\":\"assistant\"")
      if !reply.reasoning.isEmpty { bytes += [UInt8](json: ",\"reasoning_content\":" + Self.quote(reply.reasoning)) }
      bytes += [UInt8](json: ",\"content\":")
      bytes += reply.text.isEmpty && !calls.isEmpty ? [UInt8](json: "null") : Self.quoted(reply.text)
      if !calls.isEmpty { bytes += [UInt8](json: ",\"tool_calls\":[" + calls.joined(separator: ",") + "]") }
      bytes += [UInt8](json: "},\"logprobs\":null,\"finish_reason\":\(Self.quote(reply.finishReason))}")
    }
    return bytes + [UInt8](json: "],\"usage\":" + usage(reply.usage) + "}")
  }
}
