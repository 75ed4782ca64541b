import TideCore

/// The ways an answer ends before its upstream's end.
extension ResponsesStream {
  /// Ends it well formed: what lanes hold, the cut's text, the ends of parts and items, the whole response.
  func endEarly(_ cut: LaneCut, into out: inout ByteQueue) {
    lastWasForwarded = false
    for part in output.parts.indices {
      let lane = output.parts[part].lane
      if lane >= 0, !lanes!.lanes[lane].hasEnded, endLane(of: part) == .fail { return fail(.policy) }
    }
    if skeleton.isEmpty { beginResponse(into: &out) }
    let (status, reason) = ResponsesWriter.ending(cut.finishReason)
    addLastWords(cut.text)
    for part in output.parts.indices { announce(part, into: &out) }
    for part in output.parts.indices { writeUnsent(part, into: &out) }
    for item in output.items.indices where !output.items[item].isDone && !output.items[item].json.isEmpty {
      close(item, status: status, into: &out)
    }
    ResponsesWriter.open(
      status == "completed" ? "response.completed" : "response.incomplete", nextSequence(), into: &out)
    writeResponse(status: status, incompleteReason: reason, failure: nil, into: &out)
    ResponsesWriter.close(into: &out)
    finishReasons = [FinishReason(choice: 0, reason: reason ?? status)]
    progress = .cut
  }

  /// Adds the cut's text to the last message that is still open, or to one of its own.
  private func addLastWords(_ text: String) {
    guard !text.isEmpty else { return }
    let open = output.parts.indices.last {
      output.parts[$0].key == .outputText && !output.parts[$0].isTextDone && !output.items[output.parts[$0].item].isDone
    }
    let part: Int
    if let open {
      part = open
    } else {
      let index = (output.items.map(\.outputIndex).max() ?? -1) &+ 1
      let id = Array("msg_tidegate".utf8)
      part = id.withUnsafeBytes { output.add(.outputText, index: 0, to: output.add(id: $0, outputIndex: index)) }
    }
    let content = JSONText.quoted(text).dropFirst().dropLast()
    if output.parts[part].lane < 0 {
      content.withUnsafeBytes { output.append($0, to: part) }
    } else {
      var copy = text
      copy.withUTF8 { output.append(UnsafeRawBufferPointer($0), to: part) }
    }
    deliveredTextBytes &+= text.utf8.count
  }

  // MARK: Items and parts

  /// Tells the client of a part with text whose beginning it has not seen, and of its item.
  private func announce(_ part: Int, into out: inout ByteQueue) {
    let (place, key) = (output.parts[part].item, output.parts[part].key)
    guard output.parts[part].sentByteCount < output.parts[part].text.count, key.partType != nil else { return }
    if output.items[place].id.isEmpty, output.items[place].json.isEmpty {
      let made = output.add(
        id: UnsafeRawBufferPointer(start: nil, count: 0), outputIndex: output.items[place].outputIndex)
      output.parts[part].item = made
    }
    let item = output.parts[part].item
    if output.items[item].json.isEmpty {
      var json = ByteQueue()
      json.append("{\"id\":\"")
      json.append(output.items[item].id)
      json.append("\",\"type\":\"")
      json.append(key.itemType)
      json.append("\",\"status\":\"in_progress\"")
      json.append(
        key.itemType.description == "message" ? ",\"role\":\"assistant\",\"content\":[]}" : ",\"summary\":[]}")
      output.set([UInt8](json.readableBytes), isDone: false, of: item)
      ResponsesWriter.open("response.output_item.added", nextSequence(), into: &out)
      out.append(",\"output_index\":\(max(0, output.items[item].outputIndex)),\"item\":" as String)
      out.append(output.items[item].json)
      ResponsesWriter.close(into: &out)
    }
    guard !output.parts[part].isAnnounced else { return }
    output.parts[part].isAnnounced = true
    openPartEvent(key, "added", into: &out)
    writePlace(of: part, into: &out)
    out.append(",\"part\":")
    ResponsesWriter.part(key, [], into: &out)
    ResponsesWriter.close(into: &out)
  }

  /// Sends what a part has and the client has not, as a delta.
  func writeUnsent(_ part: Int, into out: inout ByteQueue) {
    let sent = output.parts[part].sentByteCount
    let key = output.parts[part].key
    guard sent < output.parts[part].text.count else { return }
    output.parts[part].sentByteCount = output.parts[part].text.count
    ResponsesWriter.open(key.deltaType, nextSequence(), into: &out)
    writePlace(of: part, into: &out)
    out.append(",\"delta\":\"")
    writeContent(of: part, from: sent, into: &out)
    out.append(key == .outputText ? "\",\"logprobs\":[]" : "\"")
    ResponsesWriter.close(into: &out)
    lastWasForwarded = false
  }

  /// Ends the parts of an item, then the item.
  private func close(_ item: Int, status: String, into out: inout ByteQueue) {
    for part in output.parts.indices where output.parts[part].item == item {
      let key = output.parts[part].key
      if !output.parts[part].isTextDone {
        ResponsesWriter.open(key.doneType, nextSequence(), into: &out)
        writePlace(of: part, into: &out)
        out.append(",\"")
        out.append(key.name)
        out.append("\":\"")
        writeContent(of: part, into: &out)
        out.append(key == .outputText ? "\",\"logprobs\":[]" : "\"")
        ResponsesWriter.close(into: &out)
      }
      guard key.partType != nil, !output.parts[part].isDone else { continue }
      openPartEvent(key, "done", into: &out)
      writePlace(of: part, into: &out)
      out.append(",\"part\":")
      ResponsesWriter.part(key, content(of: part), into: &out)
      ResponsesWriter.close(into: &out)
    }
    output.set(whole(item, status: status), isDone: true, of: item)
    ResponsesWriter.open("response.output_item.done", nextSequence(), into: &out)
    out.append(",\"output_index\":\(max(0, output.items[item].outputIndex)),\"item\":" as String)
    out.append(output.items[item].json)
    ResponsesWriter.close(into: &out)
  }

  private func openPartEvent(_ key: ResponsesTextKey, _ end: StaticString, into out: inout ByteQueue) {
    switch (key == .summary, end.description == "added") {
    case (true, true): ResponsesWriter.open("response.reasoning_summary_part.added", nextSequence(), into: &out)
    case (true, false): ResponsesWriter.open("response.reasoning_summary_part.done", nextSequence(), into: &out)
    case (false, true): ResponsesWriter.open("response.content_part.added", nextSequence(), into: &out)
    case (false, false): ResponsesWriter.open("response.content_part.done", nextSequence(), into: &out)
    }
  }

  private func writePlace(of part: Int, into out: inout ByteQueue) {
    let item = output.items[output.parts[part].item]
    ResponsesWriter.place(
      id: item.id, outputIndex: item.outputIndex, part: (output.parts[part].key, output.parts[part].index), into: &out)
  }

  /// A part's text as the content of a JSON string.
  private func writeContent(of part: Int, from start: Int = 0, into out: inout ByteQueue) {
    output.parts[part].text.withUnsafeBytes { bytes in
      let text = UnsafeRawBufferPointer(rebasing: bytes[start...])
      if output.parts[part].lane < 0 { out.append(text) } else { JSONText.escape(text, into: &out) }
    }
  }

  private func content(of part: Int) -> [UInt8] {
    var content = ByteQueue()
    writeContent(of: part, into: &content)
    return [UInt8](content.readableBytes)
  }

  /// An item that ends early, with the texts that went out.
  private func whole(_ item: Int, status: String) -> [UInt8] {
    let json = output.items[item].json
    guard case .success(var object) = JSONObject.parse(json, strict: []) else { return json }
    if object.value("status") != nil { object.set("status", JSONText.quoted(status)) }
    for isSummary in [true, false] {
      let parts = output.parts.indices.filter {
        output.parts[$0].item == item && output.parts[$0].key.partType != nil
          && (output.parts[$0].key == .summary) == isSummary
      }
      guard !parts.isEmpty else { continue }
      var list = ByteQueue()
      list.append(byte: UInt8(ascii: "["))
      for part in parts.sorted(by: { output.parts[$0].index < output.parts[$1].index }) {
        if list.byteCount > 1 { list.append(byte: UInt8(ascii: ",")) }
        ResponsesWriter.part(output.parts[part].key, content(of: part), into: &list)
      }
      list.append(byte: UInt8(ascii: "]"))
      object.set(isSummary ? "summary" : "content", [UInt8](list.readableBytes))
    }
    for part in output.parts.indices where output.parts[part].item == item && output.parts[part].key.partType == nil {
      let quoted = [UInt8(ascii: "\"")] + content(of: part) + [UInt8(ascii: "\"")]
      object.set(output.parts[part].key.name.description, quoted)
    }
    return object.body()
  }

  // MARK: The response

  /// The beginning of an answer of which the upstream has sent none.
  private func beginResponse(into out: inout ByteQueue) {
    skeleton = Array(#"{"id":"resp_tidegate","object":"response","created_at":0,"model":"","#.utf8)
    ResponsesWriter.open("response.created", nextSequence(), into: &out)
    writeResponse(status: "in_progress", incompleteReason: nil, failure: nil, into: &out)
    ResponsesWriter.close(into: &out)
  }

  /// The `response` member, with the items that are done.
  private func writeResponse(
    status: String, incompleteReason: String?, failure: ResponsesFailure?, into out: inout ByteQueue
  ) {
    out.append(",\"response\":")
    out.append(skeleton)
    out.append("\"status\":\"\(status)\",\"error\":" as String)
    if let failure {
      out.append("{\"code\":")
      out.append(failure.code)
      out.append(",\"message\":")
      out.append(failure.message)
      out.append("}")
    } else {
      out.append("null")
    }
    out.append(",\"incomplete_details\":")
    out.append(ResponsesWriter.incompleteDetails(incompleteReason))
    out.append(",\"output\":[")
    let done = output.items.filter(\.isDone).sorted { $0.outputIndex < $1.outputIndex }
    for (index, item) in done.enumerated() {
      if index > 0 { out.append(",") }
      out.append(item.json)
    }
    out.append("],\"usage\":")
    if status == "in_progress" { out.append("null") } else { ResponsesWriter.usage(usage, into: &out) }
    out.append("}")
  }

  // MARK: Errors

  /// Tells of a failure twice, as the provider does: official SDKs raise on the first, who follows the response waits for the second.
  func writeErrors(_ failure: StreamFailure, into out: inout ByteQueue) {
    ResponsesWriter.open("error", nextSequence(), into: &out)
    out.append(",\"code\":\"\(failure.code)\",\"message\":" as String)
    JSONText.quote(failure.message, into: &out)
    out.append(",\"param\":null,")
    var error = ByteQueue()
    ErrorShape.writeOpenAI(
      status: 500, message: failure.message, type: "server_error", param: nil, code: failure.code, into: &error)
    // Its one member, without the braces around it.
    out.append(UnsafeRawBufferPointer(rebasing: error.readableBytes[1..<error.byteCount &- 1]))
    ResponsesWriter.close(into: &out)
    writeFailed(ResponsesFailure(code: "server_error", message: failure.message), into: &out)
  }

  func writeFailed(_ failure: ResponsesFailure, into out: inout ByteQueue) {
    if skeleton.isEmpty {
      skeleton = Array(#"{"id":"resp_tidegate","object":"response","created_at":0,"model":"","#.utf8)
    }
    ResponsesWriter.open("response.failed", nextSequence(), into: &out)
    writeResponse(status: "failed", incompleteReason: nil, failure: failure, into: &out)
    ResponsesWriter.close(into: &out)
  }
}
