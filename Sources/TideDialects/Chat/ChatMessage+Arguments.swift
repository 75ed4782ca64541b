import TideCore

/// The text in the arguments of tool calls that a message repeats.
extension ChatMessage {
  /// Runs `change` over the values of the arguments, as `ToolArguments` tells them: each call gets a value that is not empty, and appends
  /// what it becomes. Arguments that are no JSON, as a model may have left them, are one value.
  ///
  /// - Returns: true when something changed.
  mutating func changeArguments(_ change: (UnsafeRawBufferPointer, inout ByteQueue) -> Void) -> Bool {
    guard !arguments.isEmpty else { return false }
    let scratch = DialectScratch()
    var hasChanged = false
    for place in arguments.indices {
      let call = arguments[place]
      let before = call.replacement ?? Array(json.dropFirst(call.range.lowerBound).prefix(call.range.count))
      let text = call.form == .value ? before : before[1..<(before.count - 1)].withUnsafeBytes { JSONText.unescape($0) }
      let outcome = text.withUnsafeBytes { text in
        func edit(takesJSON: Bool) -> ToolArguments.Outcome {
          ToolArguments.edit(text, takesJSON: takesJSON, scratch) {
            change($0, &scratch.emitted)
            return .proceed
          }
        }
        guard call.form != .text else { return edit(takesJSON: false) }
        let edited = edit(takesJSON: true)
        return edited == .malformed ? edit(takesJSON: false) : edited
      }
      guard case .changed(let changed) = outcome else { continue }
      arguments[place].replacement = call.form == .value ? Array(changed.utf8) : JSONText.quoted(changed)
      hasChanged = true
    }
    return hasChanged
  }
}

extension ChatRequest {
  /// Runs `read` over the values of the arguments of a message's tool calls, none of them empty.
  public func eachArgument(message: Int, _ read: (UnsafeRawBufferPointer) -> Void) {
    guard storedMessages.indices.contains(message) else { return }
    var copy = storedMessages[message]
    _ = copy.changeArguments { text, out in
      read(text)
      out.append(text)
    }
  }

  /// Runs `change` over the same values; it appends what each becomes.
  public func changeArguments(message: Int, _ change: (UnsafeRawBufferPointer, inout ByteQueue) -> Void) {
    guard storedMessages.indices.contains(message) else { return }
    if storedMessages[message].changeArguments(change) { isMessagesEdited = true }
  }
}
