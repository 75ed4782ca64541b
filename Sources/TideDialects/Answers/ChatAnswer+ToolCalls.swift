/// Reading tool calls that a policy wrote.
extension ChatAnswer {
  /// Reads OpenAI's `tool_calls` array: elements with `id` and `function {name, arguments}`; `arguments` as text or as an object.
  ///
  /// - Returns: nil when `json` is no such array.
  public static func toolCalls(json: String) -> [ToolCall]? {
    var copy = json
    return copy.withUTF8 { text in
      let bytes = UnsafeRawBufferPointer(text)
      var scanner = JSONScanner(bytes)
      guard scanner.peek() == .array, scanner.enterArray() else { return nil }
      var calls: [ToolCall] = []
      while scanner.nextElement() {
        guard let call = toolCall(&scanner, bytes, ordinal: calls.count) else { return nil }
        calls.append(call)
      }
      return scanner.hasFailed ? nil : calls
    }
  }

  private static func toolCall(
    _ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, ordinal: Int
  ) -> ToolCall? {
    guard scanner.peek() == .object, scanner.enterObject() else { return nil }
    var call = ToolCall(id: "call_\(ordinal + 1)", name: "", arguments: "{}")
    while let key = scanner.nextKey() {
      if scanner.equals(key, "id"), scanner.peek() == .string, let value = scanner.string() {
        call.id = JSONText.string(scanner.content(value))
      } else if scanner.equals(key, "function"), scanner.peek() == .object, scanner.enterObject() {
        while let inner = scanner.nextKey() {
          if scanner.equals(inner, "name"), scanner.peek() == .string, let value = scanner.string() {
            call.name = JSONText.string(scanner.content(value))
          } else if scanner.equals(inner, "arguments"), scanner.peek() == .string, let value = scanner.string() {
            call.arguments = JSONText.string(scanner.content(value))
          } else if scanner.equals(inner, "arguments"), let range = scanner.skipValue() {
            call.arguments = String(decoding: bytes[range], as: UTF8.self)
          } else {
            _ = scanner.skipValue()
          }
        }
      } else {
        _ = scanner.skipValue()
      }
    }
    return scanner.hasFailed || call.name.isEmpty ? nil : call
  }
}
