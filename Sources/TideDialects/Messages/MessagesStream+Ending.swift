import TideCore

/// The end of an answer that a policy or the gateway cuts.
extension MessagesStream {
  /// Ends it well formed: what lanes hold, the cut's text, the blocks' ends, the stop reason, the end.
  func endEarly(_ cut: LaneCut, into out: inout ByteQueue) {
    lastWasForwarded = false
    for place in blocks.indices where endLanes(of: place, into: &out) == .fail { return fail(.policy) }
    if !hasStarted {
      MessagesWriter.start(id: "msg_tidegate", model: "", usage: usage, into: &out)
      hasStarted = true
    }
    if !hasFinished {
      var text = cut.text
      text.withUTF8 { writeLastWords(UnsafeRawBufferPointer($0), into: &out) }
      let reason = MessagesWriter.stopReason(cut.finishReason)
      MessagesWriter.end(reason: reason, outputTokens: usage.completion, into: &out)
      finishReasons = [FinishReason(choice: 0, reason: reason)]
      hasFinished = true
    }
    MessagesWriter.stop(into: &out)
    progress = .cut
  }

  /// Ends the open blocks; `text` joins the last of them that is text, or makes a block of its own.
  private func writeLastWords(_ text: UnsafeRawBufferPointer, into out: inout ByteQueue) {
    let place = blocks.lastIndex { $0.kind == .text }
    if let place { writeText(text, .text, of: place, into: &out) }
    // A block that is still held was never announced; thinking that is not whole cannot go.
    for block in blocks where !block.isHeld { MessagesWriter.blockStop(block.index, into: &out) }
    blocks.removeAll()
    dropHeld()
    guard place == nil, !text.isEmpty else { return }
    MessagesWriter.blockStart(blockCount, MessagesWriter.emptyText, into: &out)
    MessagesWriter.delta(blockCount, .text, text, into: &out)
    MessagesWriter.blockStop(blockCount, into: &out)
    blockCount &+= 1
    deliveredTextBytes &+= text.count
  }
}
