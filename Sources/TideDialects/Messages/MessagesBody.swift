import TideCore

/// The transformer of one Messages answer that is not streamed: each text is its lane's only delta.
public final class MessagesBody {
  private let options: ChatStreamOptions
  private let scratch: DialectScratch
  private var reportedUsage: MessagesUsage?

  public private(set) var finishReasons: [FinishReason] = []
  public private(set) var deliveredTextBytes = 0

  public init(options: ChatStreamOptions) {
    self.options = options
    scratch = options.scratch ?? DialectScratch()
  }

  /// The upstream's figures, or an estimate from the answer's bytes while there are none.
  public var usage: TokenUsage {
    reportedUsage?.tokens(promptEstimate: options.promptTokensEstimate, outputAtLeast: 0)
      ?? TokenUsage(prompt: options.promptTokensEstimate, completion: (deliveredTextBytes &+ 3) / 4)
  }

  public var usageSource: TokenUsage.Source { reportedUsage == nil ? .counted : .upstream }

  /// Reads a whole message, runs its texts, and gives the body to send.
  ///
  /// Without a processor a body that is not the dialect's JSON passes as it is.
  public func transform(_ body: [UInt8]) -> BodyOutcome {
    body.withUnsafeBytes { transform($0, body) }
  }

  private func transform(_ data: UnsafeRawBufferPointer, _ body: [UInt8]) -> BodyOutcome {
    guard let content = MessagesContent(data) else {
      return options.processor == nil ? .body(body) : .failed(.malformed)
    }
    if let usage = content.usage {
      var reported = MessagesUsage()
      reported.merge(UnsafeRawBufferPointer(rebasing: data[usage]))
      reportedUsage = reported
    }
    scratch.beginEdits()
    var isCut = false
    if let processor = options.processor {
      switch run(content, data, LaneSet(processor)) {
      case .proceed: break
      case .cut: isCut = true
      case .fail: return .failed(.policy)
      }
    } else {
      for block in content.blocks { deliveredTextBytes &+= block.text.map { $0.end &- $0.start } ?? 0 }
    }
    if isCut {
      let reason = MessagesWriter.stopReason(options.processor?.cut.finishReason ?? "content_filter")
      if let range = content.stopReason {
        scratch.splice(range.lowerBound, range.upperBound, with: JSONText.quoted(reason))
      }
      if let range = content.stopSequence { scratch.splice(range.lowerBound, range.upperBound, with: "null") }
      finishReasons = [FinishReason(choice: 0, reason: reason)]
    } else if let range = content.stopReason, let reason = JSONText.string(json: body[range]) {
      finishReasons = [FinishReason(choice: 0, reason: reason)]
    }
    let edited = scratch.hasEdits ? scratch.edited(data) : body
    return isCut ? .cut(edited) : .body(edited)
  }

  /// Runs the blocks one after the other and notes the edits.
  private func run(
    _ content: MessagesContent, _ data: UnsafeRawBufferPointer, _ set: consuming LaneSet<Void>
  ) -> LaneStep {
    var lanes = set
    var isDropped = [Bool](repeating: false, count: content.blocks.count)
    var ending: LaneStep?
    var lastWords = ""
    for (place, block) in content.blocks.enumerated() {
      if ending != nil {
        isDropped[place] = true
        continue
      }
      guard let key = block.key, lanes.channels.contains(key.channel) else {
        switch count(block, data, lanes) {
        case .proceed: break
        case .cut:
          ending = .cut
          isDropped[place] = true
          continue
        case .fail: return .fail
        }
        deliveredTextBytes &+= block.text.map { $0.end &- $0.start } ?? 0
        continue
      }
      guard let range = block.input ?? block.text.map({ $0.start..<$0.end }), !range.isEmpty else { continue }
      guard let lane = lanes.open(channel: key.channel, key: ()) else { return .fail }
      let text = UnsafeRawBufferPointer(rebasing: data[range])
      let result = lanes.run(lane, text, hasEscapes: block.text?.hasEscapes ?? false, isLast: true, scratch)
      if result.step == .fail { return .fail }
      if result.step == .cut {
        ending = .cut
        let words = options.processor?.cut.text ?? ""
        if key == .text { scratch.emitted.append(words) } else { lastWords = words }
      }
      switch key {
      case .text: isDropped[place] = !replaceText(block.text, isUnchanged: result.isUnchanged)
      case .thinking:
        // Signed thinking goes as it came or not at all, and so does what was cut short.
        isDropped[place] = ending != nil || block.isSigned && !result.isUnchanged
        if !isDropped[place] { isDropped[place] = !replaceText(block.text, isUnchanged: result.isUnchanged) }
      case .partialJSON:
        isDropped[place] = ending != nil
        if ending == nil, !result.isUnchanged {
          let edited = [UInt8](scratch.emitted.readableBytes)
          guard JSONText.isValue(edited) else { return .fail }
          scratch.splice(range.lowerBound, range.upperBound, with: edited)
        }
      }
    }
    scratch.removeElements(content.blocks.map(\.range)) { isDropped[$0] }
    if !lastWords.isEmpty { add(lastWords, content, isDropped) }
    return ending ?? .proceed
  }

  /// Has a block counted that passes as it came.
  private func count(
    _ block: MessagesContent.Block, _ data: UnsafeRawBufferPointer, _ lanes: borrowing LaneSet<Void>
  ) -> LaneStep {
    guard let key = block.key, let range = block.input ?? block.text.map({ $0.start..<$0.end }) else { return .proceed }
    let content = UnsafeRawBufferPointer(rebasing: data[range])
    return lanes.count(key.channel, content, hasEscapes: block.text?.hasEscapes ?? false)
  }

  /// Puts what was emitted in the place of a text.
  ///
  /// - Returns: false when nothing is left: Anthropic refuses messages that hold an empty block.
  private func replaceText(_ string: JSONString?, isUnchanged: Bool) -> Bool {
    let emitted = scratch.emitted.readableBytes
    deliveredTextBytes &+= emitted.count
    if let string, !isUnchanged { scratch.replace(string, with: emitted) }
    return !emitted.isEmpty
  }

  /// Adds a text block at the end, where a block that is no text was cut and dropped.
  private func add(_ text: String, _ content: MessagesContent, _ isDropped: [Bool]) {
    let block = Array(#"{"type":"text","text":"#.utf8) + JSONText.quoted(text) + [UInt8(ascii: "}")]
    let end = content.blocks[content.blocks.count - 1].range.upperBound
    scratch.splice(end, end, with: (isDropped.contains(false) ? [UInt8(ascii: ",")] : []) + block)
    deliveredTextBytes &+= text.utf8.count
  }
}
