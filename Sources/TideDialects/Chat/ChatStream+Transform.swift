import TideCore

/// The path of events that are decoded.
extension ChatStream {
  /// Decodes one event, runs its texts, and writes what is left of it.
  func transform(_ event: SSEEvent, into out: inout ByteQueue) {
    lastWasForwarded = false
    guard read(event.data) else {
      // Without filters nothing can be bypassed: what cannot be read is the client's to judge.
      if lanes == nil { return forward(event, into: &out) }
      progress = .failed(.malformed)
      return
    }
    scratch.beginEdits()
    let hasUsage = scratch.event.usageStart >= 0
    let hasError = scratch.event.errorStart >= 0
    if hasUsage, let usage = TokenUsage(chat: slice(event.data, scratch.event.usageStart, scratch.event.usageEnd)) {
      reportedUsage = usage
    }
    if scratch.event.choices.isEmpty, hasUsage, !hasError {
      releaseFinish(into: &out)
      if progress.isOver || options.stripUsage { return }
    }
    if template == nil, !scratch.event.choices.isEmpty, lanes != nil || options.mayBeCut {
      template = ChatTemplate(event.data, renameModel: options.renameModel)
    }
    let outcome = runChoices(event.data, into: &out)
    if outcome == .failed {
      progress = .failed(.policy)
      return
    }
    if hasError { noteError(event.data) }
    write(event, hasNews: hasUsage || hasError, into: &out)
    if case .cut(let choice, let lane) = outcome { return finishCut(choice: choice, lane: lane, into: &out) }
    if hasError { progress = .failed(.upstreamError) }
  }

  /// The short way of an event that is like the one before it but for its text: nothing is decoded, and nothing written but the event as it
  /// came, unless its text changes.
  ///
  /// - Returns: false when the event must be decoded. Nothing has happened then.
  func runToken(_ event: SSEEvent, into out: inout ByteQueue) -> Bool {
    guard let plain = shape.plainText, options.renameModel == nil, template != nil, plain.key != .legacyText,
      lanes!.channels.contains(plain.key.channel), let match = shape.match(event.data),
      match.string.end > match.string.start, grammar.isRunning(plain.choice),
      let lane = lanes!.lane(choice: plain.choice, key: plain.key)
    else { return false }
    lastWasForwarded = false
    let content = slice(event.data, match.string.start, match.string.end)
    let result = lanes!.run(lane, content, hasEscapes: match.string.hasEscapes, isLast: false, scratch)
    if result.step == .fail {
      progress = .failed(.policy)
      return true
    }
    let emitted = scratch.emitted.readableBytes
    contentEventCount &+= 1
    deliveredTextBytes &+= emitted.count
    if result.isUnchanged {
      forward(event, into: &out)
    } else {
      shape.fill(&scratch.event, match)
      scratch.beginEdits()
      scratch.replace(match.string, with: emitted)
      let choice = scratch.event.choices[0]
      if choice.logprobsStart >= 0 { scratch.remove(choice.logprobsStart, choice.logprobsEnd) }
      scratch.event.choices[0].isDropped = emitted.isEmpty && !choice.hasOther
      write(event, hasNews: false, into: &out)
    }
    if result.step == .cut { finishCut(choice: plain.choice, lane: lane, into: &out) }
    return true
  }

  /// Decodes into the worker's event. Without filters few events come here, and no two alike.
  @inline(__always)
  private func read(_ data: UnsafeRawBufferPointer) -> Bool {
    guard lanes != nil else { return scratch.event.decode(data) }
    if shape.read(data, into: &scratch.event) { return true }
    guard scratch.event.decode(data) else { return false }
    shape.learn(scratch.event, data)
    return true
  }

  private enum Outcome: Equatable {
    case proceed, failed
    /// `lane` is nil where the text that was cut has none.
    case cut(choice: Int32, lane: Int?)
  }

  /// Runs every choice; notes replacements in the event's texts and cuts in the splices.
  private func runChoices(_ data: UnsafeRawBufferPointer, into out: inout ByteQueue) -> Outcome {
    var hasContent = false
    var outcome = Outcome.proceed
    for place in scratch.event.choices.indices {
      let choice = scratch.event.choices[place]
      guard grammar.begin(choice.index) else {
        scratch.event.choices[place].isDropped = true
        continue
      }
      if choice.hasToolCalls { hasContent = true }
      let isNewRole = choice.hasRole && grammar.noteRole(choice.index)
      var hasOther = choice.hasOther
      var carriesText = false
      var isEdited = false
      var isEmptied = true
      for text in choice.firstText..<choice.endText {
        let item = scratch.event.texts[text]
        if item.isEmpty { continue }
        hasContent = true
        if item.key == .legacyText { isLegacy = true }
        guard lanes != nil, lanes!.channels.contains(item.key.channel) else {
          carriesText = true
          deliveredTextBytes &+= item.string.end &- item.string.start
          continue
        }
        if outcome != .proceed {
          // The answer was cut before this text.
          scratch.replace(item.string, with: UnsafeRawBufferPointer(start: nil, count: 0))
          isEdited = true
          continue
        }
        guard let lane = lanes!.lane(choice: choice.index, key: item.key) else { return .failed }
        let isLast = choice.isFinish && !hasLaterText(of: item.key, after: text, choice.endText)
        let content = slice(data, item.string.start, item.string.end)
        let result = lanes!.run(lane, content, hasEscapes: item.string.hasEscapes, isLast: isLast, scratch)
        if result.step == .fail { return .failed }
        let emitted = scratch.emitted.readableBytes
        deliveredTextBytes &+= emitted.count
        if !emitted.isEmpty { isEmptied = false }
        if !result.isUnchanged {
          scratch.replace(item.string, with: emitted)
          isEdited = true
        }
        if result.step == .cut { outcome = .cut(choice: choice.index, lane: lane) }
      }
      if choice.hasToolCalls {
        if outcome == .proceed {
          outcome = countCalls(slice(data, choice.toolCalls.lowerBound, choice.toolCalls.upperBound), of: choice.index)
          if outcome == .failed { return .failed }
        }
        if outcome != .proceed {
          // The answer was cut before these.
          scratch.splice(choice.toolCalls.lowerBound, choice.toolCalls.upperBound, with: "null")
          hasOther = choice.hasExtras
          isEdited = true
        }
      }
      var carriesNews = hasOther || carriesText || choice.isFinish || isNewRole
      if choice.isFinish {
        if outcome == .proceed {
          outcome = endLanes(of: choice.index, into: &out)
          if outcome == .failed { return .failed }
        }
        if outcome == .proceed {
          grammar.finish(choice.index, reason(choice, data))
        } else {
          // The finish that was to come gives way to the cut's.
          scratch.splice(choice.finishStart, choice.finishEnd, with: "null")
          carriesNews = hasOther || carriesText || isNewRole
          isEdited = true
        }
      }
      if isEdited, choice.logprobsStart >= 0 {
        scratch.remove(choice.logprobsStart, choice.logprobsEnd)
      }
      scratch.event.choices[place].isDropped = isEdited && isEmptied && !carriesNews
    }
    if hasContent { contentEventCount &+= 1 }
    return outcome
  }

  /// Has the arguments of tool calls counted, which pass as they came.
  private func countCalls(_ list: UnsafeRawBufferPointer, of choice: Int32) -> Outcome {
    guard let lanes, lanes.countedChannels.contains(.toolArgs) else { return .proceed }
    var step = LaneStep.proceed
    _ = ChatCallArguments.each(list) { content, hasEscapes in
      step = lanes.count(.toolArgs, content, hasEscapes: hasEscapes)
      return step == .proceed
    }
    return step == .proceed ? .proceed : step == .cut ? .cut(choice: choice, lane: nil) : .failed
  }

  /// Ends a choice's lanes and sends what they release as events of their own.
  private func endLanes(of choice: Int32, into out: inout ByteQueue) -> Outcome {
    guard lanes != nil else { return .proceed }
    for lane in lanes!.lanes.indices where lanes!.lanes[lane].id.choice == choice {
      let step = lanes!.end(lane, scratch)
      writeEmitted(lane, into: &out)
      if step == .fail { return .failed }
      if step == .cut { return .cut(choice: choice, lane: lane) }
    }
    return .proceed
  }

  /// Sends what the processor appended for a lane as an event of its own.
  func writeEmitted(_ lane: Int, into out: inout ByteQueue) {
    let emitted = scratch.emitted.readableBytes
    guard !emitted.isEmpty, let item = lanes?.lanes[lane] else { return }
    writeText(emitted, choice: item.id.choice, key: item.key, into: &out)
  }

  func writeText(_ text: UnsafeRawBufferPointer, choice: Int32, key: ChatEvent.TextKey, into out: inout ByteQueue) {
    guard !text.isEmpty else { return }
    let withRole = grammar.noteRole(choice)
    currentTemplate.writeText(text, choice: choice, key: key, withRole: withRole, into: &out)
    deliveredTextBytes &+= text.count
    lastWasForwarded = false
  }

  /// The shared members, made up when the upstream has sent no event yet.
  var currentTemplate: ChatTemplate {
    template ?? ChatTemplate(id: "chatcmpl-tidegate", model: options.renameModel ?? "", created: 0)
  }

  private func hasLaterText(of key: ChatEvent.TextKey, after text: Int, _ end: Int) -> Bool {
    var next = text &+ 1
    while next < end {
      let item = scratch.event.texts[next]
      if item.key == key, !item.isEmpty { return true }
      next &+= 1
    }
    return false
  }

  private func reason(_ choice: ChatEvent.Choice, _ data: UnsafeRawBufferPointer) -> String {
    guard choice.finishEnd &- choice.finishStart > 2 else { return "" }
    return JSONText.string(slice(data, choice.finishStart &+ 1, choice.finishEnd &- 1))
  }

  // MARK: Writing

  /// Writes the event in hand with its edits, or nothing when it has nothing left to say.
  private func write(_ event: SSEEvent, hasNews: Bool, into out: inout ByteQueue) {
    let choices = scratch.event.choices
    let droppedCount = choices.reduce(0) { $0 &+ ($1.isDropped ? 1 : 0) }
    if droppedCount > 0 {
      if droppedCount == choices.count, !hasNews { return }
      scratch.removeElements(choices.map { $0.start..<$0.end }) { choices[$0].isDropped }
    }
    if scratch.hasEdits, scratch.event.obfuscationStart >= 0 {
      scratch.remove(scratch.event.obfuscationStart, scratch.event.obfuscationEnd)
    }
    if let name = options.renameModel, let model = scratch.event.model {
      scratch.splice(model.start &- 1, model.end &+ 1, with: JSONText.quoted(name))
    }
    let waits = options.holdFinishForUsage && !answerHasEnded && choices.contains { $0.isFinish && !$0.isDropped }
    if waits {
      scratch.write(event, into: &heldFinish)
    } else {
      scratch.write(event, into: &out)
      lastWasForwarded = event.dataLineCount == 1 || !scratch.hasEdits
    }
  }

  private func noteError(_ data: UnsafeRawBufferPointer) {
    upstreamErrorCode = ErrorShape.code(slice(data, scratch.event.errorStart, scratch.event.errorEnd))
  }

  @inline(__always)
  func slice(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }
}
