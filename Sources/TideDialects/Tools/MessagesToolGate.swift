import TideCore

/// The gate of Messages streams: a `tool_use` block waits for its end.
final class MessagesToolGate: ToolGate {
  private struct Block {
    var index: Int32
    /// Its events as they came.
    var events: [[UInt8]]
    var id: String
    var name: String
    var arguments: [UInt8] = []
    /// A character may be cut between two deltas.
    var decoder = LaneText()
    /// Arguments that the block began with.
    var initial: [UInt8]
  }

  private var blocks: [Block] = []
  /// The place of the block that is being judged.
  private var judgedPlace = 0
  private var count = 0
  private var keptCount = 0

  override func take(_ event: SSEEvent) {
    guard scratch.messagesEvent.decode(event.data) else { return fail(.malformed) }
    let content = scratch.messagesEvent
    switch content.kind {
    case .blockStart: begin(event, content)
    case .blockDelta:
      guard let place = blocks.firstIndex(where: { $0.index == content.index }) else { return forward(event) }
      if content.textKey == .partialJSON, let text = content.text {
        var decoded = ByteQueue()
        blocks[place].decoder.append(bytes(event.data, text.start..<text.end), into: &decoded)
        blocks[place].arguments += decoded.readableBytes
      }
      keep(event, place)
    case .blockStop:
      guard let place = blocks.firstIndex(where: { $0.index == content.index }) else { return forward(event) }
      keep(event, place)
      judgedPlace = place
      var rest = ByteQueue()
      blocks[place].decoder.end(into: &rest)
      blocks[place].arguments += rest.readableBytes
      let block = blocks[place]
      let arguments = block.arguments.isEmpty ? block.initial : block.arguments
      judge([
        ToolCall(
          index: count, id: block.id, name: block.name, arguments: String(decoding: arguments, as: UTF8.self))
      ])
      count += 1
    case .messageDelta:
      scratch.beginEdits()
      if let reason = content.stopReason, count > 0, keptCount == 0,
        bytes(event.data, reason.start..<reason.end).elementsEqual("tool_use".utf8)
      {
        scratch.splice(reason.start, reason.end, with: "end_turn")
      }
      forwardEdited(event)
    default: forward(event)
    }
  }

  private func begin(_ event: SSEEvent, _ content: MessagesEvent) {
    guard let members = JSONMembers(event.data), let block = members.object("content_block") else {
      return fail(.malformed)
    }
    guard block.text("type") == "tool_use" else { return forward(event) }
    guard let name = block.text("name"), count < Self.callLimit, blocks.count < Self.callLimit,
      !blocks.contains(where: { $0.index == content.index })
    else { return fail(.malformed) }
    blocks.append(
      Block(
        index: content.index, events: [], id: block.text("id") ?? "", name: name,
        initial: block.json("input") ?? Array("{}".utf8)))
    keep(event, blocks.count - 1)
  }

  private func keep(_ event: SSEEvent, _ place: Int) {
    // Each ends with its blank line, also the one that lacked it.
    var raw = [UInt8](event.raw)
    if !raw.suffix(2).allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { raw += [0x0A, 0x0A] }
    note(raw.count)
    blocks[place].events.append(raw)
  }

  override func release(_ calls: [(call: ToolCall, decision: ToolDecision)]) {
    for (_, decision) in calls {
      let block = blocks.remove(at: judgedPlace)
      note(-block.events.reduce(0) { $0 + $1.count })
      switch decision {
      case .pass:
        keptCount += 1
        for event in block.events { output.append(event) }
      case .replace(let name, let arguments):
        keptCount += 1
        begin(block, name: name)
        delta(block.index, .partialJSON, arguments)
        MessagesWriter.blockStop(block.index, into: &output)
      case .deny(let message):
        MessagesWriter.blockStart(block.index, MessagesWriter.emptyText, into: &output)
        if !message.isEmpty { delta(block.index, .text, message) }
        MessagesWriter.blockStop(block.index, into: &output)
      }
    }
  }

  /// The block's beginning with another name and no input yet.
  private func begin(_ block: Block, name: String) {
    block.events[0].withUnsafeBytes { raw in
      var framer = SSEFramer()
      var rest = raw
      guard case .event(let event) = framer.next(&rest), let members = JSONMembers(event.data),
        let content = members.object("content_block")
      else { return }
      let changed = content.json(with: [("name", JSONText.quoted(name)), ("input", Array("{}".utf8))])
      write(members.json(with: [("content_block", changed)]), name: "content_block_start")
    }
  }

  private func delta(_ index: Int32, _ key: MessagesEvent.TextKey, _ text: String) {
    var text = text
    text.withUTF8 { MessagesWriter.delta(index, key, UnsafeRawBufferPointer($0), into: &output) }
  }
}
