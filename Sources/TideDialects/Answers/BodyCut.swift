/// Ends a whole answer early, well formed: its last words and the reason, as `AnswerStream.cut` writes them into a stream.
public enum BodyCut {
  /// - Parameters:
  ///   - body: the answer up to the cut.
  ///   - choice: gets the last words; those before it have finished.
  /// - Returns: nil when the body cannot be read.
  public static func end(_ body: [UInt8], _ dialect: Dialect, _ cut: LaneCut, choice: Int32 = 0) -> [UInt8]? {
    body.withUnsafeBytes { data in
      guard let members = JSONMembers(data) else { return nil }
      let scratch = DialectScratch()
      scratch.beginEdits()
      let isRead =
        switch dialect {
        case .openAI: endChat(members, data, cut, choice, scratch)
        case .anthropic: endMessage(members, data, cut, scratch)
        case .responses: endResponse(members, data, cut, scratch)
        }
      return isRead ? scratch.edited(data) : nil
    }
  }

  private static func endChat(
    _ members: JSONMembers, _ data: UnsafeRawBufferPointer, _ cut: LaneCut, _ index: Int32, _ scratch: DialectScratch
  ) -> Bool {
    var isBehind = false
    for range in members.elements("choices") ?? [] {
      guard let choice = JSONMembers(data, range) else { return false }
      let isCut = choice.integer("index") ?? 0 == index
      isBehind = isBehind || isCut
      guard isBehind else { continue }
      set("finish_reason", to: JSONText.quoted(cut.finishReason), in: choice, range, scratch)
      guard isCut, !cut.text.isEmpty, let message = choice.object("message"), let place = choice["message"]?.value
      else { continue }
      set("content", to: JSONText.quoted((message.text("content") ?? "") + cut.text), in: message, place, scratch)
    }
    return isBehind
  }

  private static func endMessage(
    _ members: JSONMembers, _ data: UnsafeRawBufferPointer, _ cut: LaneCut, _ scratch: DialectScratch
  ) -> Bool {
    guard members["content"] != nil else { return false }
    let whole = 0..<data.count
    set("stop_reason", to: JSONText.quoted(MessagesWriter.stopReason(cut.finishReason)), in: members, whole, scratch)
    set("stop_sequence", to: Array("null".utf8), in: members, whole, scratch)
    if !cut.text.isEmpty {
      add(Array(#"{"type":"text","text":"#.utf8) + JSONText.quoted(cut.text) + [0x7D], to: "content", members, scratch)
    }
    return true
  }

  private static func endResponse(
    _ members: JSONMembers, _ data: UnsafeRawBufferPointer, _ cut: LaneCut, _ scratch: DialectScratch
  ) -> Bool {
    guard members["output"] != nil else { return false }
    let whole = 0..<data.count
    let (status, reason) = ResponsesWriter.ending(cut.finishReason)
    set("status", to: JSONText.quoted(status), in: members, whole, scratch)
    set("incomplete_details", to: ResponsesWriter.incompleteDetails(reason), in: members, whole, scratch)
    guard !cut.text.isEmpty else { return true }
    var item = Array("{\"id\":\"msg_tidegate\",\"type\":\"message\",\"status\":\"\(status)\"".utf8)
    item += Array(",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":".utf8)
    item += JSONText.quoted(cut.text) + Array(",\"annotations\":[],\"logprobs\":[]}]}".utf8)
    add(item, to: "output", members, scratch)
    if let text = members.text("output_text") {
      set("output_text", to: JSONText.quoted(text + cut.text), in: members, whole, scratch)
    }
    return true
  }

  // MARK: Edits

  /// Gives a member of the object at `range` another value, or adds it in front.
  private static func set(
    _ name: String, to value: [UInt8], in object: JSONMembers, _ range: Range<Int>, _ scratch: DialectScratch
  ) {
    if let member = object[name] {
      return scratch.splice(member.value.lowerBound, member.value.upperBound, with: value)
    }
    guard let first = object.members.first else { return }
    // Behind the first member: an object's own brace may have white space before it.
    let end = first.value.upperBound
    scratch.splice(end, end, with: [0x2C] + JSONText.quoted(name) + [0x3A] + value)
  }

  /// Adds an element at the end of an array.
  private static func add(_ element: [UInt8], to name: String, _ members: JSONMembers, _ scratch: DialectScratch) {
    guard let list = members[name], let elements = members.elements(name) else { return }
    let end = elements.last?.upperBound ?? list.value.lowerBound + 1
    scratch.splice(end, end, with: (elements.isEmpty ? [] : [0x2C]) + element)
  }
}
