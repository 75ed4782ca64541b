import TidePolicy

/// OpenAI's Responses.
extension ReceivedAnswer {
  mutating func readResponse(_ json: PolicyValue) {
    guard let output = json["output"]?.elements else { return breach("the body has no output") }
    for item in output {
      choices[0].text += ReceivedAnswer.text(of: item)
      choices[0].refusal += (item["content"]?.elements ?? []).compactMap { $0["refusal"]?.text }.joined()
      if item["type"]?.text == "function_call" { choices[0].toolCalls.append(ReceivedAnswer.call(item)) }
    }
    takeEnd(json)
  }

  fileprivate static func text(of item: PolicyValue) -> String {
    item["type"]?.text == "message" ? (item["content"]?.elements ?? []).compactMap { $0["text"]?.text }.joined() : ""
  }

  fileprivate static func call(_ item: PolicyValue) -> ToolCall {
    ToolCall(
      id: item["call_id"]?.text ?? "", name: item["name"]?.text ?? "", arguments: item["arguments"]?.text ?? "")
  }

  /// Why it ended and what it cost.
  fileprivate mutating func takeEnd(_ response: PolicyValue) {
    let reason = response["incomplete_details"]?["reason"]?.text
    switch response["status"]?.text {
    case "completed": choices[0].finish = choices[0].toolCalls.isEmpty ? "stop" : "tool_calls"
    case "incomplete": choices[0].finish = reason == "max_output_tokens" ? "length" : reason ?? "incomplete"
    case "failed": readError(response)
    case let status: breach("the response has the status \(status ?? "none")")
    }
    guard let told = response["usage"], told.entries != nil else { return }
    usage = Usage(
      input: told["input_tokens"]?.wholeNumber ?? 0, output: told["output_tokens"]?.wholeNumber ?? 0,
      cached: told["input_tokens_details"]?["cached_tokens"]?.wholeNumber ?? 0)
  }

  /// What is known of a stream so far.
  struct ResponsesProgress {
    private struct Place: Hashable {
      var item: Int
      var part: Int
      var kind: String
    }

    private var lastNumber: Int?
    /// What deltas told, and what the events that repeat it said.
    private var told: [Place: String] = [:]
    private var done: Set<Place> = []

    mutating func read(_ json: PolicyValue, _ name: String, _ answer: inout ReceivedAnswer) {
      let type = json["type"]?.text ?? ""
      if type != name { answer.breach("the event \(name) says that its type is \(type)") }
      if let number = json["sequence_number"]?.wholeNumber {
        if let lastNumber, number != lastNumber + 1 {
          answer.breach("the sequence number \(number) follows \(lastNumber)")
        }
        lastNumber = number
      } else {
        answer.breach("\(type) has no sequence number")
      }
      let item = json["output_index"]?.wholeNumber ?? -1
      let part = json["content_index"]?.wholeNumber ?? json["summary_index"]?.wholeNumber ?? 0
      switch type {
      case "error": answer.readError(json)
      case "response.output_text.delta": delta(json, Place(item: item, part: part, kind: "text"), &answer)
      case "response.refusal.delta": delta(json, Place(item: item, part: part, kind: "refusal"), &answer)
      case "response.function_call_arguments.delta":
        delta(json, Place(item: item, part: 0, kind: "arguments"), &answer)
      case "response.output_text.done":
        ends(Place(item: item, part: part, kind: "text"), json["text"]?.text, &answer)
      case "response.refusal.done":
        ends(Place(item: item, part: part, kind: "refusal"), json["refusal"]?.text, &answer)
      case "response.function_call_arguments.done":
        ends(Place(item: item, part: 0, kind: "arguments"), json["arguments"]?.text, &answer)
      case "response.content_part.done":
        repeats(Place(item: item, part: part, kind: "text"), json["part"]?["text"]?.text, &answer)
      case "response.output_item.added":
        if let call = json["item"], call["type"]?.text == "function_call" {
          answer.choices[0].toolCalls.append(ReceivedAnswer.call(call))
        }
      case "response.output_item.done": itemEnds(item, json["item"] ?? .null, &answer)
      case "response.completed", "response.incomplete", "response.failed":
        end(json["response"] ?? .null, type, &answer)
      default: break
      }
    }

    private mutating func delta(_ json: PolicyValue, _ place: Place, _ answer: inout ReceivedAnswer) {
      let text = json["delta"]?.text ?? ""
      if done.contains(place) { answer.breach("a delta of \(place.kind) after its end") }
      if text.isEmpty { answer.breach("an empty delta") }
      told[place, default: ""] += text
      switch place.kind {
      case "text": answer.choices[0].text += text
      case "refusal": answer.choices[0].refusal += text
      default: break
      }
    }

    private mutating func ends(_ place: Place, _ text: String?, _ answer: inout ReceivedAnswer) {
      repeats(place, text, &answer)
      if !done.insert(place).inserted { answer.breach("\(place.kind) ends twice") }
    }

    /// What no delta told is told here for the first time.
    private mutating func repeats(_ place: Place, _ text: String?, _ answer: inout ReceivedAnswer) {
      guard let text else { return }
      guard let known = told[place] else {
        told[place] = text
        if place.kind == "text" { answer.choices[0].text += text }
        return
      }
      if known != text { answer.breach("an event repeats the \(place.kind) as \(text.prefix(80)), not as it was told") }
    }

    private mutating func itemEnds(_ index: Int, _ item: PolicyValue, _ answer: inout ReceivedAnswer) {
      if item["type"]?.text == "function_call" {
        let place = Place(item: index, part: 0, kind: "arguments")
        repeats(place, item["arguments"]?.text, &answer)
        let id = item["call_id"]?.text ?? ""
        if let known = answer.choices[0].toolCalls.firstIndex(where: { $0.id == id }) {
          answer.choices[0].toolCalls[known] = ReceivedAnswer.call(item)
        } else {
          answer.breach("the item of the tool call \(id) ends without having begun")
        }
      }
      for (part, content) in (item["content"]?.elements ?? []).enumerated() {
        repeats(Place(item: index, part: part, kind: "text"), content["text"]?.text, &answer)
      }
    }

    private mutating func end(_ response: PolicyValue, _ type: String, _ answer: inout ReceivedAnswer) {
      let status = response["status"]?.text ?? ""
      if type != "response.\(status)" { answer.breach("\(type) says that the status is \(status)") }
      if status == "failed" { return answer.readError(response) }
      for (index, item) in (response["output"]?.elements ?? []).enumerated() {
        for (part, content) in (item["content"]?.elements ?? []).enumerated() {
          repeats(Place(item: index, part: part, kind: "text"), content["text"]?.text, &answer)
        }
        if item["type"]?.text == "function_call" {
          repeats(Place(item: index, part: 0, kind: "arguments"), item["arguments"]?.text, &answer)
        }
      }
      answer.takeEnd(response)
      answer.isTerminated = true
    }
  }
}
