import TideCore

/// The tool calls of one answer that is not streamed.
///
/// `calls` are judged in order; `body(_:)` gives what is left for the dialect's own transformer.
public struct ToolBody {
  /// Where a call stands, and what else must change with it.
  private struct Place {
    /// The element that is the call.
    var element: Range<Int>
    /// The choice, message or response that it belongs to.
    var owner: Int
  }

  private struct Owner {
    /// `tool_calls`, `content` or `output`: the array with the calls.
    var list: Range<Int>
    /// The value of the finish reason; nil when it has none.
    var finish: Range<Int>?
    /// The value of a choice's `content`.
    var text: Range<Int>?
    /// Where a choice's message can be given a `content` that it lacks: behind its opening brace.
    var messageStart = 0
  }

  private let body: [UInt8]
  private let dialect: Dialect
  public private(set) var calls: [ToolCall] = []
  private var places: [Place] = []
  private var owners: [Owner] = []

  /// - Returns: nil when the body cannot be read: it must not pass unjudged.
  public init?(_ body: [UInt8], _ dialect: Dialect) {
    self.body = body
    self.dialect = dialect
    let isRead = body.withUnsafeBytes { data in
      guard let members = JSONMembers(data) else { return false }
      return switch dialect {
      case .openAI: readChat(members, data)
      case .anthropic: readMessages(members, data)
      case .responses: readResponse(members, data)
      }
    }
    guard isRead, calls.count <= ToolGate.callLimit else { return nil }
  }

  // MARK: Reading

  private mutating func readChat(_ members: JSONMembers, _ data: UnsafeRawBufferPointer) -> Bool {
    for range in members.elements("choices") ?? [] {
      guard let choice = JSONMembers(data, range) else { return false }
      guard let message = choice.object("message") else { continue }
      if let legacy = message["function_call"], legacy.kind != .null { return false }
      guard let list = message["tool_calls"], list.kind != .null else { continue }
      guard let elements = JSONMembers.elements(data, list.value), let first = message.members.first else {
        return false
      }
      owners.append(
        Owner(
          list: list.value, finish: choice["finish_reason"]?.value, text: message["content"]?.value,
          messageStart: first.value.lowerBound))
      for (ordinal, element) in elements.enumerated() {
        guard let call = ChatToolCall([UInt8](data[element]), index: Int32(ordinal)) else { return false }
        add(call.call(choice: choice.integer("index") ?? 0, ordinal: ordinal), at: element)
      }
    }
    return true
  }

  private mutating func readMessages(_ members: JSONMembers, _ data: UnsafeRawBufferPointer) -> Bool {
    guard let content = members["content"], let elements = members.elements("content") else { return true }
    owners.append(Owner(list: content.value, finish: members["stop_reason"]?.value))
    for element in elements {
      guard let block = JSONMembers(data, element) else { return false }
      guard block.text("type") == "tool_use" else { continue }
      guard let name = block.text("name") else { return false }
      let input = block.json("input") ?? Array("{}".utf8)
      add(
        ToolCall(
          index: calls.count, id: block.text("id") ?? "", name: name,
          arguments: String(decoding: input, as: UTF8.self)), at: element)
    }
    return true
  }

  private mutating func readResponse(_ members: JSONMembers, _ data: UnsafeRawBufferPointer) -> Bool {
    guard let output = members["output"], let elements = members.elements("output") else { return true }
    owners.append(Owner(list: output.value))
    for element in elements {
      guard let item = JSONMembers(data, element) else { return false }
      guard ResponsesToolGate.isCall(item.text("type")) else { continue }
      guard let name = item.text("name") else { return false }
      add(
        ToolCall(
          index: calls.count, id: item.text("call_id") ?? item.text("id") ?? "", name: name,
          arguments: item.text(ResponsesToolGate.argumentsName(item)) ?? "",
          takesJSON: item.text("type") == "function_call"), at: element)
    }
    return true
  }

  private mutating func add(_ call: ToolCall, at element: Range<Int>) {
    calls.append(call)
    places.append(Place(element: element, owner: owners.count - 1))
  }

  // MARK: Writing

  /// The body with the decisions on `calls`, one for each.
  public func body(_ decisions: [ToolDecision]) -> [UInt8] {
    guard decisions.contains(where: { $0 != .pass }) else { return body }
    let scratch = DialectScratch()
    return body.withUnsafeBytes { data in
      for owner in owners.indices {
        let mine = places.indices.filter { places[$0].owner == owner }
        guard mine.contains(where: { decisions[$0] != .pass }) else { continue }
        switch dialect {
        case .openAI: editChat(owners[owner], mine, decisions, data, scratch)
        case .anthropic: editMessages(owners[owner], mine, decisions, data, scratch)
        case .responses: editResponse(mine, decisions, data, scratch)
        }
      }
      return scratch.edited(data)
    }
  }

  /// The body when the answer ends at the first call that nothing was decided on: without it and what lies behind it. `BodyCut` then says
  /// how it ended.
  ///
  /// - Returns: nil when it cannot be made: nothing of the body must pass.
  public func beginning(_ decisions: [ToolDecision]) -> [UInt8]? {
    let all = decisions + Array(repeating: .deny(message: ""), count: calls.count - decisions.count)
    guard dialect != .openAI, decisions.count < places.count else { return body(all) }
    // What lies behind the call in these dialects was said after it.
    let end = places[decisions.count].element.lowerBound
    let scratch = DialectScratch()
    let kept = body.withUnsafeBytes { data -> [UInt8] in
      scratch.beginEdits()
      let elements = JSONMembers.elements(data, owners[0].list) ?? []
      scratch.removeElements(elements) { elements[$0].lowerBound >= end }
      return scratch.edited(data)
    }
    return ToolBody(kept, dialect)?.body(decisions)
  }

  private func editChat(
    _ owner: Owner, _ mine: [Int], _ decisions: [ToolDecision], _ data: UnsafeRawBufferPointer,
    _ scratch: DialectScratch
  ) {
    var kept: [[UInt8]] = []
    var messages: [String] = []
    for place in mine {
      let json = [UInt8](data[places[place].element])
      switch decisions[place] {
      case .pass: kept.append(json)
      case .deny(let message): if !message.isEmpty { messages.append(message) }
      case .replace(let name, let arguments):
        kept.append(
          ChatToolCall(json, index: 0)?.json(index: nil, name: name, arguments: arguments) ?? [])
      }
    }
    let list = kept.isEmpty ? Array("null".utf8) : Self.array(kept)
    scratch.splice(owner.list.lowerBound, owner.list.upperBound, with: list)
    if let finish = owner.finish, kept.isEmpty, data[finish].elementsEqual("\"tool_calls\"".utf8) {
      scratch.splice(finish.lowerBound, finish.upperBound, with: "\"stop\"")
    }
    guard !messages.isEmpty else { return }
    // The text so far, then theirs: what a client of a stream has put together.
    let before = owner.text.flatMap { JSONText.string(json: body[$0]) } ?? ""
    let text = JSONText.quoted(before + messages.joined())
    if let range = owner.text {
      scratch.splice(range.lowerBound, range.upperBound, with: text)
    } else {
      // Behind the value of the message's first member.
      var scanner = JSONScanner(data, from: owner.messageStart)
      let end = scanner.skipValue()?.upperBound ?? owner.messageStart
      scratch.splice(end, end, with: Array(",\"content\":".utf8) + text)
    }
  }

  private func editMessages(
    _ owner: Owner, _ mine: [Int], _ decisions: [ToolDecision], _ data: UnsafeRawBufferPointer,
    _ scratch: DialectScratch
  ) {
    var keptCount = 0
    for place in mine {
      let element = places[place].element
      switch decisions[place] {
      case .pass: keptCount += 1
      case .replace(let name, let arguments):
        keptCount += 1
        guard let block = JSONMembers(data, element) else { continue }
        let changed = block.json(with: [("name", JSONText.quoted(name)), ("input", Array(arguments.utf8))])
        scratch.splice(element.lowerBound, element.upperBound, with: changed)
      case .deny(let message):
        let block = Array("{\"type\":\"text\",\"text\":".utf8) + JSONText.quoted(message) + [UInt8(ascii: "}")]
        scratch.splice(element.lowerBound, element.upperBound, with: block)
      }
    }
    if let finish = owner.finish, keptCount == 0, data[finish].elementsEqual("\"tool_use\"".utf8) {
      scratch.splice(finish.lowerBound, finish.upperBound, with: "\"end_turn\"")
    }
  }

  private func editResponse(
    _ mine: [Int], _ decisions: [ToolDecision], _ data: UnsafeRawBufferPointer, _ scratch: DialectScratch
  ) {
    for place in mine {
      let element = places[place].element
      switch decisions[place] {
      case .pass: break
      case .replace(let name, let arguments):
        guard let item = JSONMembers(data, element) else { continue }
        let changed = item.json(with: [
          ("name", JSONText.quoted(name)), (ResponsesToolGate.argumentsName(item), JSONText.quoted(arguments)),
        ])
        scratch.splice(element.lowerBound, element.upperBound, with: changed)
      case .deny(let message):
        let item = ResponsesToolGate.message(
          id: ResponsesToolGate.content("msg_" + calls[place].id), text: ResponsesToolGate.content(message))
        scratch.splice(element.lowerBound, element.upperBound, with: item)
      }
    }
  }

  private static func array(_ elements: [[UInt8]]) -> [UInt8] {
    [UInt8(ascii: "[")] + elements.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
  }
}
