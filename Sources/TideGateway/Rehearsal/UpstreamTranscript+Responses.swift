/// OpenAI's Responses.
extension UpstreamTranscript {
  private mutating func event(_ type: String, _ members: [UInt8], waitMs: Int = 0) {
    add(
      type, [UInt8](json: "{\"type\":\"\(type)\",\"sequence_number\":\(events.count),"), members, [UInt8](json: "}"),
      waitMs: waitMs)
  }

  private enum Item {
    case message([UInt8])
    case call(UpstreamReply.ToolCall)
  }

  private func items(_ reply: UpstreamReply) -> [Item] {
    (reply.text.isEmpty && !reply.toolCalls.isEmpty ? [] : [.message(reply.text)]) + reply.toolCalls.map { .call($0) }
  }

  mutating func writeResponses(_ reply: UpstreamReply, _ delivery: Delivery) {
    for type in ["response.created", "response.in_progress"] {
      event(type, [UInt8](json: "\"response\":") + responseObject(reply, isEnd: false))
    }
    for (index, item) in items(reply).enumerated() {
      event(
        "response.output_item.added",
        [UInt8](json: "\"output_index\":\(index),\"item\":") + object(item, index, isWhole: false))
      switch item {
      case .message(let text):
        let place = [UInt8](json: "\"item_id\":\"msg_\(index)\",\"output_index\":\(index),\"content_index\":0,")
        event("response.content_part.added", place + [UInt8](json: "\"part\":") + part([]))
        for delta in Self.deltas(of: reply, delivery) {
          event(
            "response.output_text.delta",
            place + [UInt8](json: "\"delta\":") + Self.quoted(delta.text) + [UInt8](json: ",\"logprobs\":[]"),
            waitMs: delta.waitMs)
        }
        event(
          "response.output_text.done",
          place + [UInt8](json: "\"text\":") + Self.quoted(text) + [UInt8](json: ",\"logprobs\":[]"))
        event("response.content_part.done", place + [UInt8](json: "\"part\":") + part(text))
      case .call(let call):
        let place = [UInt8](json: "\"item_id\":\"fc_\(index)\",\"output_index\":\(index),")
        for delta in Self.argumentDeltas(call, delivery) {
          event(
            "response.function_call_arguments.delta", place + [UInt8](json: "\"delta\":") + Self.quoted(delta))
        }
        event(
          "response.function_call_arguments.done",
          place + [UInt8](json: "\"arguments\":\(Self.quote(call.arguments))"))
      }
      event(
        "response.output_item.done",
        [UInt8](json: "\"output_index\":\(index),\"item\":") + object(item, index, isWhole: true))
    }
    event(
      reply.finishReason == "length" || reply.finishReason == "content_filter"
        ? "response.incomplete" : "response.completed",
      [UInt8](json: "\"response\":") + responseObject(reply, isEnd: true))
  }

  private func part(_ text: [UInt8]) -> [UInt8] {
    [UInt8](json: "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":") + Self.quoted(text)
      + [UInt8](json: "}")
  }

  private func object(_ item: Item, _ index: Int, isWhole: Bool) -> [UInt8] {
    let status = isWhole ? "completed" : "in_progress"
    switch item {
    case .message(let text):
      return [UInt8](
        json:
          "{\"id\":\"msg_\(index)\",\"type\":\"message\",\"status\":\"\(status)\",\"role\":\"assistant\",\"content\":["
      ) + (isWhole ? part(text) : []) + [UInt8](json: "]}")
    case .call(let call):
      let arguments = isWhole ? call.arguments : ""
      return [UInt8](
        json:
          "{\"id\":\"fc_\(index)\",\"type\":\"function_call\",\"status\":\"\(status)\",\"call_id\":\(Self.quote(call.id)),\"name\":\(Self.quote(call.name)),\"arguments\":\(Self.quote(arguments))}"
      )
    }
  }

  func responseObject(_ reply: UpstreamReply, isEnd: Bool) -> [UInt8] {
    let reason: String? =
      switch reply.finishReason {
      case "length": "max_output_tokens"
      case "content_filter": "content_filter"
      default: nil
      }
    let status = !isEnd ? "in_progress" : reason == nil ? "completed" : "incomplete"
    let details = isEnd ? reason.map { "{\"reason\":\"\($0)\"}" } ?? "null" : "null"
    let output = isEnd ? items(reply).enumerated().map { object($0.element, $0.offset, isWhole: true) } : []
    let total = reply.usage.input + reply.usage.output
    let usage =
      "{\"input_tokens\":\(reply.usage.input),\"input_tokens_details\":{\"cached_tokens\":\(reply.usage.cached)},\"output_tokens\":\(reply.usage.output),\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":\(total)}"
    return [UInt8](
      json:
        "{\"id\":\"resp_rehearsal\",\"object\":\"response\",\"created_at\":1767225600,\"status\":\"\(status)\",\"error\":null,\"incomplete_details\":\(details),\"instructions\":null,\"metadata\":{},\"model\":\(Self.quote(model)),\"output\":["
    ) + Array(output.joined(separator: [UInt8](json: ",")))
      + [UInt8](
        json:
          "],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":\(isEnd ? usage : "null")}")
  }
}
