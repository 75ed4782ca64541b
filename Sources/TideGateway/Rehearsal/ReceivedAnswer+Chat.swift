import TidePolicy

/// Chat Completions.
extension ReceivedAnswer {
  mutating func readChat(_ json: PolicyValue) {
    guard let list = json["choices"]?.elements else { return breach("the body has no choices") }
    for (place, element) in list.enumerated() {
      let message = element["message"] ?? .null
      let finish = element["finish_reason"]?.text
      if finish == nil { breach("the choice \(place) has no finish_reason") }
      withChoice(element["index"]?.wholeNumber ?? place) { choice in
        choice.text = message["content"]?.text ?? ""
        choice.reasoning = message["reasoning_content"]?.text ?? ""
        choice.refusal = message["refusal"]?.text ?? ""
        choice.finish = finish
        for call in message["tool_calls"]?.elements ?? [] {
          choice.toolCalls.append(
            ToolCall(
              id: call["id"]?.text ?? "", name: call["function"]?["name"]?.text ?? "",
              arguments: call["function"]?["arguments"]?.text ?? ""))
        }
      }
    }
    readChatUsage(json)
  }

  mutating func readChatUsage(_ json: PolicyValue) {
    guard let told = json["usage"], told.entries != nil else { return }
    usage = Usage(
      input: told["prompt_tokens"]?.wholeNumber ?? 0, output: told["completion_tokens"]?.wholeNumber ?? 0,
      cached: told["prompt_tokens_details"]?["cached_tokens"]?.wholeNumber ?? 0)
  }

  /// What is known of a stream so far.
  struct ChatProgress {
    private var finished: Set<Int> = []
    private var seen: Set<Int> = []

    mutating func read(_ json: PolicyValue, _ answer: inout ReceivedAnswer) {
      if json["error"] != nil { return answer.readError(json) }
      answer.readChatUsage(json)
      guard let list = json["choices"]?.elements else { return answer.breach("an event has no choices") }
      for element in list { readChoice(element, &answer) }
    }

    private mutating func readChoice(_ element: PolicyValue, _ answer: inout ReceivedAnswer) {
      guard let index = element["index"]?.wholeNumber else { return answer.breach("a choice has no index") }
      seen.insert(index)
      let delta = element["delta"] ?? .null
      let finish = element["finish_reason"]?.text
      let pieces = ["content", "reasoning_content", "refusal"].map { delta[$0]?.text ?? "" }
      let calls = delta["tool_calls"]?.elements ?? []
      if finished.contains(index), pieces.contains(where: { !$0.isEmpty }) || !calls.isEmpty || finish != nil {
        answer.breach("the choice \(index) goes on after its finish_reason")
      }
      if finish != nil { finished.insert(index) }
      var problems: [String] = []
      answer.withChoice(index) { choice in
        choice.text += pieces[0]
        choice.reasoning += pieces[1]
        choice.refusal += pieces[2]
        choice.finish = finish ?? choice.finish
        for call in calls { Self.take(call, &choice, &problems) }
      }
      for problem in problems { answer.breach(problem) }
    }

    private static func take(_ call: PolicyValue, _ choice: inout Choice, _ problems: inout [String]) {
      guard let index = call["index"]?.wholeNumber, (0..<64).contains(index) else {
        return problems.append("a tool call without a usable index")
      }
      if index > choice.toolCalls.count {
        problems.append("the tool call \(index) comes before the one in front of it")
      }
      while choice.toolCalls.count <= index { choice.toolCalls.append(ToolCall()) }
      if let id = call["id"]?.text {
        if !choice.toolCalls[index].id.isEmpty { problems.append("the tool call \(index) is named twice") }
        choice.toolCalls[index].id = id
      } else if choice.toolCalls[index].id.isEmpty {
        problems.append("the tool call \(index) begins without an id")
      }
      choice.toolCalls[index].name += call["function"]?["name"]?.text ?? ""
      choice.toolCalls[index].arguments += call["function"]?["arguments"]?.text ?? ""
    }

    /// The terminal marker came.
    func end(_ answer: inout ReceivedAnswer) {
      for index in seen.subtracting(finished).sorted() { answer.breach("the choice \(index) has no finish_reason") }
    }
  }
}
