import TideCore

/// What repeats a text says what went out of it, not what came.
extension ResponsesStream {
  /// Gives each text of a whole `response` object, and the member that has all of them, what went out.
  ///
  /// - Returns: false when the answer ended with it.
  func repeatResponse(_ data: UnsafeRawBufferPointer, into out: inout ByteQueue) -> Bool {
    guard lanes != nil else { return true }
    let content = scratch.responsesEvent
    for (index, item) in content.items.enumerated() {
      let id = item.id.map { slice(data, $0.start..<$0.end) }
      let outputIndex = Int32(truncatingIfNeeded: index)
      let place = output.item(id: id, outputIndex: outputIndex) ?? output.add(id: id, outputIndex: outputIndex)
      guard repeatItem(item, content, data, as: place, into: &out) else { return false }
    }
    repeatOutputText(data)
    return true
  }

  func repeatItem(
    _ item: ResponsesEvent.Item, _ content: ResponsesEvent, _ data: UnsafeRawBufferPointer, as place: Int,
    into out: inout ByteQueue
  ) -> Bool {
    for text in item.firstText..<item.endText {
      let ordinal = (item.firstText..<text).count { content.texts[$0].key == content.texts[text].key }
      guard repeatText(content.texts[text], of: place, ordinal: ordinal, data, into: &out) else { return false }
    }
    return true
  }

  /// Gives a repetition what went out. A text that was never heard of is its lane's only delta.
  func repeatText(
    _ text: ResponsesEvent.Text, of item: Int, ordinal: Int, _ data: UnsafeRawBufferPointer, into out: inout ByteQueue
  ) -> Bool {
    let known = output.part(of: item, text.key, index: text.index, ordinal: ordinal)
    let part = known ?? output.add(text.key, index: text.index, to: item)
    if known == nil || output.parts[part].text.isEmpty && output.parts[part].lane < 0 {
      guard !text.isEmpty else { return true }
      switch take(text.string, data, of: part, isLast: true) {
      case .proceed: break
      case .fail:
        fail(.policy)
        return false
      case .cut:
        // The event goes unsent: what is left of its texts leaves as deltas.
        drop()
        finishCut(into: &out)
        return false
      }
    } else if output.parts[part].lane >= 0 {
      put(output.parts[part].text, in: text.string, data)
    }
    dropStale(text, of: part, data)
    return true
  }

  /// Events before the end repeat what has gone out so far.
  func recall(_ data: UnsafeRawBufferPointer) {
    guard lanes != nil else { return }
    let content = scratch.responsesEvent
    for (index, item) in content.items.enumerated() {
      let id = item.id.map { slice(data, $0.start..<$0.end) }
      let place = output.item(id: id, outputIndex: Int32(truncatingIfNeeded: index))
      for number in item.firstText..<item.endText {
        let text = content.texts[number]
        guard lanes!.channels.contains(text.key.channel) else { continue }
        let ordinal = (item.firstText..<number).count { content.texts[$0].key == text.key }
        let part = place.flatMap { output.part(of: $0, text.key, index: text.index, ordinal: ordinal) }
        put(part.map { output.parts[$0].text } ?? [], in: text.string, data)
        if let part { dropStale(text, of: part, data) }
      }
    }
    repeatOutputText(data)
  }

  /// `output_text`: the texts of all messages, one after the other.
  private func repeatOutputText(_ data: UnsafeRawBufferPointer) {
    guard let string = scratch.responsesEvent.outputText, lanes!.channels.contains(.text) else { return }
    let texts = output.parts.filter { $0.key == .outputText }
    put(texts.flatMap(\.text), in: string, data)
  }

  private func put(_ text: [UInt8], in string: JSONString, _ data: UnsafeRawBufferPointer) {
    scratch.decoded.removeAll()
    var decoder = LaneText()
    decoder.append(slice(data, string.start..<string.end), into: &scratch.decoded)
    decoder.end(into: &scratch.decoded)
    if !scratch.decoded.readableBytes.elementsEqual(text) {
      text.withUnsafeBytes { scratch.replace(string, with: $0) }
    }
  }

  // MARK: What edits make stale

  private func dropStale(_ text: ResponsesEvent.Text, of part: Int, _ data: UnsafeRawBufferPointer) {
    guard output.parts[part].comparison.isAltered else { return }
    Self.dropStale(text, data, before: unchangedCharacterCount(of: part), scratch)
  }

  /// Removes log probabilities of a text that was changed, and the annotations that reach behind its first `limit` characters.
  static func dropStale(
    _ text: ResponsesEvent.Text, _ data: UnsafeRawBufferPointer, before limit: Int, _ scratch: DialectScratch
  ) {
    if let logprobs = text.logprobs { scratch.splice(logprobs.lowerBound, logprobs.upperBound, with: "[]") }
    guard let range = text.annotations,
      let kept = annotations(UnsafeRawBufferPointer(rebasing: data[range]), before: limit)
    else { return }
    scratch.splice(range.lowerBound, range.upperBound, with: kept)
  }

  /// Whether the annotation of the event in hand speaks of text that was changed.
  func annotationIsStale(_ data: UnsafeRawBufferPointer) -> Bool {
    let content = scratch.responsesEvent
    guard lanes != nil, let annotation = content.annotation,
      let item = output.item(
        id: content.itemID.map { slice(data, $0.start..<$0.end) }, outputIndex: content.outputIndex),
      let part = output.part(of: item, .outputText, index: content.partIndex), output.parts[part].comparison.isAltered
    else { return false }
    return !Self.annotation(slice(data, annotation), endsBefore: unchangedCharacterCount(of: part))
  }

  /// Annotations count in characters.
  private func unchangedCharacterCount(of part: Int) -> Int {
    output.parts[part].comparison.sameCharacterCount(in: output.parts[part].text)
  }

  /// An array of annotations without those that reach past `limit`; nil when all stay.
  private static func annotations(_ json: UnsafeRawBufferPointer, before limit: Int) -> [UInt8]? {
    var scanner = JSONScanner(json)
    guard scanner.enterArray() else { return nil }
    var kept: [UInt8] = []
    var hasDropped = false
    while scanner.nextElement() {
      guard let range = scanner.skipValue() else { return nil }
      guard annotation(UnsafeRawBufferPointer(rebasing: json[range]), endsBefore: limit) else {
        hasDropped = true
        continue
      }
      kept += kept.isEmpty ? [] : [UInt8(ascii: ",")]
      kept += json[range]
    }
    return hasDropped ? [UInt8(ascii: "[")] + kept + [UInt8(ascii: "]")] : nil
  }

  /// Whether an annotation says where it stands, and that is before `limit`.
  private static func annotation(_ json: UnsafeRawBufferPointer, endsBefore limit: Int) -> Bool {
    var scanner = JSONScanner(json)
    guard scanner.peek() == .object, scanner.enterObject() else { return false }
    var end: Int32?
    while let key = scanner.nextKey() {
      let isPlace = scanner.equals(key, "end_index") || scanner.equals(key, "index")
      let isNumber = scanner.peek() == .number
      guard let range = scanner.skipValue() else { return false }
      if isPlace, isNumber, let number = scanner.integer(range) { end = max(end ?? 0, number) }
    }
    return end.map { Int($0) <= limit } ?? false
  }
}
