import CPrefetch
import TideCore

/// The transformer of one streamed Chat Completions answer: upstream bytes in, client bytes out.
///
/// Owned by one worker. Without a processor whole events are forwarded as they came and no JSON is decoded but for the few events that
/// the gateway must understand. With one, each event's texts run through their lanes and only the strings that changed are
/// replaced. An event is forwarded whole or not at all, so that the stream can end well formed after any of them.
public final class ChatStream {
  // What each event touches, together in memory (`AnswerPlace`)

  /// Events with text or tool arguments: tokens, as far as the gateway can count them.
  public internal(set) var contentEventCount = 0
  /// Bytes of text sent to the client; where nothing is decoded, as they stand in the JSON, escapes included.
  public internal(set) var deliveredTextBytes = 0
  /// Where the answer stands.
  public internal(set) var progress = StreamProgress.streaming
  /// Whether the processor may wait, and what is kept while it does.
  private let mayWait: Bool
  /// The last event went out as it came: the line feed that may still belong to it does too.
  var lastWasForwarded = false
  var answerHasEnded = false
  var errorIsWritten = false
  /// Texts are members of the choice itself: a legacy completion.
  var isLegacy = false
  var framer = SSEFramer()
  var lanes: ChatLanes?
  var grammar = ChatGrammar()
  private(set) var heldEvent: HeldEvent?
  let scratch: DialectScratch
  var template: ChatTemplate?
  var options: ChatStreamOptions
  /// Of the events of streams with lanes alone.
  var shape = ChatEventShape()

  // What few events touch

  /// Finish events that wait for the usage.
  var heldFinish = ByteQueue()
  var reportedUsage: TokenUsage?
  /// The code (or type) of the upstream's own error event.
  public internal(set) var upstreamErrorCode: String?

  /// The upstream has sent text or tool arguments.
  public var sawFirstContent: Bool { contentEventCount > 0 }

  public init(options: ChatStreamOptions) {
    self.options = options
    scratch = options.scratch ?? DialectScratch()
    mayWait = options.processor?.mayWait ?? false
    lanes = options.processor.map { ChatLanes($0) }
  }

  /// What the answer cost: the upstream's figures, or the gateway's own count while there are none.
  public var usage: TokenUsage {
    reportedUsage ?? TokenUsage(prompt: options.promptTokensEstimate, completion: contentEventCount)
  }

  public var usageSource: TokenUsage.Source { reportedUsage == nil ? .counted : .upstream }

  /// Each choice that has finished, with its reason.
  public var finishReasons: [FinishReason] { grammar.reasons }

  /// Bytes of an incomplete event that wait for the rest.
  public var heldByteCount: Int { framer.heldByteCount }

  /// Fetches what an event with lanes touches beyond this object.
  func prefetchLanes() {
    shape.prefetch()
    if let place = lanes?.place { cprefetch(place, Self.laneByteCount) }
  }

  private static let laneByteCount = 96

  /// Takes bytes of the upstream's answer, cut anywhere, and appends what the client gets. After the end, bytes are ignored.
  public func receive(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) -> StreamProgress {
    if heldEvent != nil {
      heldEvent?.rest += bytes
      return .waiting
    }
    var rest = bytes
    while !progress.isOver {
      switch framer.next(&rest) {
      case .event(let event):
        if mayWait {
          guard attempt(event.raw.count, HeldEvent(.event, event.raw), into: &out, { handle(event, into: &$0) }) else {
            heldEvent?.rest = [UInt8](rest)
            return .waiting
          }
        } else {
          handle(event, into: &out)
        }
      case .needsMore: return progress
      case .tooLarge: progress = .failed(.tooLarge)
      }
    }
    // Only the second half of the terminator's own CR LF may still follow.
    if lastWasForwarded, !rest.isEmpty {
      if case .event(let event) = framer.next(&rest), event.isTerminatorTail { out.append(event.raw) }
      lastWasForwarded = false
    }
    return progress
  }

  /// The upstream's answer has ended without a fault of the transport.
  ///
  /// Without a terminal marker that is a truncation, with one exception: when every choice has said its finish reason the answer is whole,
  /// and the marker that the upstream forgot is written.
  public func receiveEnd(into out: inout ByteQueue) -> StreamProgress {
    if heldEvent != nil {
      heldEvent?.hasEnded = true
      return .waiting
    }
    guard !progress.isOver else { return progress }
    if let event = framer.lastEvent(), isWhole(event.data) {
      guard attempt(event.raw.count, HeldEvent(.lastEvent, event.raw), into: &out, { handleLast(event, into: &$0) })
      else {
        return .waiting
      }
    }
    return end(into: &out)
  }

  private func handleLast(_ event: SSEEvent, into out: inout ByteQueue) {
    handle(event, into: &out)
    // The event lacked its blank line; what was dropped or rewritten from scratch needs none.
    if lastWasForwarded { out.append(event.raw.last == 0x0A || event.raw.last == 0x0D ? "\n" : "\n\n") }
  }

  private func end(into out: inout ByteQueue) -> StreamProgress {
    guard !progress.isOver else { return progress }
    guard grammar.finishedCount > 0, grammar.finishedCount >= max(options.choiceCount, grammar.choiceCount) else {
      progress = .failed(.truncated)
      return progress
    }
    let isDone = attempt(0, HeldEvent(.end), into: &out) {
      endAnswer(terminator: UnsafeRawBufferPointer(start: nil, count: 0), into: &$0)
    }
    return isDone ? progress : .waiting
  }

  // MARK: Waiting

  /// Goes on after `.waiting`, once the processor can answer.
  public func resume(into out: inout ByteQueue) -> StreamProgress {
    guard let held = heldEvent else { return progress }
    heldEvent = nil
    let isDone = attempt(held.byteCount, held, into: &out) { out in
      switch held.kind {
      case .event: held.withEvent { handle($0, into: &out) }
      case .lastEvent: held.withEvent { handleLast($0, into: &out) }
      case .end: endAnswer(terminator: UnsafeRawBufferPointer(start: nil, count: 0), into: &out)
      case .cut(let cut, let choice): writeCut(cut, choice: choice, into: &out)
      }
    }
    guard isDone else { return .waiting }
    if held.kind == .lastEvent { return end(into: &out) }
    if !held.rest.isEmpty, held.rest.withUnsafeBytes({ receive($0, into: &out) }) == .waiting {
      heldEvent?.hasEnded = held.hasEnded
      return .waiting
    }
    return held.hasEnded && held.kind == .event ? receiveEnd(into: &out) : progress
  }

  /// Does a piece of work that can be taken back.
  ///
  /// - Returns: false when the processor waits: nothing has happened then, and `held` is kept.
  func attempt(
    _ byteCount: Int, _ held: @autoclosure () -> HeldEvent, into out: inout ByteQueue,
    _ work: (inout ByteQueue) -> Void
  ) -> Bool {
    guard mayWait, let processor = options.processor else {
      work(&out)
      return true
    }
    let restore = savepoint()
    let length = out.byteCount
    processor.eventBegins(byteCount: byteCount)
    work(&out)
    guard processor.isWaiting else {
      processor.eventEnded()
      return true
    }
    restore()
    out.truncate(to: length)
    heldEvent = held()
    return false
  }

  /// What puts the stream back to where it stands now.
  private func savepoint() -> () -> Void {
    let heldFinish = [UInt8](heldFinish.readableBytes)
    return {
      [
        self, lanes, grammar, template, answerHasEnded, lastWasForwarded, reportedUsage, isLegacy, progress,
        contentEventCount, deliveredTextBytes, upstreamErrorCode
      ] in
      self.lanes = lanes
      self.grammar = grammar
      self.template = template
      self.heldFinish.removeAll()
      self.heldFinish.append(heldFinish)
      self.answerHasEnded = answerHasEnded
      self.lastWasForwarded = lastWasForwarded
      self.reportedUsage = reportedUsage
      self.isLegacy = isLegacy
      self.progress = progress
      self.contentEventCount = contentEventCount
      self.deliveredTextBytes = deliveredTextBytes
      self.upstreamErrorCode = upstreamErrorCode
    }
  }

  private func handle(_ event: SSEEvent, into out: inout ByteQueue) {
    if event.isTerminatorTail {
      if lastWasForwarded { out.append(event.raw) }
      return
    }
    let data = event.data
    if event.isComment || data.isEmpty { return forward(event, into: &out) }
    if Self.isTerminator(data) { return endAnswer(terminator: event.raw, into: &out) }
    if lanes == nil, !options.mayBeCut, options.renameModel == nil, grammar.finishedCount == 0 {
      let glance = ChatGlance(data)
      if !glance.isNotable {
        if glance.hasContent {
          contentEventCount &+= 1
          deliveredTextBytes &+= glance.textByteCount
        }
        return forward(event, into: &out)
      }
    }
    if lanes != nil, runToken(event, into: &out) { return }
    transform(event, into: &out)
  }

  func forward(_ event: SSEEvent, into out: inout ByteQueue) {
    out.append(event.raw)
    lastWasForwarded = true
  }

  /// True for data that can be acted on though its blank line never came: a broken tail must be dropped.
  private func isWhole(_ data: UnsafeRawBufferPointer) -> Bool {
    if data.isEmpty { return false }
    if Self.isTerminator(data) { return true }
    var scanner = JSONScanner(data)
    return scanner.peek() == .object && scanner.skipValue() != nil && scanner.atEnd()
  }

  @inline(__always)
  static func isTerminator(_ data: UnsafeRawBufferPointer) -> Bool {
    guard data.count >= 6, data.count <= 16 else { return false }
    var start = 0
    var end = data.count
    while start < end, data[start] == 0x20 || data[start] == 0x09 { start &+= 1 }
    while end > start, data[end &- 1] == 0x20 || data[end &- 1] == 0x09 { end &-= 1 }
    guard end &- start == 6 else { return false }
    return data[start] == 0x5B && data[start + 1] == 0x44 && data[start + 2] == 0x4F && data[start + 3] == 0x4E
      && data[start + 4] == 0x45 && data[start + 5] == 0x5D
  }
}
