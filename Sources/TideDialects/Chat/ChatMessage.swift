/// One message of a prompt: its JSON, and where the text that policies may read and write stands in it.
public struct ChatMessage: Equatable, Sendable {
  /// Where a message comes from, and so where it goes to.
  enum Origin: Equatable, Sendable {
    /// A policy made it.
    case added
    /// Its place in the request's list of messages.
    case listed(Int)
    /// A member of its own holds the system prompt (`system`, `instructions`).
    case system
    /// The whole prompt is one string (`input`).
    case input
  }

  /// One piece of text: a string `content`, or the `text` of a part.
  struct Part: Equatable, Sendable {
    /// The string with its quotes, as offsets into the bytes of `json`.
    var range: Range<Int>
    /// Where it differs from the message's: a tool's result inside a user's message.
    var role: String?
    var replacement: [UInt8]?
  }

  /// The arguments of a tool call that the model made before.
  struct Arguments: Equatable, Sendable {
    enum Form: Equatable, Sendable {
      /// JSON that stands in a string.
      case quoted
      /// Any text, a string.
      case text
      /// A value of the message's own JSON.
      case value
    }

    /// As offsets into the bytes of `json`, a string with its quotes.
    var range: Range<Int>
    var form: Form
    var replacement: [UInt8]?
  }

  public internal(set) var role: String
  /// The message as it came, or as a policy made it. Of a message that a member of its own holds, that member's value.
  let json: ArraySlice<UInt8>
  var parts: [Part]
  var arguments: [Arguments] = []
  var origin = Origin.added

  /// How many pieces of text it has; tool calls, images and other parts are not counted.
  public var textPartCount: Int { parts.count }

  var isEdited: Bool {
    parts.contains { $0.replacement != nil } || arguments.contains { $0.replacement != nil }
  }

  /// A message of one text.
  public init(role: String, text: String) {
    var json: [UInt8] = Array("{\"role\":".utf8)
    json += JSONText.quoted(role)
    json += Array(",\"content\":".utf8)
    let start = json.count
    json += JSONText.quoted(text)
    let end = json.count
    json.append(UInt8(ascii: "}"))
    self.init(role: role, json: json[...], parts: [Part(range: start..<end)])
  }

  /// A message from JSON; nil when that is not an object with a role, or has `role` or `content` twice.
  public init?(json: [UInt8]) {
    guard JSONText.isValue(json) else { return nil }
    guard case .success(let message) = ChatMessage.read(json[...]) else { return nil }
    self = message
  }

  init(role: String, json: ArraySlice<UInt8>, parts: [Part]) {
    self.role = role
    self.json = json
    self.parts = parts.count > 1 ? parts.sorted { $0.range.lowerBound < $1.range.lowerBound } : parts
  }

  /// The text of a part; empty when there is none.
  public func text(_ part: Int) -> [UInt8] {
    guard parts.indices.contains(part) else { return [] }
    if let replacement = parts[part].replacement {
      return replacement.withUnsafeBytes { JSONText.unescape(UnsafeRawBufferPointer(rebasing: $0[1..<($0.count - 1)])) }
    }
    let content = parts[part].range.lowerBound + 1..<parts[part].range.upperBound - 1
    return json.withUnsafeBytes { JSONText.unescape(UnsafeRawBufferPointer(rebasing: $0[content])) }
  }

  /// Whose text a part is: the message's role, or `tool` for a tool's result inside a user's message.
  public func role(ofPart part: Int) -> String {
    parts.indices.contains(part) ? parts[part].role ?? role : role
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
    guard isEdited else { return Array(json) }
    var edits = parts.compactMap { part in part.replacement.map { (part.range, $0) } }
    edits += arguments.compactMap { call in call.replacement.map { (call.range, $0) } }
    edits.sort { $0.0.lowerBound < $1.0.lowerBound }
    var out: [UInt8] = []
    out.reserveCapacity(json.count + 64)
    var cursor = json.startIndex
    for (range, replacement) in edits {
      out += json[cursor..<json.startIndex + range.lowerBound]
      out += replacement
      cursor = json.startIndex + range.upperBound
    }
    return out + json[cursor...]
  }
}
