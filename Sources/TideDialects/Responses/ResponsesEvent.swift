/// What one event of a Responses stream says, or a whole answer, as ranges into its JSON.
///
/// Filled anew for each event and kept by the worker for its storage.
struct ResponsesEvent {
  enum Kind: UInt8 {
    /// `response.created`, `.queued`, `.in_progress`.
    case lifecycle
    case completed, incomplete, failed, error
    case itemAdded, itemDone, partAdded, partDone, textDelta, textDone, annotationAdded
    /// A type that this version does not know; it passes.
    case other
  }

  /// One string of text, or what repeats it.
  struct Text {
    var key: ResponsesTextKey
    var string: JSONString
    /// Its part's place in the item; 0 where the item itself holds it.
    var index: Int32
    var annotations: Range<Int>?
    var logprobs: Range<Int>?

    var isEmpty: Bool { string.start == string.end }
  }

  /// One output item.
  struct Item {
    var range = 0..<0
    var id: JSONString?
    var status: Range<Int>?
    var firstText = 0
    var endText = 0
    /// Each element of `content` and of `summary`: the range in the JSON, and the texts up to its end.
    var firstPart = 0
    var endPart = 0
  }

  /// One element of an item's `content` or `summary`.
  struct Part {
    var range: Range<Int>
    var isSummary: Bool
    /// Texts up to the part's end.
    var endText: Int
  }

  var kind = Kind.other
  /// Of deltas and of what ends them.
  var textKey = ResponsesTextKey.outputText
  var sequence: Int?
  var sequenceRange = 0..<0
  var outputIndex: Int32 = -1
  var itemID: JSONString?
  /// The text of a delta.
  var delta: JSONString?
  /// Where the content index or the summary index says that the part is.
  var partIndex: Int32 = 0
  /// The texts of `part` and of items, in their order.
  var texts = ContiguousArray<Text>()
  var items = ContiguousArray<Item>()
  var parts = ContiguousArray<Part>()
  var logprobs: Range<Int>?
  var annotation: Range<Int>?
  /// The bytes to cut to be rid of `obfuscation`; empty when there is none.
  var obfuscation = 0..<0
  /// The `response` object, or the whole body.
  var response: Range<Int>?
  var output: Range<Int>?
  /// `output_text`: all of the text in one member, which some backends send.
  var outputText: JSONString?
  var usage: Range<Int>?
  var error: Range<Int>?
  var status: JSONString?
  var incompleteReason: JSONString?
  var incompleteDetails: Range<Int>?
  /// A member that is read came twice: a policy could judge one value and the client use the other.
  var isAmbiguous = false

  init() {}

  /// Reads an event's data.
  ///
  /// - Returns: false when it is not one JSON object of the dialect's shape.
  mutating func decode(_ data: UnsafeRawBufferPointer) -> Bool {
    reset()
    var scanner = JSONScanner(data)
    guard scanner.enterObject() else { return false }
    var type: JSONString?
    var summaryIndex: Int32?
    var contentIndex: Int32?
    var echoes = Echoes()
    var walk = MemberWalk()
    while let key = scanner.nextKey() {
      walk.begin(key)
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        scanner.string(into: &type, repeated: &isAmbiguous)
      } else if scanner.equals(key, "delta"), value == .string {
        scanner.string(into: &delta, repeated: &isAmbiguous)
      } else if scanner.equals(key, "item_id"), value == .string {
        scanner.string(into: &itemID, repeated: &isAmbiguous)
      } else if value == .string, echoes.take(key, &scanner) {
        isAmbiguous = isAmbiguous || echoes.isAmbiguous
      } else if scanner.equals(key, "part"), value == .object {
        if !texts.isEmpty { isAmbiguous = true }
        decodePart(&scanner, at: 0)
      } else if scanner.equals(key, "item"), value == .object {
        if !items.isEmpty { isAmbiguous = true }
        decodeItem(&scanner)
      } else if scanner.equals(key, "response"), value == .object {
        if response != nil { isAmbiguous = true }
        decodeResponse(&scanner)
      } else {
        guard let range = scanner.skipValue() else { return false }
        if value == .number {
          if scanner.equals(key, "output_index") {
            outputIndex = number(range, scanner)
          } else if scanner.equals(key, "content_index") {
            contentIndex = number(range, scanner)
          } else if scanner.equals(key, "summary_index") {
            summaryIndex = number(range, scanner)
          } else if scanner.equals(key, "sequence_number"), let found = scanner.integer(range), found >= 0 {
            (sequence, sequenceRange) = (Int(found), range)
          }
        } else if scanner.equals(key, "logprobs") {
          logprobs = range
        } else if scanner.equals(key, "annotation") {
          annotation = range
        } else if scanner.equals(key, "error"), value == .object {
          error = range
        } else if scanner.equals(key, "obfuscation") {
          walk.mark(valueEnd: range.upperBound)
        }
      }
      walk.end(scanner.offset)
    }
    guard scanner.atEnd(), !isAmbiguous, let type else { return false }
    if walk.marked.0 >= 0 { obfuscation = walk.marked.0..<walk.marked.1 }
    readKind(scanner, type)
    if kind == .textDone, let string = echoes[textKey] {
      texts.append(Text(key: textKey, string: string, index: 0, logprobs: logprobs))
    }
    partIndex = (textKey == .summary || contentIndex == nil ? summaryIndex : nil) ?? contentIndex ?? 0
    for place in texts.indices where items.isEmpty { texts[place].index = partIndex }
    return true
  }

  /// Reads a whole answer.
  ///
  /// - Returns: false when it is not one JSON object of the dialect's shape.
  mutating func decode(body data: UnsafeRawBufferPointer) -> Bool {
    reset()
    var scanner = JSONScanner(data)
    guard scanner.peek() == .object else { return false }
    decodeResponse(&scanner)
    return scanner.atEnd() && !isAmbiguous
  }

  private mutating func reset() {
    var texts = ContiguousArray<Text>()
    var items = ContiguousArray<Item>()
    var parts = ContiguousArray<Part>()
    swap(&texts, &self.texts)
    swap(&items, &self.items)
    swap(&parts, &self.parts)
    texts.removeAll(keepingCapacity: true)
    items.removeAll(keepingCapacity: true)
    parts.removeAll(keepingCapacity: true)
    self = ResponsesEvent()
    swap(&texts, &self.texts)
    swap(&items, &self.items)
    swap(&parts, &self.parts)
  }

  private mutating func number(_ range: Range<Int>, _ scanner: JSONScanner) -> Int32 {
    guard let number = scanner.integer(range), number >= 0 else {
      isAmbiguous = true
      return -1
    }
    return number
  }

  private mutating func readKind(_ scanner: JSONScanner, _ type: JSONString) {
    for key in ResponsesTextKey.allCases {
      if scanner.equals(type, key.deltaType) {
        (kind, textKey) = (.textDelta, key)
        return
      }
      if scanner.equals(type, key.doneType) {
        (kind, textKey) = (.textDone, key)
        return
      }
    }
    kind =
      if scanner.equals(type, "response.output_item.added") {
        .itemAdded
      } else if scanner.equals(type, "response.output_item.done") {
        .itemDone
      } else if scanner.equals(type, "response.content_part.added")
        || scanner.equals(type, "response.reasoning_summary_part.added")
        || scanner.equals(type, "response.reasoning_part.added")
      {
        .partAdded
      } else if scanner.equals(type, "response.content_part.done")
        || scanner.equals(type, "response.reasoning_summary_part.done")
        || scanner.equals(type, "response.reasoning_part.done")
      {
        .partDone
      } else if scanner.equals(type, "response.output_text.annotation.added") {
        .annotationAdded
      } else if scanner.equals(type, "response.created") || scanner.equals(type, "response.in_progress")
        || scanner.equals(type, "response.queued")
      {
        .lifecycle
      } else if scanner.equals(type, "response.completed") {
        .completed
      } else if scanner.equals(type, "response.incomplete") {
        .incomplete
      } else if scanner.equals(type, "response.failed") {
        .failed
      } else if scanner.equals(type, "error") {
        .error
      } else {
        .other
      }
  }

  /// Members that repeat a text at its end, by their names.
  private struct Echoes {
    var text: JSONString?
    var refusal: JSONString?
    var arguments: JSONString?
    var input: JSONString?
    var code: JSONString?
    var isAmbiguous = false

    /// Takes the value when the key is one of these.
    mutating func take(_ key: JSONString, _ scanner: inout JSONScanner) -> Bool {
      if scanner.equals(key, "text") { return scanner.string(into: &text, repeated: &isAmbiguous) }
      if scanner.equals(key, "refusal") { return scanner.string(into: &refusal, repeated: &isAmbiguous) }
      if scanner.equals(key, "arguments") { return scanner.string(into: &arguments, repeated: &isAmbiguous) }
      if scanner.equals(key, "input") { return scanner.string(into: &input, repeated: &isAmbiguous) }
      if scanner.equals(key, "code") { return scanner.string(into: &code, repeated: &isAmbiguous) }
      return false
    }

    subscript(key: ResponsesTextKey) -> JSONString? {
      switch key {
      case .outputText, .summary, .reasoning: text
      case .refusal: refusal
      case .arguments, .mcpArguments: arguments
      case .customInput: input
      case .code: code
      }
    }
  }
}
