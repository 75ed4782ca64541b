import TideCore

/// The texts of the answer on their way through the lanes, and what repeats them.
extension ResponsesStream {
  // MARK: Beginnings

  func addItem(_ event: SSEEvent, into out: inout ByteQueue) {
    let content = scratch.responsesEvent
    guard remembers, let item = content.items.first else { return send(event, into: &out) }
    let place = output.add(id: item.id.map { slice(event.data, $0.start..<$0.end) }, outputIndex: content.outputIndex)
    var step = LaneStep.proceed
    for text in content.texts {
      let part = output.add(text.key, index: text.index, to: place)
      output.parts[part].isAnnounced = true
      if step == .proceed { step = begin(part, with: text, event.data) }
    }
    if step == .fail { return fail(.policy) }
    send(event, into: &out)
    output.set(scratch.edited(event.data, in: item.range), isDone: false, of: place)
    if output.isOverLimit { fail(.tooLarge) }
    if step == .cut { finishCut(into: &out) }
  }

  func addPart(_ event: SSEEvent, into out: inout ByteQueue) {
    let content = scratch.responsesEvent
    guard remembers, let text = content.texts.first else { return send(event, into: &out) }
    let part = part(of: content, event.data, text.key)
    output.parts[part].isAnnounced = true
    let step = begin(part, with: text, event.data)
    if step == .fail { return fail(.policy) }
    send(event, into: &out)
    if step == .cut { finishCut(into: &out) }
  }

  /// Takes the text that a part begins with, nearly always none.
  private func begin(_ part: Int, with text: ResponsesEvent.Text, _ data: UnsafeRawBufferPointer) -> LaneStep {
    guard !text.isEmpty else { return .proceed }
    let step = take(text.string, data, of: part, isLast: false)
    output.parts[part].sentByteCount = output.parts[part].text.count
    return step
  }

  // MARK: Deltas

  func takeDelta(_ event: SSEEvent, into out: inout ByteQueue) {
    let content = scratch.responsesEvent
    guard let delta = content.delta, delta.end > delta.start else { return send(event, into: &out) }
    guard remembers else {
      contentEventCount &+= 1
      if content.textKey.channel != .toolArgs { deliveredTextBytes &+= delta.end &- delta.start }
      return send(event, into: &out)
    }
    let part = part(of: content, event.data, content.textKey)
    // Nothing of a text follows its end.
    if output.parts[part].isTextDone { return drop() }
    let step = take(delta, event.data, of: part, isLast: false)
    if step == .fail { return fail(.policy) }
    if scratch.hasEdits {
      if let logprobs = content.logprobs { scratch.splice(logprobs.lowerBound, logprobs.upperBound, with: "[]") }
      if !content.obfuscation.isEmpty { scratch.remove(content.obfuscation.lowerBound, content.obfuscation.upperBound) }
    }
    if output.parts[part].sentByteCount < output.parts[part].text.count {
      output.parts[part].sentByteCount = output.parts[part].text.count
      send(event, into: &out)
    } else {
      drop()
    }
    if step == .cut { finishCut(into: &out) }
  }

  /// The part that the event in hand speaks of.
  private func part(of content: ResponsesEvent, _ data: UnsafeRawBufferPointer, _ key: ResponsesTextKey) -> Int {
    let item = item(of: content, data)
    return output.part(of: item, key, index: content.partIndex)
      ?? output.add(key, index: content.partIndex, to: item)
  }

  private func item(of content: ResponsesEvent, _ data: UnsafeRawBufferPointer) -> Int {
    let id = content.itemID.map { slice(data, $0.start..<$0.end) }
    return output.item(id: id, outputIndex: content.outputIndex) ?? output.add(id: id, outputIndex: content.outputIndex)
  }

  /// Takes a text that the client has not seen: through its lane where a processor wants it. What is left of it stands in the part, and
  /// in the event's edits.
  func take(_ text: JSONString, _ data: UnsafeRawBufferPointer, of part: Int, isLast: Bool) -> LaneStep {
    contentEventCount &+= 1
    let bytes = slice(data, text.start..<text.end)
    let channel = output.parts[part].key.channel
    let before = output.parts[part].text.count
    var step = LaneStep.proceed
    if lanes != nil, lanes!.channels.contains(channel) {
      if output.parts[part].lane < 0 {
        guard let lane = lanes!.open(channel: channel, key: ()) else { return failed(.malformed) }
        output.parts[part].lane = lane
      }
      let lane = output.parts[part].lane
      let result = lanes!.run(lane, bytes, hasEscapes: text.hasEscapes, isLast: isLast, scratch)
      step = result.step
      let emitted = scratch.emitted.readableBytes
      output.parts[part].comparison.note(came: result.text, went: emitted)
      output.append(emitted, to: part)
      if !result.isUnchanged { scratch.replace(text, with: emitted) }
      if step == .cut { lanes!.abandon(lane) }
      if isLast, step == .proceed, !endIsValid(part) { return failed(.policy) }
    } else {
      step = lanes?.count(channel, bytes, hasEscapes: text.hasEscapes) ?? .proceed
      if step == .proceed {
        output.append(bytes, to: part)
      } else {
        // The answer ends before it.
        scratch.replace(text, with: UnsafeRawBufferPointer(start: nil, count: 0))
      }
    }
    if channel != .toolArgs { deliveredTextBytes &+= output.parts[part].text.count &- before }
    return output.isOverLimit ? failed(.tooLarge) : step
  }

  private func failed(_ failure: StreamFailure) -> LaneStep {
    fail(failure)
    return .fail
  }

  /// Whether a text that has ended is what its kind must be: a policy must not make arguments that are no JSON.
  private func endIsValid(_ part: Int) -> Bool {
    output.parts[part].comparison.end()
    return !output.parts[part].key.isJSON || !output.parts[part].comparison.isAltered
      || JSONText.isValue(output.parts[part].text)
  }

  // MARK: Ends

  /// Ends the lanes of some parts and sends what they release as deltas of their own.
  ///
  /// - Returns: false when the answer ended with it.
  func endLanes(of places: some Sequence<Int>, into out: inout ByteQueue) -> Bool {
    guard lanes != nil else { return true }
    for place in places {
      let lane = output.parts[place].lane
      guard lane >= 0, !lanes!.lanes[lane].hasEnded else { continue }
      let step = endLane(of: place)
      writeUnsent(place, into: &out)
      switch step {
      case .proceed: break
      case .cut:
        drop()
        finishCut(into: &out)
        return false
      case .fail:
        fail(.policy)
        return false
      }
    }
    return true
  }

  /// Sends the text of parts that may wait no longer.
  func releaseParts(at time: MonotonicTime, into out: inout ByteQueue) {
    guard lanes != nil else { return }
    for place in output.parts.indices where output.parts[place].lane >= 0 {
      let lane = output.parts[place].lane
      let step = lanes!.release(lane, at: time, scratch)
      let emitted = scratch.emitted.readableBytes
      output.parts[place].comparison.note(came: UnsafeRawBufferPointer(start: nil, count: 0), went: emitted)
      output.append(emitted, to: place)
      if output.parts[place].key.channel != .toolArgs { deliveredTextBytes &+= emitted.count }
      writeUnsent(place, into: &out)
      if step == .fail { return fail(.policy) }
      if output.isOverLimit { return fail(.tooLarge) }
      if step == .cut {
        lanes!.abandon(lane)
        return finishCut(into: &out)
      }
    }
  }

  /// Ends a part's lane; what it releases is left in the part.
  func endLane(of part: Int) -> LaneStep {
    let lane = output.parts[part].lane
    let step = lanes!.end(lane, scratch)
    let emitted = scratch.emitted.readableBytes
    output.parts[part].comparison.note(came: UnsafeRawBufferPointer(start: nil, count: 0), went: emitted)
    output.append(emitted, to: part)
    if output.parts[part].key.channel != .toolArgs { deliveredTextBytes &+= emitted.count }
    if step == .cut { lanes!.abandon(lane) }
    if step == .proceed, !endIsValid(part) { return .fail }
    return step
  }

  /// Takes an event that repeats a text, or all texts of an item, at its end.
  func takeEnd(_ event: SSEEvent, into out: inout ByteQueue) {
    let content = scratch.responsesEvent
    guard remembers else { return send(event, into: &out) }
    if content.kind == .itemDone, let item = content.items.first {
      let id = item.id.map { slice(event.data, $0.start..<$0.end) }
      let place =
        output.item(id: id, outputIndex: content.outputIndex) ?? output.add(id: id, outputIndex: content.outputIndex)
      guard endLanes(of: output.parts.indices.filter { output.parts[$0].item == place }, into: &out),
        repeatItem(item, content, event.data, as: place, into: &out)
      else { return }
      send(event, into: &out)
      output.set(scratch.edited(event.data, in: item.range), isDone: true, of: place)
      for part in output.parts.indices where output.parts[part].item == place { noteDone(part, isWhole: true) }
    } else if let text = content.texts.first {
      let item = item(of: content, event.data)
      if let part = output.part(of: item, text.key, index: text.index) {
        guard endLanes(of: CollectionOfOne(part), into: &out) else { return }
      }
      guard repeatText(text, of: item, ordinal: 0, event.data, into: &out) else { return }
      send(event, into: &out)
      if let part = output.part(of: item, text.key, index: text.index) {
        noteDone(part, isWhole: content.kind == .partDone)
      }
    } else {
      send(event, into: &out)
    }
    if output.isOverLimit { fail(.tooLarge) }
  }

  private func noteDone(_ part: Int, isWhole: Bool) {
    output.parts[part].isTextDone = true
    if isWhole { output.parts[part].isDone = true }
    output.parts[part].sentByteCount = output.parts[part].text.count
  }
}
