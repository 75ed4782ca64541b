import TideCore

/// The transformer of one streamed Responses answer (OpenAI).
///
/// Its last events repeat all of the text: with a processor they are rebuilt from what went out before. Sequence numbers stay without
/// gaps when events are dropped or added.
public final class ResponsesStream: NamedEventStream {
  var lanes: LaneSet<Void>?
  var output = ResponsesOutput()
  /// The `response` object of the first event, without what is long or changes.
  var skeleton: [UInt8] = []
  private var reportedUsage: TokenUsage?
  /// The number of the last event that went out; -1 before the first.
  private var lastSequence = -1
  /// What is added to the upstream's sequence numbers.
  private var sequenceShift = 0
  /// Whether items and texts are remembered.
  let remembers: Bool

  override public init(options: ChatStreamOptions) {
    remembers = options.processor != nil || options.mayBeCut
    super.init(options: options)
    lanes = options.processor.map { LaneSet($0) }
  }

  override public var usage: TokenUsage { reportedUsage ?? super.usage }

  override public var usageSource: TokenUsage.Source { reportedUsage == nil ? .counted : .upstream }

  override func savepoint() -> () -> Void {
    let restore = super.savepoint()
    return { [self, lanes, output, skeleton, reportedUsage, lastSequence, sequenceShift] in
      restore()
      self.lanes = lanes
      self.output = output
      self.skeleton = skeleton
      self.reportedUsage = reportedUsage
      self.lastSequence = lastSequence
      self.sequenceShift = sequenceShift
    }
  }

  override func handle(_ event: SSEEvent, into out: inout ByteQueue) {
    lastWasForwarded = false
    // The marker of another dialect, which some backends add. Before the answer is whole it would pass for a success.
    if event.data.elementsEqual("[DONE]".utf8) { return }
    guard scratch.responsesEvent.decode(event.data) else {
      // Without filters nothing can be bypassed: what cannot be read is the client's to judge.
      if lanes == nil { return forward(event, into: &out) }
      progress = .failed(.malformed)
      return
    }
    scratch.beginEdits()
    switch scratch.responsesEvent.kind {
    case .lifecycle:
      if skeleton.isEmpty, let response = scratch.responsesEvent.response {
        skeleton = Self.skeleton(of: slice(event.data, response))
      }
      recall(event.data)
      send(event, into: &out)
    case .itemAdded: addItem(event, into: &out)
    case .partAdded: addPart(event, into: &out)
    case .textDelta: takeDelta(event, into: &out)
    case .textDone, .partDone, .itemDone: takeEnd(event, into: &out)
    case .annotationAdded:
      if annotationIsStale(event.data) { return drop() }
      send(event, into: &out)
    case .completed, .incomplete: complete(event, into: &out)
    case .failed:
      noteError(event.data)
      recall(event.data)
      send(event, into: &out)
      progress = .failed(.upstreamError)
    case .error:
      noteError(event.data)
      send(event, into: &out)
      // Clients wait for the event that ends the response; this one does not.
      let range = scratch.responsesEvent.error ?? 0..<event.data.count
      writeFailed(ResponsesFailure(upstream: slice(event.data, range)), into: &out)
      progress = .failed(.upstreamError)
    case .other: send(event, into: &out)
    }
  }

  private func noteError(_ data: UnsafeRawBufferPointer) {
    upstreamErrorCode = ErrorShape.code(scratch.responsesEvent.error.map { slice(data, $0) } ?? data)
  }

  override func releaseLanes(at time: MonotonicTime, into out: inout ByteQueue) { releaseParts(at: time, into: &out) }

  override func writeCut(_ cut: LaneCut, into out: inout ByteQueue) { endEarly(cut, into: &out) }

  override func writeFailure(_ failure: StreamFailure, into out: inout ByteQueue) { writeErrors(failure, into: &out) }

  // MARK: Writing

  /// Sends the event in hand with its edits and its number.
  func send(_ event: SSEEvent, into out: inout ByteQueue) {
    number()
    writeEdited(event, into: &out)
  }

  private func number() {
    guard let sequence = scratch.responsesEvent.sequence else {
      lastSequence &+= 1
      return
    }
    lastSequence = max(sequence &+ sequenceShift, 0)
    if sequenceShift != 0 {
      let range = scratch.responsesEvent.sequenceRange
      scratch.splice(range.lowerBound, range.upperBound, with: Array("\(lastSequence)".utf8))
    }
  }

  /// Leaves the event in hand out.
  func drop() {
    lastWasForwarded = false
    if scratch.responsesEvent.sequence != nil { sequenceShift &-= 1 }
  }

  /// The number of an event that the gateway adds.
  func nextSequence() -> Int {
    lastSequence &+= 1
    sequenceShift &+= 1
    return lastSequence
  }

  // MARK: The end

  private func complete(_ event: SSEEvent, into out: inout ByteQueue) {
    let content = scratch.responsesEvent
    if let usage = content.usage, let tokens = TokenUsage(chat: slice(event.data, usage)) { reportedUsage = tokens }
    guard endLanes(of: output.parts.indices, into: &out), repeatResponse(event.data, into: &out) else { return }
    if options.holdFinishForUsage {
      switch options.processor?.answerEnd(usage) ?? .proceed {
      case .proceed: break
      case .cut:
        drop()
        return finishCut(into: &out)
      case .fail: return fail(.policy)
      }
    }
    let reason = content.incompleteReason ?? content.status
    finishReasons = [
      FinishReason(
        choice: 0,
        reason: reason.map { JSONText.string(slice(event.data, $0.start..<$0.end)) }
          ?? (content.kind == .completed ? "completed" : "incomplete"))
    ]
    send(event, into: &out)
    progress = .complete
  }

  /// The members of a `response` object that the events at the end repeat; long ones give way to what is always valid.
  private static func skeleton(of response: UnsafeRawBufferPointer) -> [UInt8] {
    var out = Array("{".utf8)
    var scanner = JSONScanner(response)
    guard scanner.enterObject() else { return [] }
    while let key = scanner.nextKey() {
      guard let value = scanner.skipValue() else { return [] }
      let changes =
        scanner.equals(key, "output") || scanner.equals(key, "usage") || scanner.equals(key, "status")
        || scanner.equals(key, "error") || scanner.equals(key, "incomplete_details")
        || scanner.equals(key, "output_text")
      if changes { continue }
      var json = [UInt8](response[value])
      if json.count > memberLimit {
        switch true {
        case scanner.equals(key, "tools"): json = Array("[]".utf8)
        case scanner.equals(key, "instructions"): json = Array("null".utf8)
        default: continue
        }
      }
      out += response[key.quoted]
      out.append(UInt8(ascii: ":"))
      out += json
      out.append(UInt8(ascii: ","))
    }
    return out
  }

  /// Longer members of the `response` object (tools, instructions) are not kept for each stream.
  private static let memberLimit = 1024
}
