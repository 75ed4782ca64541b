/// The messages: reads, edits, and how they leave.
extension ChatRequest {
  public var messages: [ChatMessage] { storedMessages }
  public var messageCount: Int { storedMessages.count }

  /// The text of one part of one message; empty when there is none.
  public func text(message: Int, part: Int = 0) -> [UInt8] {
    storedMessages.indices.contains(message) ? storedMessages[message].text(part) : []
  }

  /// Replaces the text of one part of one message; invalid UTF-8 becomes U+FFFD.
  ///
  /// - Returns: true when something changed.
  @discardableResult
  public func setMessageText(message: Int, part: Int = 0, _ text: UnsafeRawBufferPointer) -> Bool {
    guard storedMessages.indices.contains(message), storedMessages[message].setText(part, text) else { return false }
    isMessagesEdited = true
    return true
  }

  /// As the other, from a string.
  @discardableResult
  public func setMessageText(message: Int, part: Int = 0, _ text: String) -> Bool {
    var copy = text
    return copy.withUTF8 { setMessageText(message: message, part: part, UnsafeRawBufferPointer($0)) }
  }

  public func appendMessage(_ message: ChatMessage) { insertMessage(message, at: storedMessages.count) }

  /// Inserts before the message now at `index`; an index outside is moved to the nearest end.
  public func insertMessage(_ message: ChatMessage, at index: Int) {
    storedMessages.insert(message, at: max(0, min(index, storedMessages.count)))
    isMessagesEdited = true
  }

  /// - Returns: false when there is no such message.
  @discardableResult
  public func removeMessage(at index: Int) -> Bool {
    guard storedMessages.indices.contains(index) else { return false }
    storedMessages.remove(at: index)
    isMessagesEdited = true
    return true
  }

  public func replaceMessages(_ messages: [ChatMessage]) {
    if messages == storedMessages { return }
    storedMessages = messages
    isMessagesEdited = true
  }

  // MARK: The system prompt

  /// The text of the first system (or developer) message; nil when there is none.
  public var system: String? { systemIndex.map { storedMessages[$0].text } }

  /// Makes `text` the system prompt: replaces the first system message's text, or puts one in front.
  public func setSystem(_ text: String) {
    guard let index = systemIndex else { return insertMessage(systemMessage(text), at: 0) }
    if storedMessages[index].parts.count == 1 {
      setMessageText(message: index, text)
    } else {
      let isOwnMember = storedMessages[index].origin == .system
      storedMessages[index] =
        isOwnMember ? systemMessage(text) : ChatMessage(role: storedMessages[index].role, text: text)
      isMessagesEdited = true
    }
  }

  /// Puts `text` before the system prompt, a blank line between the two; without one it becomes the system prompt.
  public func prependSystem(_ text: String) {
    guard let index = systemIndex, storedMessages[index].textPartCount > 0 else {
      return insertMessage(systemMessage(text), at: 0)
    }
    let present = String(decoding: storedMessages[index].text(0), as: UTF8.self)
    setMessageText(message: index, text + "\n\n" + present)
  }

  private var systemIndex: Int? { storedMessages.firstIndex { $0.role == "system" || $0.role == "developer" } }

  /// A system prompt where the dialect keeps it.
  private func systemMessage(_ text: String) -> ChatMessage {
    guard dialect.systemName != nil, !storedMessages.contains(where: { $0.origin == .system }),
      case .success(let message)? = ChatMessage.read(
        value: JSONText.quoted(text)[...], role: "system", origin: .system)
    else { return ChatMessage(role: "system", text: text) }
    return message
  }

  // MARK: The body

  /// The request as it leaves.
  public func body() -> [UInt8] {
    guard isMessagesEdited else { return object.body() }
    var edited = object
    var listed = storedMessages
    if let systemName = dialect.systemName {
      // Anthropic knows no system role in its list: what a policy adds there joins the system prompt.
      let isSystem = { (message: ChatMessage) in
        message.origin == .system
          || self.dialect == .anthropic && message.origin == .added
            && (message.role == "system" || message.role == "developer")
      }
      listed.removeAll(where: isSystem)
      edited.set(systemName, Self.systemBody(storedMessages.filter(isSystem)))
    }
    if listed.count == 1, listed[0].origin == .input {
      edited.set(dialect.listName, listed[0].body())
    } else if !listed.isEmpty || object.value(dialect.listName) != nil {
      edited.set(dialect.listName, listBody(listed))
    }
    return edited.body()
  }

  /// The value of the member that holds the system prompt; nil when there is none.
  private static func systemBody(_ messages: [ChatMessage]) -> [UInt8]? {
    guard let first = messages.first else { return nil }
    if messages.count == 1, first.origin == .system { return first.body() }
    let hasBlocks = messages.contains { $0.origin == .system && $0.json.first == UInt8(ascii: "[") }
    guard hasBlocks else { return JSONText.quoted(messages.map(\.text).joined(separator: "\n\n")) }
    let blocks = messages.map { message -> [UInt8] in
      if message.origin == .system, message.json.first == UInt8(ascii: "[") {
        return Array(message.body().dropFirst().dropLast())
      }
      return Array("{\"type\":\"text\",\"text\":".utf8) + JSONText.quoted(message.text) + [UInt8(ascii: "}")]
    }
    // An empty array has nothing to put a comma behind.
    let filled = blocks.filter { !$0.allSatisfy { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) } }
    return [UInt8(ascii: "[")] + filled.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
  }

  /// The list of messages: what lay between two that are still neighbours stays as it came.
  private func listBody(_ messages: [ChatMessage]) -> [UInt8] {
    let bytes = object.bytes
    let messageRanges = Prompt.ranges(object, dialect)
    guard let range = object.originalRange(dialect.listName), let first = messageRanges.first,
      let last = messageRanges.last
    else {
      return [UInt8(ascii: "[")] + messages.map { Self.element($0) }.joined(separator: [UInt8(ascii: ",")])
        + [UInt8(ascii: "]")]
    }
    var out = Array(bytes[range.lowerBound..<first.lowerBound])
    var previous: Int?
    for (index, message) in messages.enumerated() {
      var origin: Int?
      if case .listed(let place) = message.origin { origin = place }
      if index > 0 {
        if let previous, let origin, origin == previous + 1 {
          out += bytes[messageRanges[previous].upperBound..<messageRanges[origin].lowerBound]
        } else {
          out.append(UInt8(ascii: ","))
        }
      }
      out += message.body()
      previous = origin
    }
    return out + bytes[last.upperBound..<range.upperBound]
  }

  /// A message as an element of the list.
  private static func element(_ message: ChatMessage) -> [UInt8] {
    guard message.origin == .input else { return message.body() }
    return Array("{\"role\":\"user\",\"content\":".utf8) + message.body() + [UInt8(ascii: "}")]
  }
}
