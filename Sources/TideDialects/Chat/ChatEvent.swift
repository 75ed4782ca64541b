/// What one Chat Completions object says, streamed chunk or whole answer, as ranges into its JSON.
///
/// Filled anew for each event and kept for its storage. Legacy completions (`choices[].text`) are read by the same code.
struct ChatEvent {
  /// The member that a piece of text stands in.
  enum TextKey: UInt8 {
    case content, reasoningContent, reasoning, refusal, legacyText

    var channel: Channel {
      switch self {
      case .content, .legacyText: .text
      case .reasoningContent, .reasoning: .reasoning
      case .refusal: .refusal
      }
    }

    var name: StaticString {
      switch self {
      case .content: "content"
      case .reasoningContent: "reasoning_content"
      case .reasoning: "reasoning"
      case .refusal: "refusal"
      case .legacyText: "text"
      }
    }
  }

  /// One string of text.
  struct Text {
    var key: TextKey
    var string: JSONString
    var isEmpty: Bool { string.start == string.end }
  }

  struct Choice {
    var index: Int32 = 0
    var start = 0
    var end = 0
    var firstText = 0
    var endText = 0
    /// The value of `finish_reason` with its quotes (or `null`); -1 when there is no such member.
    var finishStart = -1
    var finishEnd = -1
    /// It says a reason.
    var isFinish = false
    /// The bytes to cut to be rid of `logprobs`; -1 when there is none.
    var logprobsStart = -1
    var logprobsEnd = -1
    /// A `content` that is null, where a whole answer can still be given text.
    var nullContentStart = -1
    var hasRole = false
    /// The delta carries something besides role and text.
    var hasOther = false
    var hasToolCalls = false
    /// The array of tool calls, while `hasToolCalls`.
    var toolCalls = 0..<0
    /// It calls a function in the way that tool calls replaced.
    var hasFunctionCall = false
    /// The delta carries something besides role, text and tool calls.
    var hasExtras = false
    /// Set when the client must not see this choice.
    var isDropped = false
  }

  var choices = ContiguousArray<Choice>()
  var texts = ContiguousArray<Text>()
  var hasChoices = false
  var usageStart = -1
  var usageEnd = -1
  var errorStart = -1
  var errorEnd = -1
  /// The content of `model`, without quotes.
  var model: JSONString?
  var obfuscationStart = -1
  var obfuscationEnd = -1
  /// The last number or string among the object's own members that says nothing in this dialect: an engine's note, or `obfuscation`; -1
  /// when there is none.
  private(set) var noteStart = -1
  private(set) var noteEnd = -1
  /// Two `logprobs` or `obfuscation` in one place: an edit could not be sure to remove what is stale.
  private var isAmbiguous = false

  init() {}

  /// Reads `data`.
  ///
  /// - Returns: false when it is not one JSON object of the dialect's shape.
  mutating func decode(_ data: UnsafeRawBufferPointer) -> Bool {
    reset()
    var scanner = JSONScanner(data)
    guard scanner.enterObject() else { return false }
    var walk = MemberWalk()
    while let key = scanner.nextKey() {
      walk.begin(key)
      if scanner.equals(key, "choices") {
        if scanner.peek() == .array {
          guard scanner.enterArray() else { return false }
          // Dropping a choice counts on one array.
          if hasChoices { isAmbiguous = true }
          hasChoices = true
          while scanner.nextElement() { decodeChoice(&scanner) }
        } else {
          _ = scanner.skipValue()
        }
      } else if scanner.equals(key, "model"), scanner.peek() == .string {
        model = scanner.string()
      } else {
        let kind = scanner.peek()
        guard let value = scanner.skipValue() else { return false }
        if scanner.equals(key, "usage") {
          if kind != .null { (usageStart, usageEnd) = (value.lowerBound, value.upperBound) }
        } else if scanner.equals(key, "error") {
          if kind != .null { (errorStart, errorEnd) = (value.lowerBound, value.upperBound) }
        } else {
          if kind == .number || kind == .string { (noteStart, noteEnd) = (value.lowerBound, value.upperBound) }
          if scanner.equals(key, "obfuscation") {
            if obfuscationStart >= 0 { isAmbiguous = true }
            walk.mark(valueEnd: value.upperBound)
          }
        }
      }
      walk.end(scanner.offset)
    }
    (obfuscationStart, obfuscationEnd) = walk.marked
    return scanner.atEnd() && !isAmbiguous
  }

  /// Says what an event of one choice and one text says.
  mutating func fill(_ choice: Choice, _ text: Text, model: JSONString?) {
    if choices.count == 1, texts.count == 1 {
      // Token after token: the storage is taken over as it is.
      choices[0] = choice
      texts[0] = text
      forget()
    } else {
      reset()
      choices.append(choice)
      texts.append(text)
    }
    hasChoices = true
    self.model = model
  }

  private mutating func reset() {
    choices.removeAll(keepingCapacity: true)
    texts.removeAll(keepingCapacity: true)
    forget()
  }

  /// Resets everything but choices and texts.
  private mutating func forget() {
    hasChoices = false
    usageStart = -1
    errorStart = -1
    obfuscationStart = -1
    noteStart = -1
    model = nil
    isAmbiguous = false
  }

  private mutating func decodeChoice(_ scanner: inout JSONScanner) {
    var choice = Choice()
    choice.firstText = texts.count
    guard scanner.peek() == .object, scanner.enterObject() else {
      _ = scanner.skipValue()
      isAmbiguous = true
      return
    }
    choice.start = scanner.offset &- 1
    var walk = MemberWalk()
    while let key = scanner.nextKey() {
      walk.begin(key)
      if scanner.equals(key, "delta") || scanner.equals(key, "message"), scanner.peek() == .object {
        decodeDelta(&scanner, &choice)
      } else if scanner.equals(key, "text"), scanner.peek() == .string {
        if let string = scanner.string() { texts.append(Text(key: .legacyText, string: string)) }
      } else {
        let kind = scanner.peek()
        guard let value = scanner.skipValue() else { return }
        if scanner.equals(key, "index") {
          if kind == .number {
            if let index = scanner.integer(value) { choice.index = index } else { isAmbiguous = true }
          }
        } else if scanner.equals(key, "finish_reason") {
          (choice.finishStart, choice.finishEnd) = (value.lowerBound, value.upperBound)
          choice.isFinish = kind == .string && value.count > 2
        } else if scanner.equals(key, "logprobs") {
          if choice.logprobsStart >= 0 { isAmbiguous = true }
          choice.logprobsStart = value.lowerBound
          walk.mark(valueEnd: value.upperBound)
        }
      }
      walk.end(scanner.offset)
    }
    (choice.logprobsStart, choice.logprobsEnd) = walk.marked
    choice.end = scanner.offset
    choice.endText = texts.count
    choices.append(choice)
  }

  private mutating func decodeDelta(_ scanner: inout JSONScanner, _ choice: inout Choice) {
    guard scanner.enterObject() else { return }
    while let key = scanner.nextKey() {
      let kind = scanner.peek()
      if scanner.equals(key, "role") {
        if kind != .null { choice.hasRole = true }
        _ = scanner.skipValue()
        continue
      }
      let textKey: TextKey? =
        if scanner.equals(key, "content") {
          .content
        } else if scanner.equals(key, "reasoning_content") {
          .reasoningContent
        } else if scanner.equals(key, "reasoning") {
          .reasoning
        } else if scanner.equals(key, "refusal") {
          .refusal
        } else {
          nil
        }
      if let textKey, kind == .string {
        if let string = scanner.string() { texts.append(Text(key: textKey, string: string)) }
      } else if let textKey, kind == .array {
        decodeParts(&scanner, textKey, &choice)
      } else {
        guard let value = scanner.skipValue() else { return }
        if textKey == .content, kind == .null { choice.nullContentStart = value.lowerBound }
        let isBlank = kind == .null || ((kind == .array || kind == .object || kind == .string) && value.count == 2)
        if scanner.equals(key, "tool_calls"), kind == .array, value.count > 2 {
          if choice.hasToolCalls { isAmbiguous = true }
          choice.hasToolCalls = true
          choice.toolCalls = value
        } else if !isBlank {
          choice.hasExtras = true
          if scanner.equals(key, "function_call") { choice.hasFunctionCall = true }
        }
        if !isBlank { choice.hasOther = true }
      }
    }
  }

  /// Content given as parts: `{"type":"text","text":...}`, and `thinking` parts that hold parts of their own.
  private mutating func decodeParts(_ scanner: inout JSONScanner, _ key: TextKey, _ choice: inout Choice) {
    guard scanner.enterArray() else { return }
    while scanner.nextElement() {
      guard scanner.peek() == .object, scanner.enterObject() else {
        _ = scanner.skipValue()
        choice.hasOther = true
        continue
      }
      while let member = scanner.nextKey() {
        let kind = scanner.peek()
        if scanner.equals(member, "text"), kind == .string {
          if let string = scanner.string() { texts.append(Text(key: key, string: string)) }
        } else if scanner.equals(member, "thinking"), kind == .array {
          decodeParts(&scanner, .reasoningContent, &choice)
        } else if scanner.equals(member, "thinking"), kind == .string {
          if let string = scanner.string() { texts.append(Text(key: .reasoningContent, string: string)) }
        } else {
          let isType = scanner.equals(member, "type")
          guard scanner.skipValue() != nil else { return }
          if !isType { choice.hasOther = true }
        }
      }
    }
  }
}
