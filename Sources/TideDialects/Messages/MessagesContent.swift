/// What a whole Messages answer says, as ranges into its JSON.
struct MessagesContent {
  struct Block {
    var range: Range<Int>
    var key: MessagesEvent.TextKey?
    /// The text of a text or thinking block.
    var text: JSONString?
    /// The arguments of a tool call: an object.
    var input: Range<Int>?
    var isSigned = false
  }

  var blocks: [Block] = []
  var stopReason: Range<Int>?
  var stopSequence: Range<Int>?
  var usage: Range<Int>?

  /// Reads a body.
  ///
  /// - Returns: nil when it is not one JSON object of the dialect's shape, or a member that is read comes twice.
  init?(_ data: UnsafeRawBufferPointer) {
    var scanner = JSONScanner(data)
    guard scanner.enterObject() else { return nil }
    var hasContent = false
    var isAmbiguous = false
    while let key = scanner.nextKey() {
      if scanner.equals(key, "content"), scanner.peek() == .array {
        if hasContent { isAmbiguous = true }
        hasContent = true
        guard scanner.enterArray() else { return nil }
        while scanner.nextElement() {
          let isObject = scanner.peek() == .object
          let start = scanner.offset
          var block = Block(range: start..<start)
          if isObject { Self.read(&scanner, &block, &isAmbiguous) } else { _ = scanner.skipValue() }
          block.range = start..<scanner.offset
          blocks.append(block)
        }
      } else {
        let isObject = scanner.peek() == .object
        guard let range = scanner.skipValue() else { return nil }
        if scanner.equals(key, "stop_reason") { stopReason = range }
        if scanner.equals(key, "stop_sequence") { stopSequence = range }
        if isObject, scanner.equals(key, "usage") { usage = range }
      }
    }
    guard scanner.atEnd(), !isAmbiguous else { return nil }
  }

  private static func read(_ scanner: inout JSONScanner, _ block: inout Block, _ isAmbiguous: inout Bool) {
    guard scanner.enterObject() else { return }
    var type: JSONString?
    var text: JSONString?
    var thinking: JSONString?
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        scanner.string(into: &type, repeated: &isAmbiguous)
      } else if scanner.equals(key, "text"), value == .string {
        scanner.string(into: &text, repeated: &isAmbiguous)
      } else if scanner.equals(key, "thinking"), value == .string {
        scanner.string(into: &thinking, repeated: &isAmbiguous)
      } else {
        guard let range = scanner.skipValue() else { return }
        if scanner.equals(key, "signature"), value == .string, range.count > 2 { block.isSigned = true }
        if scanner.equals(key, "input"), value == .object {
          if block.input != nil { isAmbiguous = true }
          block.input = range
        }
      }
    }
    guard let type else { return }
    if scanner.equals(type, "text") {
      (block.key, block.text) = (.text, text)
    } else if scanner.equals(type, "thinking") {
      (block.key, block.text) = (.thinking, thinking)
    } else if block.input != nil {
      block.key = .partialJSON
    }
  }
}
