import TideCore

/// The answer as OpenAI's Responses writes it.
extension ChatAnswer {
  /// Writes a whole stream, the event that ends the response included.
  func writeResponsesStream(into out: inout ByteQueue) {
    var sequence = 0
    func event(_ type: StaticString, into out: inout ByteQueue, _ members: (inout ByteQueue) -> Void) {
      ResponsesWriter.open(type, sequence, into: &out)
      members(&out)
      ResponsesWriter.close(into: &out)
      sequence += 1
    }
    for type: StaticString in ["response.created", "response.in_progress"] {
      event(type, into: &out) { writeResponse(status: "in_progress", into: &$0) }
    }
    for (index, item) in items.enumerated() {
      event("response.output_item.added", into: &out) { writeItem(item, index, isWhole: false, into: &$0) }
      switch item {
      case .message:
        event("response.content_part.added", into: &out) {
          writePlace(item, index, into: &$0)
          $0.append(",\"part\":")
          ResponsesWriter.part(.outputText, [], into: &$0)
        }
        for (type, name): (StaticString, StaticString) in [
          ("response.output_text.delta", "delta"), ("response.output_text.done", "text"),
        ] where !text.isEmpty || type.description.hasSuffix("done") {
          event(type, into: &out) {
            writePlace(item, index, into: &$0)
            writeMember(name, text, into: &$0)
            $0.append(",\"logprobs\":[]")
          }
        }
        event("response.content_part.done", into: &out) {
          writePlace(item, index, into: &$0)
          $0.append(",\"part\":")
          writePart(into: &$0)
        }
      case .call(let call):
        for (type, name): (StaticString, StaticString) in [
          ("response.function_call_arguments.delta", "delta"), ("response.function_call_arguments.done", "arguments"),
        ] {
          event(type, into: &out) {
            writePlace(item, index, into: &$0)
            writeMember(name, call.arguments, into: &$0)
          }
        }
      }
      event("response.output_item.done", into: &out) { writeItem(item, index, isWhole: true, into: &$0) }
    }
    let status = ResponsesWriter.ending(reason).status
    event(status == "completed" ? "response.completed" : "response.incomplete", into: &out) {
      writeResponse(status: status, into: &$0)
    }
  }

  /// Writes a whole response.
  func writeResponsesBody(into out: inout ByteQueue) {
    writeResponseObject(status: ResponsesWriter.ending(reason).status, into: &out)
  }

  private enum Item {
    case message
    case call(ToolCall)
  }

  private var items: [Item] {
    (text.isEmpty && !toolCalls.isEmpty ? [] : [.message]) + toolCalls.map { .call($0) }
  }

  private func itemID(_ item: Item, _ index: Int) -> String {
    switch item {
    case .message: "msg_\(id)_\(index)"
    case .call: "fc_\(id)_\(index)"
    }
  }

  private func writePlace(_ item: Item, _ index: Int, into out: inout ByteQueue) {
    let key: ResponsesTextKey = if case .message = item { .outputText } else { .arguments }
    ResponsesWriter.place(
      id: Array(JSONText.quoted(itemID(item, index)).dropFirst().dropLast()), outputIndex: Int32(clamping: index),
      part: (key, 0), into: &out)
  }

  private func writeMember(_ name: StaticString, _ text: String, into out: inout ByteQueue) {
    out.append(",\"")
    out.append(name)
    out.append("\":")
    JSONText.quote(text, into: &out)
  }

  private func writePart(into out: inout ByteQueue) {
    ResponsesWriter.part(.outputText, Array(JSONText.quoted(text).dropFirst().dropLast()), into: &out)
  }

  private func writeItem(_ item: Item, _ index: Int, isWhole: Bool, into out: inout ByteQueue) {
    out.append(",\"output_index\":\(index),\"item\":" as String)
    writeItemObject(item, index, isWhole: isWhole, into: &out)
  }

  private func writeItemObject(_ item: Item, _ index: Int, isWhole: Bool, into out: inout ByteQueue) {
    out.append("{\"id\":")
    JSONText.quote(itemID(item, index), into: &out)
    out.append(isWhole ? ",\"status\":\"completed\"" : ",\"status\":\"in_progress\"")
    switch item {
    case .message:
      out.append(",\"type\":\"message\",\"role\":\"assistant\",\"content\":[")
      if isWhole { writePart(into: &out) }
      out.append("]}")
    case .call(let call):
      out.append(",\"type\":\"function_call\"")
      writeMember("call_id", call.id, into: &out)
      writeMember("name", call.name, into: &out)
      writeMember("arguments", isWhole ? call.arguments : "", into: &out)
      out.append("}")
    }
  }

  private func writeResponse(status: String, into out: inout ByteQueue) {
    out.append(",\"response\":")
    writeResponseObject(status: status, into: &out)
  }

  private func writeResponseObject(status: String, into out: inout ByteQueue) {
    let isEnd = status != "in_progress"
    out.append("{\"id\":")
    JSONText.quote(id, into: &out)
    out.append(",\"object\":\"response\",\"created_at\":\(created),\"status\":\"\(status)\",\"error\":null" as String)
    out.append(",\"incomplete_details\":")
    out.append(ResponsesWriter.incompleteDetails(isEnd ? ResponsesWriter.ending(reason).reason : nil))
    out.append(",\"instructions\":null,\"metadata\":{},\"model\":")
    JSONText.quote(model, into: &out)
    out.append(",\"output\":[")
    for (index, item) in items.enumerated() where isEnd {
      if index > 0 { out.append(",") }
      writeItemObject(item, index, isWhole: true, into: &out)
    }
    out.append("],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":")
    if isEnd { ResponsesWriter.usage(counted, into: &out) } else { out.append("null") }
    out.append("}")
  }
}
