import TideCore

/// The transformer of one streamed Messages answer (Anthropic).
///
/// Keeps the dialect's grammar whatever the upstream and the policies do: one beginning, blocks that open and close in pairs with
/// rising indexes from 0, a stop reason after the last block, one end. What cannot be made grammatical fails the answer.
public final class MessagesStream: NamedEventStream {
  var lanes: LaneSet<MessagesLaneKey>?
  /// Blocks that have begun and not ended; one in every honest stream.
  var blocks = ContiguousArray<MessagesBlock>()
  /// Blocks that the client has been told of: the next one's index.
  var blockCount: Int32 = 0
  private var startedCount: Int32 = 0
  var hasStarted = false
  /// The stop reason has been sent.
  var hasFinished = false
  var reportedUsage = MessagesUsage()
  private var hasFinalUsage = false
  /// The events of the block that is held, as they are to go out.
  var held = ByteQueue()
  /// The same as they came: signed thinking goes so or not at all.
  var heldUnedited = ByteQueue()
  /// Where the last event went besides, or instead: the line feed that may still belong to it goes there too.
  private var lastWasHeld = false
  var lastWasKeptUnedited = false

  override public init(options: ChatStreamOptions) {
    super.init(options: options)
    lanes = options.processor.map { LaneSet($0) }
  }

  override public var usage: TokenUsage {
    reportedUsage.tokens(
      promptEstimate: options.promptTokensEstimate, outputAtLeast: hasFinalUsage ? 0 : contentEventCount)
  }

  override public var usageSource: TokenUsage.Source { hasFinalUsage ? .upstream : .counted }

  override func handle(_ event: SSEEvent, into out: inout ByteQueue) {
    lastWasForwarded = false
    lastWasHeld = false
    lastWasKeptUnedited = false
    guard scratch.messagesEvent.decode(event.data) else {
      // Without filters nothing can be bypassed: what cannot be read is the client's to judge.
      if lanes == nil { return forward(event, into: &out) }
      progress = .failed(.malformed)
      return
    }
    let content = scratch.messagesEvent
    scratch.beginEdits()
    switch content.kind {
    case .ping, .other: forward(event, into: &out)
    case .error:
      if let error = content.error { upstreamErrorCode = ErrorShape.code(slice(event.data, error)) }
      forward(event, into: &out)
      progress = .failed(.upstreamError)
    case .messageStart:
      guard !hasStarted, !content.hasContent else { return fail(.malformed) }
      hasStarted = true
      if let usage = content.usage { reportedUsage.merge(slice(event.data, usage)) }
      forward(event, into: &out)
    case .blockStart: beginBlock(event, content, into: &out)
    case .blockDelta:
      guard let place = openBlock(content.index) else { return fail(.malformed) }
      renumber(content, to: blocks[place].index)
      takeDelta(event, content, of: place, into: &out)
    case .blockStop:
      guard let place = openBlock(content.index) else { return fail(.malformed) }
      closeBlock(place, with: event, content, into: &out)
    case .messageDelta: finish(event, content, into: &out)
    case .messageStop:
      guard hasStarted, closeBlocks(into: &out) else { return fail(.malformed) }
      forward(event, into: &out)
      progress = .complete
    }
  }

  override func savepoint() -> () -> Void {
    let restore = super.savepoint()
    let held = [UInt8](held.readableBytes)
    let heldUnedited = [UInt8](heldUnedited.readableBytes)
    return {
      [
        self, lanes, blocks, blockCount, startedCount, hasStarted, hasFinished, reportedUsage, hasFinalUsage,
        lastWasHeld, lastWasKeptUnedited
      ] in
      restore()
      self.lanes = lanes
      self.blocks = blocks
      self.blockCount = blockCount
      self.startedCount = startedCount
      self.hasStarted = hasStarted
      self.hasFinished = hasFinished
      self.reportedUsage = reportedUsage
      self.hasFinalUsage = hasFinalUsage
      self.lastWasHeld = lastWasHeld
      self.lastWasKeptUnedited = lastWasKeptUnedited
      dropHeld()
      self.held.append(held)
      self.heldUnedited.append(heldUnedited)
    }
  }

  override func takeTerminatorTail(_ event: SSEEvent, into out: inout ByteQueue) {
    if lastWasHeld { held.append(event.raw) }
    if lastWasKeptUnedited { heldUnedited.append(event.raw) }
    super.takeTerminatorTail(event, into: &out)
  }

  override func releaseLanes(at time: MonotonicTime, into out: inout ByteQueue) { releaseBlocks(at: time, into: &out) }

  override func writeCut(_ cut: LaneCut, into out: inout ByteQueue) { endEarly(cut, into: &out) }

  override func endWithoutMarker(into out: inout ByteQueue) {
    // Everything was said but the last word.
    guard hasFinished else { return }
    MessagesWriter.stop(into: &out)
    progress = .complete
  }

  override func writeFailure(_ failure: StreamFailure, into out: inout ByteQueue) {
    let status =
      switch failure {
      case .timedOut: 504
      case .drained: 529
      default: 500
      }
    out.append("event: error\ndata: ")
    ErrorShape.writeAnthropic(status: status, message: failure.message, type: nil, requestID: nil, into: &out)
    out.append("\n\n")
  }

  // MARK: Blocks

  private func openBlock(_ index: Int32) -> Int? { blocks.lastIndex { $0.upstreamIndex == index } }

  private func renumber(_ content: MessagesEvent, to index: Int32) {
    guard content.index != index else { return }
    scratch.splice(content.indexRange.lowerBound, content.indexRange.upperBound, with: Array("\(index)".utf8))
  }

  private func beginBlock(_ event: SSEEvent, _ content: MessagesEvent, into out: inout ByteQueue) {
    guard hasStarted, !hasFinished, startedCount < LaneSet<MessagesLaneKey>.laneLimit else { return fail(.malformed) }
    if let place = openBlock(content.index), !closeBlock(place, with: nil, content, into: &out) { return }
    if let place = blocks.lastIndex(where: \.isHeld) {
      // Thinking that waits for its end cannot be overtaken: its index would not be known.
      guard blocks[place].kind == .text else { return fail(.malformed) }
      release(place, into: &out)
    }
    let kind: MessagesBlock.Kind = content.text == nil ? .other : content.textKey == .text ? .text : .thinking
    var block = MessagesBlock(
      ordinal: startedCount, upstreamIndex: content.index, index: blockCount, kind: kind)
    startedCount &+= 1
    block.isSigned = content.hasSignature
    block.isHeld = kind != .other && lanes?.channels.contains(content.textKey.channel) ?? false
    if !block.isHeld { blockCount &+= 1 }
    blocks.append(block)
    renumber(content, to: block.index)
    takeDelta(event, content, of: blocks.count &- 1, isBeginning: true, into: &out)
  }

  /// Sends the beginning of a text block that waited for its first text.
  func release(_ place: Int, into out: inout ByteQueue) {
    guard blocks[place].isHeld else { return }
    blocks[place].isHeld = false
    blockCount &+= 1
    out.append(held.readableBytes)
    dropHeld()
  }

  func dropHeld() {
    held.removeAll()
    heldUnedited.removeAll()
  }

  /// Sends the event in hand, or keeps it with its block.
  func send(_ event: SSEEvent, of place: Int, into out: inout ByteQueue) {
    guard blocks[place].isHeld else { return writeEdited(event, into: &out) }
    scratch.write(event, into: &held)
    lastWasHeld = true
    if held.byteCount > SSEFramer.eventByteLimit { fail(.tooLarge) }
  }

  /// Ends a block's lanes and then the block, with the upstream's event or one of the gateway's own.
  ///
  /// - Returns: false when the answer ended with it.
  @discardableResult
  private func closeBlock(
    _ place: Int, with event: SSEEvent?, _ content: MessagesEvent, into out: inout ByteQueue
  ) -> Bool {
    switch endLanes(of: place, into: &out) {
    case .proceed: break
    case .cut:
      finishCut(into: &out)
      return false
    case .fail:
      fail(.policy)
      return false
    }
    let block = blocks.remove(at: place)
    if block.comparison.isAltered, !block.arguments.isEmpty, !JSONText.isValue(block.arguments) {
      // What a policy made of the arguments is no JSON: the client must not take them for a call.
      fail(.policy)
      return false
    }
    if block.isHeld {
      let isDropped = writeHeld(block, into: &out)
      dropHeld()
      if isDropped { return true }
      blockCount &+= 1
    }
    if let event {
      renumber(content, to: block.index)
      writeEdited(event, into: &out)
    } else {
      MessagesWriter.blockStop(block.index, into: &out)
    }
    return true
  }

  /// Sends what was held of a block that has ended.
  ///
  /// - Returns: true when nothing is left of it, so that the client must not see the block at all.
  private func writeHeld(_ block: MessagesBlock, into out: inout ByteQueue) -> Bool {
    if block.kind == .text {
      if block.hasText { return true }
      out.append(held.readableBytes)
    } else if !block.comparison.isAltered {
      out.append(heldUnedited.readableBytes)
    } else {
      if block.isSigned || !block.hasEmission { return true }
      out.append(held.readableBytes)
    }
    return false
  }

  /// Ends the blocks that the upstream left open.
  private func closeBlocks(into out: inout ByteQueue) -> Bool {
    while !blocks.isEmpty {
      guard closeBlock(0, with: nil, MessagesEvent(), into: &out) else { return false }
    }
    return true
  }

  // MARK: The end

  private func finish(_ event: SSEEvent, _ content: MessagesEvent, into out: inout ByteQueue) {
    guard hasStarted else { return fail(.malformed) }
    if let usage = content.usage {
      reportedUsage.merge(slice(event.data, usage))
      hasFinalUsage = true
    }
    if let reason = content.stopReason, !hasFinished {
      guard closeBlocks(into: &out) else { return }
      if options.holdFinishForUsage {
        switch options.processor?.answerEnd(usage) ?? .proceed {
        case .proceed: break
        case .cut: return finishCut(into: &out)
        case .fail: return fail(.policy)
        }
      }
      hasFinished = true
      let text = JSONText.string(slice(event.data, reason.start..<reason.end))
      finishReasons = [FinishReason(choice: 0, reason: text)]
    }
    forward(event, into: &out)
  }
}
