/// What one event of a Messages stream says, as ranges into its JSON.
///
/// Filled anew for each event and kept by the worker.
struct MessagesEvent {
  enum Kind: UInt8 {
    case messageStart, blockStart, blockDelta, blockStop, messageDelta, messageStop, ping, error
    /// A type that this version does not know; it passes.
    case other
  }

  /// The member that a block's text stands in.
  enum TextKey: UInt8 {
    case text, thinking
    /// A tool's arguments: pieces of JSON.
    case partialJSON

    var channel: Channel {
      switch self {
      case .text: .text
      case .thinking: .reasoning
      case .partialJSON: .toolArgs
      }
    }

    /// The delta's type.
    var deltaType: StaticString {
      switch self {
      case .text: "text_delta"
      case .thinking: "thinking_delta"
      case .partialJSON: "input_json_delta"
      }
    }

    var name: StaticString {
      switch self {
      case .text: "text"
      case .thinking: "thinking"
      case .partialJSON: "partial_json"
      }
    }
  }

  var kind = Kind.other
  /// The block's index, and where it stands; -1 when the event has none.
  var index: Int32 = -1
  var indexRange = 0..<0
  /// The text of a delta, or the one that a block begins with.
  var text: JSONString?
  var textKey = TextKey.text
  /// A `signature_delta`, or a block that begins with a signature.
  var hasSignature = false
  /// The stop reason of a `message_delta`, without quotes; nil when it is null.
  var stopReason: JSONString?
  var usage: Range<Int>?
  var error: Range<Int>?
  /// The `message` of a `message_start` has content already.
  var hasContent = false
  /// A member that is read came twice: a policy could judge one value and the client use the other.
  private var isAmbiguous = false

  init() {}

  /// Reads `data`.
  ///
  /// - Returns: false when it is not one JSON object of the dialect's shape.
  mutating func decode(_ data: UnsafeRawBufferPointer) -> Bool {
    self = MessagesEvent()
    var scanner = JSONScanner(data)
    guard scanner.enterObject() else { return false }
    var type: JSONString?
    var body: Part?
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        if type != nil { isAmbiguous = true }
        type = scanner.string()
      } else if scanner.equals(key, "index"), value == .number {
        if index >= 0 { isAmbiguous = true }
        guard let range = scanner.number() else { return false }
        guard let number = scanner.integer(range), number >= 0 else {
          isAmbiguous = true
          continue
        }
        (index, indexRange) = (number, range)
      } else if scanner.equals(key, "delta") || scanner.equals(key, "content_block"), value == .object {
        if body != nil { isAmbiguous = true }
        body = readPart(&scanner)
      } else if scanner.equals(key, "message"), value == .object {
        readMessage(&scanner)
      } else {
        guard let range = scanner.skipValue() else { return false }
        if scanner.equals(key, "usage"), value == .object { usage = range }
        if scanner.equals(key, "error"), value == .object { error = range }
      }
    }
    guard scanner.atEnd(), !isAmbiguous, let type else { return false }
    kind = Self.kind(scanner, type)
    if let body { take(body, scanner) }
    switch kind {
    case .blockStart, .blockDelta, .blockStop: return index >= 0
    default: return true
    }
  }

  /// What a delta or a block at its beginning says.
  private struct Part {
    var type: JSONString?
    var text: JSONString?
    var thinking: JSONString?
    var partialJSON: JSONString?
    var hasSignature = false
    var stopReason: JSONString?
  }

  private mutating func readPart(_ scanner: inout JSONScanner) -> Part {
    var part = Part()
    guard scanner.enterObject() else { return part }
    while let key = scanner.nextKey() {
      guard scanner.peek() == .string else {
        _ = scanner.skipValue()
        continue
      }
      if scanner.equals(key, "type") {
        scanner.string(into: &part.type, repeated: &isAmbiguous)
      } else if scanner.equals(key, "text") {
        scanner.string(into: &part.text, repeated: &isAmbiguous)
      } else if scanner.equals(key, "thinking") {
        scanner.string(into: &part.thinking, repeated: &isAmbiguous)
      } else if scanner.equals(key, "partial_json") {
        scanner.string(into: &part.partialJSON, repeated: &isAmbiguous)
      } else if scanner.equals(key, "stop_reason") {
        scanner.string(into: &part.stopReason, repeated: &isAmbiguous)
      } else if scanner.equals(key, "signature") {
        if let signature = scanner.string(), signature.end > signature.start { part.hasSignature = true }
      } else {
        _ = scanner.skipValue()
      }
    }
    return part
  }

  private mutating func readMessage(_ scanner: inout JSONScanner) {
    guard scanner.enterObject() else { return }
    while let key = scanner.nextKey() {
      if scanner.equals(key, "content"), scanner.peek() == .array {
        guard scanner.enterArray() else { return }
        while scanner.nextElement() {
          hasContent = true
          _ = scanner.skipValue()
        }
      } else {
        let isUsage = scanner.equals(key, "usage") && scanner.peek() == .object
        guard let range = scanner.skipValue() else { return }
        if isUsage { usage = range }
      }
    }
  }

  private mutating func take(_ part: Part, _ scanner: JSONScanner) {
    stopReason = part.stopReason
    hasSignature = part.hasSignature
    guard let type = part.type else { return }
    if scanner.equals(type, "text_delta") || scanner.equals(type, "text") {
      (text, textKey) = (part.text, .text)
    } else if scanner.equals(type, "thinking_delta") || scanner.equals(type, "thinking") {
      (text, textKey) = (part.thinking, .thinking)
    } else if scanner.equals(type, "input_json_delta") {
      (text, textKey) = (part.partialJSON, .partialJSON)
    }
  }

  private static func kind(_ scanner: JSONScanner, _ type: JSONString) -> Kind {
    if scanner.equals(type, "content_block_delta") { return .blockDelta }
    if scanner.equals(type, "content_block_start") { return .blockStart }
    if scanner.equals(type, "content_block_stop") { return .blockStop }
    if scanner.equals(type, "message_start") { return .messageStart }
    if scanner.equals(type, "message_delta") { return .messageDelta }
    if scanner.equals(type, "message_stop") { return .messageStop }
    if scanner.equals(type, "ping") { return .ping }
    if scanner.equals(type, "error") { return .error }
    return .other
  }
}
