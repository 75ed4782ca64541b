/// A Chat Completions request as policies see it: read once, edited by splicing only what changes.
///
/// A request that nobody edits leaves byte for byte as it came, which keeps providers' prompt caches warm.
public final class ChatRequest {
  private var object: JSONObject
  /// Where the messages stood in the request as it came: the array's brackets and each message.
  private let messagesRange: Range<Int>
  private let messageRanges: [Range<Int>]
  private var storedMessages: [ChatMessage]
  private var isMessagesEdited = false

  /// The name that the request asks for now; see also `setModel`.
  public private(set) var model: String
  public let stream: Bool
  /// How many choices are asked for; 1 when nothing is said.
  public private(set) var n: Int
  /// The request as it came asks for a usage event (`stream_options.include_usage`).
  public let includeUsage: Bool

  private init(
    object: JSONObject, messagesRange: Range<Int>, messageRanges: [Range<Int>], messages: [ChatMessage], model: String,
    stream: Bool, n: Int, includeUsage: Bool
  ) {
    self.object = object
    self.messagesRange = messagesRange
    self.messageRanges = messageRanges
    storedMessages = messages
    self.model = model
    self.stream = stream
    self.n = n
    self.includeUsage = includeUsage
  }

  /// Keys that the gateway itself reads: none may come twice, not even in different case.
  static let readKeys: Set<String> = ["model", "stream", "messages", "n", "stream_options"]

  /// Reads a request body.
  ///
  /// - Returns: the problem, status 400, when it is not one JSON object in UTF-8, is nested deeper than 64 levels, has a key twice, or
  ///   lacks or mistypes what the gateway must know.
  public static func parse(_ body: [UInt8]) -> Result<ChatRequest, RequestProblem> {
    switch JSONObject.parse(body, strict: readKeys) {
    case .failure(let problem): return .failure(problem)
    case .success(let object):
      do { return .success(try read(object)) } catch { return .failure(error) }
    }
  }

  private static func read(_ object: JSONObject) throws(RequestProblem) -> ChatRequest {
    let model = try RequestFields.model(object)
    let stream = try RequestFields.bool(object, "stream")
    let n = try RequestFields.choiceCount(object)
    let includeUsage = try RequestFields.includeUsage(object)
    guard let messagesRange = object.originalRange("messages") else {
      throw RequestProblem(
        message: "Missing required parameter: 'messages'.", param: "messages", code: "missing_required_parameter")
    }
    let ranges = try RequestFields.elements(object, messagesRange)
    var messages: [ChatMessage] = []
    messages.reserveCapacity(ranges.count)
    for (index, range) in ranges.enumerated() {
      switch ChatMessage.read(Array(object.bytes[range])) {
      case .failure(let problem): throw problem
      case .success(var message):
        message.origin = index
        messages.append(message)
      }
    }
    return ChatRequest(
      object: object, messagesRange: messagesRange, messageRanges: ranges, messages: messages, model: model,
      stream: stream,
      n: n, includeUsage: includeUsage)
  }

  /// Bytes of the request as it came.
  public var byteCount: Int { object.bytes.count }

  /// True once an edit changed something.
  public var isEdited: Bool { object.isEdited || isMessagesEdited }

  /// A rough count of the prompt's tokens: its messages' bytes by four, at least 1.
  public var tokensEstimate: Int {
    max(1, storedMessages.reduce(0) { $0 + $1.json.count } / 4 + (toolsRange?.count ?? 0) / 4)
  }

  // MARK: Parameters

  public func setModel(_ name: String) {
    object.set("model", JSONText.quoted(name))
    model = name
  }

  /// The JSON of a top-level member; nil when it is absent.
  public func parameter(_ name: String) -> [UInt8]? { object.value(name).map { Array($0) } }

  /// A top-level member as a number; nil when it is absent or none.
  public func number(_ name: String) -> Double? {
    guard let json = object.value(name), let first = json.first, first == UInt8(ascii: "-") || first &- 48 < 10 else {
      return nil
    }
    return Double(String(decoding: json, as: UTF8.self))
  }

  /// `max_completion_tokens`, or else `max_tokens`.
  public var maxTokens: Int? {
    (object.value("max_completion_tokens").flatMap { JSONText.integer(json: $0) }
      ?? object.value("max_tokens").flatMap { JSONText.integer(json: $0) }).map { Int($0) }
  }

  /// Sets, adds or (with nil) removes a top-level member other than `messages` and `stream`, which decide how the answer is read.
  ///
  /// - Returns: false when `json` is not one JSON value, or the member may not be set.
  @discardableResult
  public func setParameter(_ name: String, _ json: [UInt8]?) -> Bool {
    if let json, !JSONText.isValue(json) { return false }
    switch name {
    case "messages", "stream": return false
    case "model":
      guard let json, let text = JSONText.string(json: json[...]) else { return false }
      model = text
    case "n":
      if let json {
        guard let count = JSONText.integer(json: json[...]), count > 0, count <= 128 else { return false }
        n = Int(count)
      } else {
        n = 1
      }
    default: break
    }
    object.set(name, json)
    return true
  }

  /// Where `tools` stands in the request as it came; nil when it has none, or an empty list.
  public var toolsRange: Range<Int>? {
    object.originalRange("tools").flatMap {
      object.bytes[$0.lowerBound] == UInt8(ascii: "[") && $0.count > 2 ? $0 : nil
    }
  }

  public var hasTools: Bool { toolsRange != nil || (object.value("tools")?.count ?? 0) > 2 }

  /// Asks the upstream for the usage event. Does nothing unless the answer is streamed.
  ///
  /// - Returns: true when the gateway asked and the client had not: the event is then to be removed from the answer.
  @discardableResult
  public func injectIncludeUsage() -> Bool {
    guard stream, !includeUsage else { return false }
    let yes = Array("true".utf8)
    if let present = object.value("stream_options"), present.first == UInt8(ascii: "{"),
      case .success(var options) = JSONObject.parse(Array(present), strict: [])
    {
      options.set("include_usage", yes)
      object.set("stream_options", options.body())
    } else {
      object.set("stream_options", Array("{\"include_usage\":true}".utf8))
    }
    return true
  }

  // MARK: Messages

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

  /// The text of the first system (or developer) message; nil when there is none.
  public var system: String? { systemIndex.map { storedMessages[$0].text } }

  /// Makes `text` the system prompt: replaces the first system message's text, or puts one in front.
  public func setSystem(_ text: String) {
    guard let index = systemIndex else { return insertMessage(ChatMessage(role: "system", text: text), at: 0) }
    if storedMessages[index].parts.count == 1 {
      setMessageText(message: index, text)
    } else {
      var message = ChatMessage(role: storedMessages[index].role, text: text)
      message.origin = nil
      storedMessages[index] = message
      isMessagesEdited = true
    }
  }

  /// Puts `text` before the system prompt, a blank line between the two; without one it becomes the system prompt.
  public func prependSystem(_ text: String) {
    guard let index = systemIndex, storedMessages[index].textPartCount > 0 else {
      return insertMessage(ChatMessage(role: "system", text: text), at: 0)
    }
    let present = String(decoding: storedMessages[index].text(0), as: UTF8.self)
    setMessageText(message: index, text + "\n\n" + present)
  }

  private var systemIndex: Int? { storedMessages.firstIndex { $0.role == "system" || $0.role == "developer" } }

  // MARK: The body

  /// The request as it leaves.
  public func body() -> [UInt8] {
    guard isMessagesEdited else { return object.body() }
    var edited = object
    edited.set("messages", messagesBody())
    return edited.body()
  }

  /// The messages' array: what lay between two messages that are still neighbours stays as it came.
  private func messagesBody() -> [UInt8] {
    let bytes = object.bytes
    guard let first = messageRanges.first, let last = messageRanges.last else {
      return [UInt8(ascii: "[")] + storedMessages.map { $0.body() }.joined(separator: [UInt8(ascii: ",")])
        + [UInt8(ascii: "]")]
    }
    var out = Array(bytes[messagesRange.lowerBound..<first.lowerBound])
    var previous: Int?
    for (index, message) in storedMessages.enumerated() {
      if index > 0 {
        if let previous, let origin = message.origin, origin == previous + 1 {
          out += bytes[messageRanges[previous].upperBound..<messageRanges[origin].lowerBound]
        } else {
          out.append(UInt8(ascii: ","))
        }
      }
      out += message.body()
      previous = message.origin
    }
    return out + bytes[last.upperBound..<messagesRange.upperBound]
  }
}
