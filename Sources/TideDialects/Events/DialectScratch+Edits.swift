import TideCore

/// Editing one JSON text in place: only the bytes that an edit names give way, everything else leaves as it came.
///
/// Offsets count from the start of the text in hand. Edits may be noted in any order; of two that overlap the one that begins first counts.
extension DialectScratch {
  /// Forgets the edits of the text before.
  func beginEdits() {
    replacements.removeAll()
    splices.removeAll(keepingCapacity: true)
  }

  var hasEdits: Bool { !splices.isEmpty }

  /// Gives a string new content, valid UTF-8.
  func replace(_ string: JSONString, with content: UnsafeRawBufferPointer) {
    let start = replacements.byteCount
    JSONText.escape(content, into: &replacements)
    noteSplice(string.start, string.end, from: start)
  }

  /// Puts JSON in the place of other JSON.
  func splice(_ start: Int, _ end: Int, with json: StaticString) {
    let from = replacements.byteCount
    replacements.append(json)
    noteSplice(start, end, from: from)
  }

  func splice(_ start: Int, _ end: Int, with json: [UInt8]) {
    let from = replacements.byteCount
    replacements.append(json)
    noteSplice(start, end, from: from)
  }

  func remove(_ start: Int, _ end: Int) { splices.append(.removal(start, end)) }

  /// Removes elements of an array, each with one comma; edits inside them give way.
  func removeElements(_ elements: [Range<Int>], where isDropped: (Int) -> Bool) {
    var hasKept = false
    for place in elements.indices {
      guard isDropped(place) else {
        hasKept = true
        continue
      }
      let start = hasKept ? elements[place &- 1].upperBound : elements[place].lowerBound
      let end =
        hasKept || place &+ 1 == elements.count ? elements[place].upperBound : elements[place &+ 1].lowerBound
      splices.removeAll { $0.start >= start && $0.end <= end }
      remove(start, end)
    }
  }

  private func noteSplice(_ start: Int, _ end: Int, from: Int) {
    splices.append(JSONSplice(start: start, end: end, replacementStart: from, replacementEnd: replacements.byteCount))
  }

  // MARK: Writing

  /// Writes an event with its edits; one without any goes byte for byte.
  func write(_ event: SSEEvent, into out: inout ByteQueue) {
    if splices.isEmpty { return out.append(event.raw) }
    guard let offset = event.dataOffset else {
      // Several data lines: written as one, the line feeds between tokens as spaces.
      if !event.name.isEmpty {
        out.append("event: ")
        out.append(event.name)
        out.append("\n")
      }
      out.append("data: ")
      writeEdited(event.data, joinsLines: true, into: &out)
      return out.append("\n\n")
    }
    out.append(UnsafeRawBufferPointer(rebasing: event.raw[..<offset]))
    writeEdited(event.data, into: &out)
    out.append(UnsafeRawBufferPointer(rebasing: event.raw[(offset &+ event.data.count)...]))
  }

  /// Writes `data` with the edits noted for it.
  func writeEdited(_ data: UnsafeRawBufferPointer, joinsLines: Bool = false, into out: inout ByteQueue) {
    sortSplices()
    let new = replacements.readableBytes
    var cursor = 0
    for splice in splices where splice.start >= cursor {
      append(UnsafeRawBufferPointer(rebasing: data[cursor..<splice.start]), joinsLines, into: &out)
      out.append(UnsafeRawBufferPointer(rebasing: new[splice.replacementStart..<splice.replacementEnd]))
      cursor = splice.end
    }
    append(UnsafeRawBufferPointer(rebasing: data[cursor...]), joinsLines, into: &out)
  }

  /// `data` with the edits noted for it, as an array: for whole bodies.
  func edited(_ data: UnsafeRawBufferPointer) -> [UInt8] {
    var out = ByteQueue()
    writeEdited(data, into: &out)
    return [UInt8](out.readableBytes)
  }

  /// A part of `data` with the edits noted inside it.
  func edited(_ data: UnsafeRawBufferPointer, in range: Range<Int>) -> [UInt8] {
    sortSplices()
    let new = replacements.readableBytes
    var out: [UInt8] = []
    out.reserveCapacity(range.count)
    var cursor = range.lowerBound
    for splice in splices where splice.start >= cursor && splice.end <= range.upperBound {
      out += data[cursor..<splice.start]
      out += new[splice.replacementStart..<splice.replacementEnd]
      cursor = splice.end
    }
    return out + data[cursor..<range.upperBound]
  }

  private func append(_ bytes: UnsafeRawBufferPointer, _ joinsLines: Bool, into out: inout ByteQueue) {
    guard joinsLines else { return out.append(bytes) }
    for byte in bytes { out.append(byte: byte == 0x0A ? 0x20 : byte) }
  }

  /// Splices come nearly sorted, a handful at the most: an insertion sort.
  private func sortSplices() {
    guard splices.count > 1 else { return }
    for index in 1..<splices.count {
      var place = index
      while place > 0, splices[place].start < splices[place &- 1].start {
        splices.swapAt(place, place &- 1)
        place &-= 1
      }
    }
  }
}
