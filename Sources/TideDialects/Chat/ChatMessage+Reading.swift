/// Reading messages from JSON whose syntax is known to be good.
extension ChatMessage {
  /// Reads one element of a request's list of messages.
  ///
  /// - Parameter keepsParts: false when it is only to be known whether it can be read: then nothing is allocated for its texts.
  static func read(
    _ json: ArraySlice<UInt8>, _ dialect: Dialect = .openAI, keepsParts: Bool = true
  ) -> Result<ChatMessage, RequestProblem> {
    json.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer)
      guard scanner.peek() == .object, scanner.enterObject() else {
        return .failure(RequestProblem(message: "Each message must be an object.", param: dialect.listName))
      }
      var reader = MessageReader(nests: dialect == .anthropic, keepsParts: keepsParts)
      var role: String?
      var type: String?
      while let key = scanner.nextKey() {
        if scanner.equals(key, "role") {
          guard role == nil else { return .failure(JSONObject.duplicate("role")) }
          guard scanner.peek() == .string, let value = scanner.string() else {
            return .failure(RequestProblem(message: "A message's 'role' must be a string.", param: dialect.listName))
          }
          role = JSONText.string(scanner.content(value))
        } else if scanner.equals(key, "content") {
          reader.readOnce(.content, &scanner)
        } else if dialect == .responses, scanner.equals(key, "output") {
          reader.readOnce(.output, &scanner, role: "tool")
        } else if dialect == .openAI, scanner.equals(key, "tool_calls"), scanner.peek() == .array {
          reader.readCalls(&scanner)
        } else if dialect == .openAI, scanner.equals(key, "function_call"), scanner.peek() == .object {
          reader.readFunction(&scanner)
        } else if dialect == .responses, scanner.peek() == .string, scanner.equals(key, "arguments") {
          reader.readArguments(&scanner, .quoted)
        } else if dialect == .responses, scanner.peek() == .string, scanner.equals(key, "input") {
          reader.readArguments(&scanner, .text)
        } else if dialect == .responses, scanner.equals(key, "type"), scanner.peek() == .string {
          guard type == nil else { return .failure(JSONObject.duplicate("type")) }
          type = scanner.string().map { JSONText.string(scanner.content($0)) }
        } else {
          _ = scanner.skipValue()
        }
      }
      if let problem = reader.problem { return .failure(problem) }
      if let role {
        var message = ChatMessage(role: role, json: json, parts: reader.parts)
        message.arguments = reader.arguments
        return .success(message)
      }
      // Items of Responses that are no messages say what they are by their type.
      guard dialect == .responses, let type, type != "message" else {
        return .failure(RequestProblem(message: "Each message needs a 'role'.", param: dialect.listName))
      }
      if type.hasSuffix("_output") { return .success(ChatMessage(role: "tool", json: json, parts: reader.parts)) }
      var call = ChatMessage(role: "assistant", json: json, parts: [])
      call.arguments = reader.arguments
      return .success(call)
    }
  }

  /// Reads a member that is a message by itself: a string, or an array of parts. nil when it is neither.
  static func read(
    value json: ArraySlice<UInt8>, role: String, origin: Origin, keepsParts: Bool = true
  ) -> Result<ChatMessage, RequestProblem>? {
    json.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer)
      guard scanner.peek() == .string || scanner.peek() == .array else { return nil }
      var reader = MessageReader(nests: false, keepsParts: keepsParts)
      reader.readOnce(.content, &scanner)
      if let problem = reader.problem { return .failure(problem) }
      var message = ChatMessage(role: role, json: json, parts: reader.parts)
      message.origin = origin
      return .success(message)
    }
  }
}

extension Dialect {
  /// The member that lists the messages.
  var listName: String { self == .responses ? "input" : "messages" }
}

/// Finds the texts of one message, wherever its dialect nests them.
private struct MessageReader {
  /// A member that holds text.
  enum Member: String { case content, output }

  /// Parts may hold parts: tools' results, documents.
  let nests: Bool
  let keepsParts: Bool
  private(set) var parts: [ChatMessage.Part] = []
  private(set) var arguments: [ChatMessage.Arguments] = []
  private(set) var problem: RequestProblem?
  private var hasContent = false
  private var hasOutput = false

  init(nests: Bool, keepsParts: Bool) {
    self.nests = nests
    self.keepsParts = keepsParts
  }

  /// Reads a member that may come once.
  mutating func readOnce(_ member: Member, _ scanner: inout JSONScanner, role: String? = nil) {
    if member == .content ? hasContent : hasOutput { problem = problem ?? JSONObject.duplicate(member.rawValue) }
    if member == .content { hasContent = true } else { hasOutput = true }
    read(&scanner, role: role)
  }

  // MARK: Tool calls

  /// Elements of `tool_calls`; what comes twice is read twice.
  mutating func readCalls(_ scanner: inout JSONScanner) {
    guard scanner.enterArray() else { return }
    while scanner.nextElement() {
      guard scanner.peek() == .object, scanner.enterObject() else {
        _ = scanner.skipValue()
        continue
      }
      while let key = scanner.nextKey() {
        if scanner.peek() == .object, scanner.equals(key, "function") || scanner.equals(key, "custom") {
          readFunction(&scanner)
        } else {
          _ = scanner.skipValue()
        }
      }
    }
  }

  /// What a call calls: `arguments` are JSON, the `input` of a custom tool is any text.
  mutating func readFunction(_ scanner: inout JSONScanner) {
    guard scanner.enterObject() else { return }
    while let key = scanner.nextKey() {
      if scanner.peek() == .string, scanner.equals(key, "arguments") {
        readArguments(&scanner, .quoted)
      } else if scanner.peek() == .string, scanner.equals(key, "input") {
        readArguments(&scanner, .text)
      } else {
        _ = scanner.skipValue()
      }
    }
  }

  mutating func readArguments(_ scanner: inout JSONScanner, _ form: ChatMessage.Arguments.Form) {
    guard let text = scanner.string(), keepsParts else { return }
    arguments.append(ChatMessage.Arguments(range: text.quoted, form: form))
  }

  // MARK: Texts

  private mutating func add(_ text: JSONString, role: String?) {
    if keepsParts { parts.append(ChatMessage.Part(range: text.quoted, role: role)) }
  }

  /// A string, or an array of parts.
  private mutating func read(_ scanner: inout JSONScanner, role: String?) {
    switch scanner.peek() {
    case .string:
      if let text = scanner.string() { add(text, role: role) }
    case .array:
      _ = scanner.enterArray()
      while scanner.nextElement() { readPart(&scanner, role: role) }
    default: _ = scanner.skipValue()
    }
  }

  /// A part: text, or something that holds text (a tool's result, a document, a search result).
  private mutating func readPart(_ scanner: inout JSONScanner, role: String?) {
    guard scanner.peek() == .object, scanner.enterObject() else {
      _ = scanner.skipValue()
      return
    }
    var type: String?
    var text: JSONString?
    // What is nested may come before it is known what holds it.
    let first = parts.count
    var names: Set<String> = []
    var inputs: [Range<Int>] = []
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        if type != nil { problem = problem ?? JSONObject.duplicate("type") }
        type = scanner.string().map { JSONText.string(scanner.content($0)) }
      } else if scanner.equals(key, "text"), value == .string {
        if text != nil { problem = problem ?? JSONObject.duplicate("text") }
        text = scanner.string()
      } else if scanner.equals(key, "content"), nests, value == .string || value == .array {
        if !names.insert("content").inserted { problem = problem ?? JSONObject.duplicate("content") }
        read(&scanner, role: role)
      } else if scanner.equals(key, "source"), nests, value == .object {
        if !names.insert("source").inserted { problem = problem ?? JSONObject.duplicate("source") }
        readSource(&scanner, role: role)
      } else if nests, scanner.equals(key, "input"), value == .object {
        if let range = scanner.skipValue(), keepsParts { inputs.append(range) }
      } else {
        _ = scanner.skipValue()
      }
    }
    if type?.hasSuffix("tool_use") ?? false {
      arguments += inputs.map { ChatMessage.Arguments(range: $0, form: .value) }
    }
    if type?.hasSuffix("tool_result") ?? false {
      for place in first..<parts.count { parts[place].role = "tool" }
    } else if type != "document", type != "search_result" {
      parts.removeSubrange(first...)
    }
    let isText = type == nil || type == "text" || type == "input_text" || type == "output_text"
    if let text, isText { add(text, role: role) }
  }

  /// The source of a document: plain text, or parts.
  private mutating func readSource(_ scanner: inout JSONScanner, role: String?) {
    guard scanner.enterObject() else { return }
    var type: String?
    var data: JSONString?
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        if type != nil { problem = problem ?? JSONObject.duplicate("type") }
        type = scanner.string().map { JSONText.string(scanner.content($0)) }
      } else if scanner.equals(key, "data"), value == .string {
        if data != nil { problem = problem ?? JSONObject.duplicate("data") }
        data = scanner.string()
      } else if scanner.equals(key, "content"), value == .string || value == .array {
        read(&scanner, role: role)
      } else {
        _ = scanner.skipValue()
      }
    }
    if let data, type == "text" { add(data, role: role) }
  }
}
