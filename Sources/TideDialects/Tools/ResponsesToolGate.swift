import TideCore

/// The gate of Responses streams: an item that calls a tool waits for its end.
final class ResponsesToolGate: ToolGate {
  private struct Item {
    var outputIndex: Int32
    /// Its events as they came.
    var events: [[UInt8]] = []
    /// The item as its last event has it; empty until then.
    var json: [UInt8] = []
  }

  private var items: [Item] = []
  /// By output index, the item that the client got in the place of a call that was judged; nil where it got the call.
  private var judged: [Int32: [UInt8]?] = [:]
  /// Output indexes of the calls that are being judged, in order.
  private var waiting: [Int32] = []
  private var count = 0
  /// The next event's number: events that waited leave later than they came.
  private var nextNumber: Int?

  /// The items that call a tool of the client's.
  static func isCall(_ type: String?) -> Bool { type == "function_call" || type == "custom_tool_call" }

  static func argumentsName(_ item: JSONMembers) -> String {
    item.text("type") == "custom_tool_call" ? "input" : "arguments"
  }

  override func take(_ event: SSEEvent) {
    guard scratch.responsesEvent.decode(event.data) else { return fail(.malformed) }
    scratch.beginEdits()
    let content = scratch.responsesEvent
    switch content.kind {
    case .itemAdded, .itemDone:
      guard let item = JSONMembers(event.data)?.object("item") else { return fail(.malformed) }
      guard Self.isCall(item.text("type")) else { return send(event) }
      takeCall(item, event, content)
    case .completed, .incomplete, .failed, .lifecycle: takeResponse(event, content)
    default:
      guard let place = items.firstIndex(where: { $0.outputIndex == content.outputIndex }), content.outputIndex >= 0
      else { return send(event) }
      keep(event, place)
    }
  }

  private func takeCall(_ item: JSONMembers, _ event: SSEEvent, _ content: ResponsesEvent) {
    // What repeats a call that was judged would undo the judgement.
    guard judged[content.outputIndex] == nil, count < Self.callLimit, items.count < Self.callLimit else {
      return fail(.malformed)
    }
    var place = items.firstIndex { $0.outputIndex == content.outputIndex }
    if place == nil {
      items.append(Item(outputIndex: content.outputIndex))
      place = items.count - 1
    } else if content.kind == .itemAdded {
      return fail(.malformed)
    }
    guard let place else { return }
    keep(event, place)
    guard content.kind == .itemDone else { return }
    items[place].json = item.json(with: [])
    guard let call = call(item) else { return fail(.malformed) }
    waiting = [content.outputIndex]
    judge([call])
  }

  private func call(_ item: JSONMembers) -> ToolCall? {
    guard let name = item.text("name") else { return nil }
    defer { count += 1 }
    return ToolCall(
      index: count, id: item.text("call_id") ?? item.text("id") ?? "", name: name,
      arguments: item.text(Self.argumentsName(item)) ?? "", takesJSON: item.text("type") == "function_call")
  }

  private func keep(_ event: SSEEvent, _ place: Int) {
    var raw = [UInt8](event.raw)
    if !raw.suffix(2).allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { raw += [0x0A, 0x0A] }
    note(raw.count)
    items[place].events.append(raw)
  }

  // MARK: The whole response

  /// Gives the items of a `response` what the client got of them; calls that were never announced are judged first.
  private func takeResponse(_ event: SSEEvent, _ content: ResponsesEvent) {
    guard let output = content.output, let elements = JSONMembers.elements(event.data, output) else {
      return send(event)
    }
    var calls: [ToolCall] = []
    var indexes: [Int32] = []
    for (place, element) in elements.enumerated() {
      let index = Int32(truncatingIfNeeded: place)
      guard let item = JSONMembers(event.data, element) else { return fail(.malformed) }
      guard Self.isCall(item.text("type")) else { continue }
      if let change = judged[index] {
        if let change { scratch.splice(element.lowerBound, element.upperBound, with: change) }
      } else {
        guard let call = call(item), count < Self.callLimit else { return fail(.malformed) }
        // Announced or not, it is told of here: what was collected of it is void.
        items.removeAll { $0.outputIndex == index }
        var made = Item(outputIndex: index)
        made.json = item.json(with: [])
        items.append(made)
        calls.append(call)
        indexes.append(index)
      }
    }
    guard calls.isEmpty else {
      waiting = indexes
      return judge(calls, before: event)
    }
    send(event)
  }

  // MARK: Decisions

  override func release(_ calls: [(call: ToolCall, decision: ToolDecision)]) {
    let indexes = waiting
    waiting = []
    for ((call, decision), index) in zip(calls, indexes) {
      guard let place = items.firstIndex(where: { $0.outputIndex == index }) else { continue }
      let item = items.remove(at: place)
      note(-item.events.reduce(0) { $0 + $1.count })
      switch decision {
      case .pass:
        judged[index] = .some(nil)
        for event in item.events { replay(event) }
      case .replace(let name, let arguments): replace(item, call, name: name, arguments: arguments)
      case .deny(let message): deny(item, call, message)
      }
    }
  }

  private func replay(_ raw: [UInt8]) {
    raw.withUnsafeBytes { bytes in
      var framer = SSEFramer()
      var rest = bytes
      guard case .event(let event) = framer.next(&rest), scratch.responsesEvent.decode(event.data) else { return }
      scratch.beginEdits()
      send(event)
    }
  }

  private func replace(_ item: Item, _ call: ToolCall, name: String, arguments: String) {
    let quoted = JSONText.quoted(arguments)
    let made = item.json.withUnsafeBytes { bytes -> (begun: [UInt8], done: [UInt8], id: [UInt8], isCustom: Bool)? in
      guard let members = JSONMembers(bytes) else { return nil }
      let argumentsName = Self.argumentsName(members)
      return (
        members.json(with: [
          ("name", JSONText.quoted(name)), (argumentsName, JSONText.quoted("")),
          ("status", JSONText.quoted("in_progress")),
        ]), members.json(with: [("name", JSONText.quoted(name)), (argumentsName, quoted)]),
        Self.content(members.text("id") ?? call.id), argumentsName == "input"
      )
    }
    guard let made else { return fail(.malformed) }
    judged[item.outputIndex] = .some(made.done)
    guard !item.events.isEmpty else { return }
    let key: ResponsesTextKey = made.isCustom ? .customInput : .arguments
    writeItem("response.output_item.added", item.outputIndex, made.begun)
    write(key.deltaType) { out in
      ResponsesWriter.place(id: made.id, outputIndex: item.outputIndex, part: (key, 0), into: &out)
      out.append(",\"delta\":")
      out.append(quoted)
    }
    write(key.doneType) { out in
      ResponsesWriter.place(id: made.id, outputIndex: item.outputIndex, part: (key, 0), into: &out)
      out.append(",\"")
      out.append(key.name)
      out.append("\":")
      out.append(quoted)
    }
    writeItem("response.output_item.done", item.outputIndex, made.done)
  }

  private func deny(_ item: Item, _ call: ToolCall, _ message: String) {
    let id = Self.content("msg_" + call.id)
    let text = Self.content(message)
    judged[item.outputIndex] = .some(Self.message(id: id, text: text))
    guard !item.events.isEmpty else { return }
    let place = { (out: inout ByteQueue) in
      ResponsesWriter.place(id: id, outputIndex: item.outputIndex, part: (.outputText, 0), into: &out)
    }
    writeItem("response.output_item.added", item.outputIndex, Self.message(id: id, text: nil))
    write("response.content_part.added") { out in
      place(&out)
      out.append(",\"part\":")
      ResponsesWriter.part(.outputText, [], into: &out)
    }
    if !text.isEmpty {
      write(ResponsesTextKey.outputText.deltaType) { out in
        place(&out)
        out.append(",\"delta\":\"")
        out.append(text)
        out.append("\",\"logprobs\":[]")
      }
    }
    write(ResponsesTextKey.outputText.doneType) { out in
      place(&out)
      out.append(",\"text\":\"")
      out.append(text)
      out.append("\",\"logprobs\":[]")
    }
    write("response.content_part.done") { out in
      place(&out)
      out.append(",\"part\":")
      ResponsesWriter.part(.outputText, text, into: &out)
    }
    writeItem("response.output_item.done", item.outputIndex, Self.message(id: id, text: text))
  }

  /// A message item with one text, or with none yet; both given as the content of JSON strings.
  static func message(id: [UInt8], text: [UInt8]?) -> [UInt8] {
    var out = ByteQueue()
    out.append("{\"id\":\"")
    out.append(id)
    out.append("\",\"type\":\"message\",\"status\":\"")
    out.append(text == nil ? "in_progress" : "completed")
    out.append("\",\"role\":\"assistant\",\"content\":[")
    if let text { ResponsesWriter.part(.outputText, text, into: &out) }
    out.append("]}")
    return [UInt8](out.readableBytes)
  }

  /// The content of a JSON string.
  static func content(_ text: String) -> [UInt8] { Array(JSONText.quoted(text).dropFirst().dropLast()) }

  // MARK: Writing

  private func writeItem(_ type: StaticString, _ outputIndex: Int32, _ item: [UInt8]) {
    write(type) { out in
      out.append(",\"output_index\":\(outputIndex),\"item\":" as String)
      out.append(item)
    }
  }

  private func write(_ type: StaticString, _ members: (inout ByteQueue) -> Void) {
    let number = nextNumber ?? 0
    nextNumber = number + 1
    ResponsesWriter.open(type, number, into: &output)
    members(&output)
    ResponsesWriter.close(into: &output)
  }

  /// Sends the event in hand with its edits and its number.
  private func send(_ event: SSEEvent) {
    if let sequence = scratch.responsesEvent.sequence {
      let number = nextNumber ?? sequence
      nextNumber = number &+ 1
      if number != sequence {
        let range = scratch.responsesEvent.sequenceRange
        scratch.splice(range.lowerBound, range.upperBound, with: Array("\(number)".utf8))
      }
    }
    forwardEdited(event)
  }
}
