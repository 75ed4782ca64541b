/// One message of a prompt: its JSON, and where the text that policies may read and write stands in it.
public struct ChatMessage: Equatable, Sendable {
  /// One piece of text: a string `content`, or the `text` of a part of type `text`.
  struct Part: Equatable, Sendable {
    /// The string with its quotes, as offsets into `json`.
    var range: Range<Int>
    var replacement: [UInt8]?
  }

  public internal(set) var role: String
  /// The message as it came, or as a policy made it.
  let json: [UInt8]
  var parts: [Part]
  /// Its place in the request as it came; nil for a message that was added.
  var origin: Int?

  /// How many pieces of text it has; tool calls, images and other parts are not counted.
  public var textPartCount: Int { parts.count }

  var isEdited: Bool { parts.contains { $0.replacement != nil } }

  /// A message of one text.
  public init(role: String, text: String) {
    var json: [UInt8] = Array("{\"role\":".utf8)
    json += JSONText.quoted(role)
    json += Array(",\"content\":".utf8)
    let start = json.count
    json += JSONText.quoted(text)
    let end = json.count
    json.append(UInt8(ascii: "}"))
    self.role = role
    self.json = json
    parts = [Part(range: start..<end)]
  }

  /// A message from JSON; nil when that is not an object with a role, or has `role` or `content` twice.
  public init?(json: [UInt8]) {
    guard JSONText.isValue(json) else { return nil }
    guard case .success(let message) = ChatMessage.read(json) else { return nil }
    self = message
  }

  private init(role: String, json: [UInt8], parts: [Part]) {
    self.role = role
    self.json = json
    self.parts = parts
  }

  /// The text of a part; empty when there is none.
  public func text(_ part: Int) -> [UInt8] {
    guard parts.indices.contains(part) else { return [] }
    if let replacement = parts[part].replacement {
      return replacement.withUnsafeBytes { JSONText.unescape(UnsafeRawBufferPointer(rebasing: $0[1..<($0.count - 1)])) }
    }
    let content = parts[part].range.lowerBound + 1..<parts[part].range.upperBound - 1
    return json[content].withUnsafeBytes { JSONText.unescape($0) }
  }

  /// All of its text, parts joined by line feeds.
  public var text: String {
    parts.indices.map { String(decoding: text($0), as: UTF8.self) }.joined(separator: "\n")
  }

  /// Replaces the text of a part. The same text is no edit: the bytes, whatever their escapes, then stay.
  ///
  /// - Returns: true when something changed.
  mutating func setText(_ part: Int, _ text: UnsafeRawBufferPointer) -> Bool {
    guard parts.indices.contains(part), !self.text(part).elementsEqual(text) else { return false }
    parts[part].replacement = JSONText.quoted(text)
    return true
  }

  /// The message as it leaves.
  public func body() -> [UInt8] {
    guard isEdited else { return json }
    var out: [UInt8] = []
    out.reserveCapacity(json.count + 64)
    var cursor = 0
    for part in parts {
      guard let replacement = part.replacement else { continue }
      out += json[cursor..<part.range.lowerBound]
      out += replacement
      cursor = part.range.upperBound
    }
    return out + json[cursor...]
  }

  /// Reads a message from JSON whose syntax is known to be good.
  static func read(_ json: [UInt8]) -> Result<ChatMessage, RequestProblem> {
    json.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer)
      guard scanner.peek() == .object, scanner.enterObject() else {
        return .failure(RequestProblem(message: "Each message must be an object.", param: "messages"))
      }
      var role: String?
      var parts: [Part] = []
      var hasContent = false
      while let key = scanner.nextKey() {
        if scanner.equals(key, "role") {
          guard role == nil else { return .failure(JSONObject.duplicate("role")) }
          guard scanner.peek() == .string, let value = scanner.string() else {
            return .failure(RequestProblem(message: "A message's 'role' must be a string.", param: "messages"))
          }
          role = JSONText.string(scanner.content(value))
        } else if scanner.equals(key, "content") {
          guard !hasContent else { return .failure(JSONObject.duplicate("content")) }
          hasContent = true
          if let problem = readContent(&scanner, &parts) { return .failure(problem) }
        } else {
          _ = scanner.skipValue()
        }
      }
      guard let role else {
        return .failure(RequestProblem(message: "Each message needs a 'role'.", param: "messages"))
      }
      return .success(ChatMessage(role: role, json: json, parts: parts))
    }
  }

  private static func readContent(_ scanner: inout JSONScanner, _ parts: inout [Part]) -> RequestProblem? {
    switch scanner.peek() {
    case .string:
      if let text = scanner.string() { parts.append(Part(range: text.quoted)) }
    case .array:
      _ = scanner.enterArray()
      while scanner.nextElement() {
        guard scanner.peek() == .object, scanner.enterObject() else {
          _ = scanner.skipValue()
          continue
        }
        var type: String?
        var text: JSONString?
        while let key = scanner.nextKey() {
          let isString = scanner.peek() == .string
          if scanner.equals(key, "type"), isString {
            guard type == nil else { return JSONObject.duplicate("type") }
            type = scanner.string().map { JSONText.string(scanner.content($0)) }
          } else if scanner.equals(key, "text"), isString {
            guard text == nil else { return JSONObject.duplicate("text") }
            text = scanner.string()
          } else {
            _ = scanner.skipValue()
          }
        }
        if let text, type == nil || type == "text" || type == "input_text" { parts.append(Part(range: text.quoted)) }
      }
    default: _ = scanner.skipValue()
    }
    return nil
  }
}
