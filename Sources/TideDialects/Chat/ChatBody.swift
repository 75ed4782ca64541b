import TideCore

/// The transformer of one answer that is not streamed: each text is its lane's only delta.
public final class ChatBody {
  private let options: ChatStreamOptions
  private let scratch: DialectScratch
  private var reportedUsage: TokenUsage?

  public private(set) var finishReasons: [FinishReason] = []
  public private(set) var deliveredTextBytes = 0

  public init(options: ChatStreamOptions) {
    self.options = options
    scratch = options.scratch ?? DialectScratch()
  }

  /// The upstream's figures, or an estimate from the answer's bytes while there are none.
  public var usage: TokenUsage {
    reportedUsage
      ?? TokenUsage(prompt: options.promptTokensEstimate, completion: (deliveredTextBytes &+ 3) / 4)
  }

  public var usageSource: TokenUsage.Source { reportedUsage == nil ? .counted : .upstream }

  /// Reads a whole `chat.completion`, runs its texts, and gives the body to send.
  ///
  /// Without a processor a body that is not the dialect's JSON passes as it is.
  public func transform(_ body: [UInt8]) -> BodyOutcome {
    body.withUnsafeBytes { transform($0, body) }
  }

  private func transform(_ data: UnsafeRawBufferPointer, _ body: [UInt8]) -> BodyOutcome {
    guard scratch.event.decode(data) else { return options.processor == nil ? .body(body) : .failed(.malformed) }
    let event = scratch.event
    if event.usageStart >= 0 {
      reportedUsage = TokenUsage(chat: UnsafeRawBufferPointer(rebasing: data[event.usageStart..<event.usageEnd]))
    }
    scratch.beginEdits()
    var lanes = options.processor.map { ChatLanes($0) }
    var cut: LaneCut?
    // Last words that are yet to find their place.
    var words = ""
    for choice in event.choices {
      var isEdited = false
      let wasCut = cut != nil
      for place in choice.firstText..<choice.endText where !event.texts[place].isEmpty {
        let text = event.texts[place]
        guard lanes != nil, lanes!.channels.contains(text.key.channel) else {
          deliveredTextBytes &+= text.string.end &- text.string.start
          continue
        }
        if cut != nil {
          if text.key.channel == .text {
            words.withUTF8 { scratch.replace(text.string, with: UnsafeRawBufferPointer($0)) }
            deliveredTextBytes &+= words.utf8.count
            words = ""
          } else {
            scratch.replace(text.string, with: UnsafeRawBufferPointer(start: nil, count: 0))
          }
          isEdited = true
          continue
        }
        guard let lane = lanes!.lane(choice: choice.index, key: text.key) else { return .failed(.malformed) }
        let content = UnsafeRawBufferPointer(rebasing: data[text.string.start..<text.string.end])
        let isLast = !(place + 1..<choice.endText).contains {
          event.texts[$0].key == text.key && !event.texts[$0].isEmpty
        }
        let result = lanes!.run(
          lane, content, hasEscapes: text.string.hasEscapes, isLast: isLast, scratch)
        if result.step == .fail { return .failed(.policy) }
        if result.step == .cut {
          let reason = options.processor?.cut ?? LaneCut()
          cut = reason
          if text.key.channel == .text { scratch.emitted.append(reason.text) } else { words = reason.text }
        }
        deliveredTextBytes &+= scratch.emitted.byteCount
        guard !result.isUnchanged || result.step == .cut else { continue }
        scratch.replace(text.string, with: scratch.emitted.readableBytes)
        isEdited = true
      }
      var keptCalls = 0
      if cut == nil, choice.hasToolCalls, let lanes, lanes.countedChannels.contains(.toolArgs) {
        var step = LaneStep.proceed
        keptCalls = ChatCallArguments.each(UnsafeRawBufferPointer(rebasing: data[choice.toolCalls])) {
          step = lanes.count(.toolArgs, $0, hasEscapes: $1)
          return step == .proceed
        }
        if step == .fail { return .failed(.policy) }
        if step == .cut { cut = options.processor?.cut ?? LaneCut() }
      }
      if let cut {
        if choice.finishStart >= 0 {
          scratch.splice(choice.finishStart, choice.finishEnd, with: JSONText.quoted(cut.finishReason))
        }
        // What the choice calls was said behind its text.
        if choice.hasToolCalls, keptCalls > 0 {
          let calls = JSONMembers.elements(data, choice.toolCalls) ?? []
          scratch.removeElements(calls) { $0 >= keptCalls }
        } else if choice.hasToolCalls {
          scratch.splice(choice.toolCalls.lowerBound, choice.toolCalls.upperBound, with: "null")
        }
        if !wasCut, !words.isEmpty, choice.nullContentStart >= 0 {
          scratch.splice(choice.nullContentStart, choice.nullContentStart + 4, with: JSONText.quoted(words))
        }
        words = ""
        finishReasons.append(FinishReason(choice: choice.index, reason: cut.finishReason))
      } else if choice.isFinish {
        let reason = data[choice.finishStart + 1..<choice.finishEnd - 1]
        finishReasons.append(
          FinishReason(choice: choice.index, reason: JSONText.string(UnsafeRawBufferPointer(rebasing: reason))))
      }
      if isEdited, choice.logprobsStart >= 0 {
        scratch.remove(choice.logprobsStart, choice.logprobsEnd)
      }
    }
    if let name = options.renameModel, let model = event.model {
      scratch.splice(model.start - 1, model.end + 1, with: JSONText.quoted(name))
    }
    let edited = scratch.hasEdits ? scratch.edited(data) : body
    return cut == nil ? .body(edited) : .cut(edited)
  }
}
