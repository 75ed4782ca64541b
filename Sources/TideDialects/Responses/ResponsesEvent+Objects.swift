/// The objects inside events: parts, items, whole responses.
extension ResponsesEvent {
  /// Reads a part and notes its text. The scanner stands before an object.
  mutating func decodePart(_ scanner: inout JSONScanner, at index: Int32) {
    guard scanner.enterObject() else { return }
    var type: JSONString?
    var text: JSONString?
    var refusal: JSONString?
    var annotations: Range<Int>?
    var logprobs: Range<Int>?
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        scanner.string(into: &type, repeated: &isAmbiguous)
      } else if scanner.equals(key, "text"), value == .string {
        scanner.string(into: &text, repeated: &isAmbiguous)
      } else if scanner.equals(key, "refusal"), value == .string {
        scanner.string(into: &refusal, repeated: &isAmbiguous)
      } else {
        guard let range = scanner.skipValue() else { return }
        if value == .array, scanner.equals(key, "annotations") { annotations = range }
        if value == .array, scanner.equals(key, "logprobs") { logprobs = range }
      }
    }
    guard let type else { return }
    let key: ResponsesTextKey? =
      if scanner.equals(type, "output_text") || scanner.equals(type, "text") {
        .outputText
      } else if scanner.equals(type, "refusal") {
        .refusal
      } else if scanner.equals(type, "summary_text") {
        .summary
      } else if scanner.equals(type, "reasoning_text") {
        .reasoning
      } else {
        nil
      }
    guard let key, let string = key == .refusal ? refusal : text else { return }
    texts.append(Text(key: key, string: string, index: index, annotations: annotations, logprobs: logprobs))
  }

  /// Reads an output item and notes its texts. The scanner stands before an object.
  mutating func decodeItem(_ scanner: inout JSONScanner) {
    var item = Item()
    item.firstText = texts.count
    item.firstPart = parts.count
    let start = scanner.offset
    guard scanner.enterObject() else { return }
    var type: JSONString?
    var arguments: JSONString?
    var input: JSONString?
    var code: JSONString?
    var hasContent = false
    var hasSummary = false
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "type"), value == .string {
        scanner.string(into: &type, repeated: &isAmbiguous)
      } else if scanner.equals(key, "id"), value == .string {
        scanner.string(into: &item.id, repeated: &isAmbiguous)
      } else if scanner.equals(key, "arguments"), value == .string {
        scanner.string(into: &arguments, repeated: &isAmbiguous)
      } else if scanner.equals(key, "input"), value == .string {
        scanner.string(into: &input, repeated: &isAmbiguous)
      } else if scanner.equals(key, "code"), value == .string {
        scanner.string(into: &code, repeated: &isAmbiguous)
      } else if scanner.equals(key, "content"), value == .array {
        if hasContent { isAmbiguous = true }
        hasContent = true
        decodeParts(&scanner, isSummary: false)
      } else if scanner.equals(key, "summary"), value == .array {
        if hasSummary { isAmbiguous = true }
        hasSummary = true
        decodeParts(&scanner, isSummary: true)
      } else {
        guard let range = scanner.skipValue() else { return }
        if scanner.equals(key, "status") { item.status = range }
      }
    }
    if let type {
      if scanner.equals(type, "function_call") {
        note(.arguments, arguments)
      } else if scanner.equals(type, "mcp_call") {
        note(.mcpArguments, arguments)
      } else if scanner.equals(type, "custom_tool_call") {
        note(.customInput, input)
      } else if scanner.equals(type, "code_interpreter_call") {
        note(.code, code)
      }
    }
    item.range = start..<scanner.offset
    item.endText = texts.count
    item.endPart = parts.count
    items.append(item)
  }

  private mutating func note(_ key: ResponsesTextKey, _ string: JSONString?) {
    if let string { texts.append(Text(key: key, string: string, index: 0)) }
  }

  private mutating func decodeParts(_ scanner: inout JSONScanner, isSummary: Bool) {
    guard scanner.enterArray() else { return }
    var index: Int32 = 0
    while scanner.nextElement() {
      let isObject = scanner.peek() == .object
      let start = scanner.offset
      if isObject { decodePart(&scanner, at: index) } else { _ = scanner.skipValue() }
      parts.append(Part(range: start..<scanner.offset, isSummary: isSummary, endText: texts.count))
      index &+= 1
    }
  }

  /// Reads a `response` object. The scanner stands before it.
  mutating func decodeResponse(_ scanner: inout JSONScanner) {
    let start = scanner.offset
    guard scanner.enterObject() else { return }
    while let key = scanner.nextKey() {
      let value = scanner.peek()
      if scanner.equals(key, "output"), value == .array {
        if output != nil { isAmbiguous = true }
        let start = scanner.offset
        guard scanner.enterArray() else { return }
        while scanner.nextElement() {
          if scanner.peek() == .object {
            decodeItem(&scanner)
          } else {
            // Places count: what is no item keeps one.
            let start = scanner.offset
            _ = scanner.skipValue()
            items.append(
              Item(
                range: start..<scanner.offset, firstText: texts.count, endText: texts.count, firstPart: parts.count,
                endPart: parts.count))
          }
        }
        output = start..<scanner.offset
      } else if scanner.equals(key, "output_text"), value == .string {
        scanner.string(into: &outputText, repeated: &isAmbiguous)
      } else if scanner.equals(key, "status"), value == .string {
        scanner.string(into: &status, repeated: &isAmbiguous)
      } else if scanner.equals(key, "incomplete_details") {
        let start = scanner.offset
        if value == .object { decodeReason(&scanner) } else { _ = scanner.skipValue() }
        incompleteDetails = start..<scanner.offset
      } else {
        guard let range = scanner.skipValue() else { return }
        if value == .object, scanner.equals(key, "usage") { usage = range }
        if value == .object, scanner.equals(key, "error") { error = range }
      }
    }
    response = start..<scanner.offset
  }

  private mutating func decodeReason(_ scanner: inout JSONScanner) {
    guard scanner.enterObject() else { return }
    while let key = scanner.nextKey() {
      if scanner.equals(key, "reason"), scanner.peek() == .string {
        scanner.string(into: &incompleteReason, repeated: &isAmbiguous)
      } else {
        _ = scanner.skipValue()
      }
    }
  }
}
