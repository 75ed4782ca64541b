import TideCore

/// The texts of blocks on their way through the lanes.
extension MessagesStream {
  /// Takes a delta, or the beginning of a block, which may bring text with it. Its index is right already.
  func takeDelta(
    _ event: SSEEvent, _ content: MessagesEvent, of place: Int, isBeginning: Bool = false, into out: inout ByteQueue
  ) {
    if content.hasSignature { blocks[place].isSigned = true }
    if blocks[place].isHeld, blocks[place].kind == .thinking {
      scratch.write(event, into: &heldUnedited)
      lastWasKeptUnedited = true
    }
    guard let text = content.text, text.end > text.start else {
      // Citations and signatures need their block; an empty text waits with it.
      if content.text == nil, !isBeginning, blocks[place].kind == .text { release(place, into: &out) }
      return send(event, of: place, into: &out)
    }
    contentEventCount &+= 1
    let channel = content.textKey.channel
    guard lanes != nil, lanes!.channels.contains(channel) else {
      let step = lanes?.count(channel, slice(event.data, text.start..<text.end), hasEscapes: text.hasEscapes)
      if let step, step != .proceed {
        // The event goes unsent, and so does a block that it begins.
        if isBeginning, !blocks[place].isHeld { blockCount &-= 1 }
        if isBeginning { blocks.remove(at: place) }
        return step == .cut ? finishCut(into: &out) : fail(.policy)
      }
      if channel != .toolArgs { deliveredTextBytes &+= text.end &- text.start }
      return send(event, of: place, into: &out)
    }
    guard let lane = lane(of: place, content.textKey) else { return fail(.malformed) }
    let result = lanes!.run(
      lane, slice(event.data, text.start..<text.end), hasEscapes: text.hasEscapes, isLast: false, scratch)
    if result.step == .fail { return fail(.policy) }
    let emitted = scratch.emitted.readableBytes
    if !result.isUnchanged { scratch.replace(text, with: emitted) }
    note(place, content.textKey, came: result.text, went: emitted)
    blocks[place].hasText = true
    if !emitted.isEmpty || isBeginning {
      if !emitted.isEmpty, blocks[place].kind == .text {
        if isBeginning {
          // It has its text with it and need not wait.
          blocks[place].isHeld = false
          blockCount &+= 1
        } else {
          release(place, into: &out)
        }
      }
      send(event, of: place, into: &out)
    }
    if result.step == .cut {
      lanes?.abandon(lane)
      finishCut(into: &out)
    }
  }

  private func lane(of place: Int, _ key: MessagesEvent.TextKey) -> Int? {
    let wanted = MessagesLaneKey(block: blocks[place].ordinal, text: key)
    if let known = lanes?.lanes.lastIndex(where: { $0.key == wanted }) { return known }
    return lanes?.open(channel: key.channel, key: wanted)
  }

  /// Books what a lane let pass.
  private func note(
    _ place: Int, _ key: MessagesEvent.TextKey, came: UnsafeRawBufferPointer, went: UnsafeRawBufferPointer
  ) {
    if !went.isEmpty { blocks[place].hasEmission = true }
    if key != .partialJSON { deliveredTextBytes &+= went.count }
    if key == .partialJSON {
      blocks[place].arguments += went
      if blocks[place].arguments.count > SSEFramer.eventByteLimit { fail(.tooLarge) }
    }
    if key != .text { blocks[place].comparison.note(came: came, went: went) }
  }

  /// Ends a block's lanes and sends what they release as events of their own.
  func endLanes(of place: Int, into out: inout ByteQueue) -> LaneStep {
    guard lanes != nil else { return .proceed }
    let ordinal = blocks[place].ordinal
    for lane in lanes!.lanes.indices where lanes!.lanes[lane].key.block == ordinal && !lanes!.lanes[lane].hasEnded {
      let step = lanes!.end(lane, scratch)
      let key = lanes!.lanes[lane].key.text
      let emitted = scratch.emitted.readableBytes
      note(place, key, came: UnsafeRawBufferPointer(start: nil, count: 0), went: emitted)
      writeText(emitted, key, of: place, into: &out)
      if step != .proceed {
        lanes!.abandon(lane)
        return step
      }
    }
    blocks[place].comparison.end()
    return .proceed
  }

  /// Sends the text of open blocks that may wait no longer.
  func releaseBlocks(at time: MonotonicTime, into out: inout ByteQueue) {
    guard lanes != nil else { return }
    for place in blocks.indices {
      let ordinal = blocks[place].ordinal
      for lane in lanes!.lanes.indices where lanes!.lanes[lane].key.block == ordinal && !lanes!.lanes[lane].hasEnded {
        let step = lanes!.release(lane, at: time, scratch)
        let key = lanes!.lanes[lane].key.text
        let emitted = scratch.emitted.readableBytes
        note(place, key, came: UnsafeRawBufferPointer(start: nil, count: 0), went: emitted)
        writeText(emitted, key, of: place, into: &out)
        if step == .fail { return fail(.policy) }
        if step == .cut {
          lanes!.abandon(lane)
          return finishCut(into: &out)
        }
      }
    }
  }

  /// Sends text of an open block as an event of its own, or keeps it with the block.
  func writeText(
    _ text: UnsafeRawBufferPointer, _ key: MessagesEvent.TextKey, of place: Int, into out: inout ByteQueue
  ) {
    guard !text.isEmpty else { return }
    lastWasForwarded = false
    if blocks[place].kind == .text { release(place, into: &out) }
    if blocks[place].isHeld {
      MessagesWriter.delta(blocks[place].index, key, text, into: &held)
    } else {
      MessagesWriter.delta(blocks[place].index, key, text, into: &out)
    }
  }
}
