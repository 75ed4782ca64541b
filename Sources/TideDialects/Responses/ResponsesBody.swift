import TideCore

/// The transformer of one Responses answer that is not streamed: each text is its lane's only delta.
public final class ResponsesBody {
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

  /// Reads a whole response, runs its texts, and gives the body to send.
  ///
  /// Without a processor a body that is not the dialect's JSON passes as it is.
  public func transform(_ body: [UInt8]) -> BodyOutcome {
    body.withUnsafeBytes { transform($0, body) }
  }

  private func transform(_ data: UnsafeRawBufferPointer, _ body: [UInt8]) -> BodyOutcome {
    guard scratch.responsesEvent.decode(body: data) else {
      return options.processor == nil ? .body(body) : .failed(.malformed)
    }
    let content = scratch.responsesEvent
    if let usage = content.usage {
      reportedUsage = TokenUsage(chat: UnsafeRawBufferPointer(rebasing: data[usage]))
    }
    scratch.beginEdits()
    let reason = (content.incompleteReason ?? content.status).map {
      JSONText.string(UnsafeRawBufferPointer(rebasing: data[$0.start..<$0.end]))
    }
    finishReasons = reason.map { [FinishReason(choice: 0, reason: $0)] } ?? []
    guard let processor = options.processor else {
      for text in content.texts { deliveredTextBytes &+= text.string.end &- text.string.start }
      return .body(body)
    }
    let step = run(content, data, LaneSet(processor))
    if step == .fail { return .failed(.policy) }
    let edited = scratch.hasEdits ? scratch.edited(data) : body
    return step == .cut ? .cut(edited) : .body(edited)
  }

  /// Runs the texts one after the other and notes the edits.
  private func run(
    _ content: ResponsesEvent, _ data: UnsafeRawBufferPointer, _ set: consuming LaneSet<Void>
  ) -> LaneStep {
    var lanes = set
    var wholeText: [UInt8] = []
    for (place, item) in content.items.enumerated() {
      for number in item.firstText..<item.endText {
        let text = content.texts[number]
        let bytes = UnsafeRawBufferPointer(rebasing: data[text.string.start..<text.string.end])
        guard lanes.channels.contains(text.key.channel), !text.isEmpty else {
          switch lanes.count(text.key.channel, bytes, hasEscapes: text.string.hasEscapes) {
          case .proceed: break
          case .cut: return cut(content, data, place: place, text: number, wholeText)
          case .fail: return .fail
          }
          if text.key == .outputText { wholeText += JSONText.unescape(bytes) }
          deliveredTextBytes &+= bytes.count
          continue
        }
        guard let lane = lanes.open(channel: text.key.channel, key: ()) else { return .fail }
        let result = lanes.run(lane, bytes, hasEscapes: text.string.hasEscapes, isLast: true, scratch)
        if result.step == .fail { return .fail }
        var comparison = TextComparison()
        comparison.note(came: result.text, went: scratch.emitted.readableBytes)
        comparison.end()
        if result.step == .cut {
          if text.key == .outputText { scratch.emitted.append(options.processor?.cut.text ?? "") }
        } else if text.key.isJSON, comparison.isAltered, !JSONText.isValue([UInt8](scratch.emitted.readableBytes)) {
          return .fail
        }
        let emitted = scratch.emitted.readableBytes
        if text.key == .outputText { wholeText += emitted }
        if text.key.channel != .toolArgs { deliveredTextBytes &+= emitted.count }
        if !result.isUnchanged || result.step == .cut { scratch.replace(text.string, with: emitted) }
        if comparison.isAltered {
          ResponsesStream.dropStale(text, data, before: comparison.sameCharacterCount(in: emitted), scratch)
        }
        if result.step == .cut {
          return cut(content, data, place: place, text: number, wholeText)
        }
      }
    }
    repeatOutputText(content, data, wholeText)
    return .proceed
  }

  /// Ends the answer with a text: what lies behind it goes, and the statuses say so.
  private func cut(
    _ content: ResponsesEvent, _ data: UnsafeRawBufferPointer, place: Int, text number: Int, _ wholeText: [UInt8]
  ) -> LaneStep {
    let cut = options.processor?.cut ?? LaneCut()
    let (status, reason) = ResponsesWriter.ending(cut.finishReason)
    let item = content.items[place]
    let text = content.texts[number]
    for isSummary in [true, false] {
      let parts = (item.firstPart..<item.endPart).filter { content.parts[$0].isSummary == isSummary }
      scratch.removeElements(parts.map { content.parts[$0].range }) {
        let part = parts[$0]
        return part > item.firstPart && content.parts[part &- 1].endText > number
      }
    }
    // A tool call that was cut short is none.
    let keptCount = text.key.channel == .toolArgs ? place : place + 1
    let items = content.items.map(\.range)
    scratch.removeElements(items) { $0 >= keptCount }
    if let range = item.status, keptCount > place {
      scratch.splice(range.lowerBound, range.upperBound, with: JSONText.quoted(status))
    }
    if text.key != .outputText, !cut.text.isEmpty {
      let words = Array(cut.text.utf8)
      var message = ByteQueue()
      message.append(keptCount > 0 ? "," : "")
      message.append("{\"id\":\"msg_tidegate\",\"type\":\"message\",\"status\":\"\(status)\"," as String)
      message.append("\"role\":\"assistant\",\"content\":[")
      ResponsesWriter.part(.outputText, Array(JSONText.quoted(cut.text).dropFirst().dropLast()), into: &message)
      message.append("]}")
      let end = items[items.count - 1].upperBound
      scratch.splice(end, end, with: [UInt8](message.readableBytes))
      deliveredTextBytes &+= words.count
      repeatOutputText(content, data, wholeText + words)
    } else {
      repeatOutputText(content, data, wholeText)
    }
    if let string = content.status {
      scratch.splice(string.start - 1, string.end + 1, with: JSONText.quoted(status))
    }
    if let range = content.incompleteDetails {
      scratch.splice(range.lowerBound, range.upperBound, with: ResponsesWriter.incompleteDetails(reason))
    } else if let response = content.response {
      let member = Array("\"incomplete_details\":".utf8) + ResponsesWriter.incompleteDetails(reason)
      let start = response.lowerBound + 1
      scratch.splice(start, start, with: member + [UInt8(ascii: ",")])
    }
    finishReasons = [FinishReason(choice: 0, reason: reason ?? status)]
    return .cut
  }

  /// `output_text`: the texts of all messages, one after the other.
  private func repeatOutputText(_ content: ResponsesEvent, _ data: UnsafeRawBufferPointer, _ text: [UInt8]) {
    guard let string = content.outputText else { return }
    let came = JSONText.unescape(UnsafeRawBufferPointer(rebasing: data[string.start..<string.end]))
    if came != text { text.withUnsafeBytes { scratch.replace(string, with: $0) } }
  }
}
