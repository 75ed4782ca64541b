import TideCore

/// The transformer of one streamed answer in a dialect whose events have names and types: upstream bytes in, client bytes out.
///
/// Owned by one worker. What the dialects have in common stands here: cutting the bytes into events, the end, the counters. An event is
/// forwarded whole or not at all, so that the stream can end well formed after any of them. Without a processor an event is looked at,
/// never decoded into text, and leaves byte for byte.
public class NamedEventStream {
  let options: ChatStreamOptions
  let scratch: DialectScratch
  private var framer = SSEFramer()
  /// The last event went out as it came: the line feed that may still belong to it does too.
  var lastWasForwarded = false
  private var errorIsWritten = false
  /// Whether the processor may wait, and what is kept while it does.
  private let mayWait: Bool
  private var heldEvent: HeldEvent?

  /// Where the answer stands.
  public internal(set) var progress = StreamProgress.streaming
  /// Events with text or tool arguments: tokens, as far as the gateway can count them.
  public internal(set) var contentEventCount = 0
  /// Bytes of text sent to the client; where nothing is decoded, as they stand in the JSON, escapes included.
  public internal(set) var deliveredTextBytes = 0
  /// The code (or type) of the upstream's own error event.
  public internal(set) var upstreamErrorCode: String?
  /// Why the answer ended, in the dialect's words; empty while it has not.
  public internal(set) var finishReasons: [FinishReason] = []

  init(options: ChatStreamOptions) {
    self.options = options
    scratch = options.scratch ?? DialectScratch()
    mayWait = options.processor?.mayWait ?? false
  }

  /// The upstream has sent text or tool arguments.
  public var sawFirstContent: Bool { contentEventCount > 0 }

  /// Bytes of an incomplete event that wait for the rest.
  public var heldByteCount: Int { framer.heldByteCount }

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
          guard attempt(event.raw.count, HeldEvent(.event, event.raw), into: &out, { take(event, into: &$0) }) else {
            heldEvent?.rest = [UInt8](rest)
            return .waiting
          }
        } else {
          take(event, into: &out)
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

  /// The upstream's answer has ended without a fault of the transport. Without a terminal event that is a truncation, unless the dialect
  /// can tell that nothing but the marker is missing.
  public func receiveEnd(into out: inout ByteQueue) -> StreamProgress {
    if heldEvent != nil {
      heldEvent?.hasEnded = true
      return .waiting
    }
    guard !progress.isOver else { return progress }
    if let event = framer.lastEvent(), Self.isWhole(event.data) {
      guard attempt(event.raw.count, HeldEvent(.lastEvent, event.raw), into: &out, { takeLast(event, into: &$0) })
      else {
        return .waiting
      }
    }
    return end(into: &out)
  }

  private func takeLast(_ event: SSEEvent, into out: inout ByteQueue) {
    take(event, into: &out)
    // The event lacked its blank line; what was dropped or rewritten from scratch needs none.
    if lastWasForwarded { out.append(event.raw.last == 0x0A || event.raw.last == 0x0D ? "\n" : "\n\n") }
  }

  private func end(into out: inout ByteQueue) -> StreamProgress {
    guard !progress.isOver else { return progress }
    progress = .failed(.truncated)
    endWithoutMarker(into: &out)
    return progress
  }

  // MARK: Waiting

  /// Goes on after `.waiting`, once the processor can answer.
  public func resume(into out: inout ByteQueue) -> StreamProgress {
    guard let held = heldEvent else { return progress }
    heldEvent = nil
    let isDone = attempt(held.byteCount, held, into: &out) { out in
      if case .cut(let cut, _) = held.kind { return writeCut(cut, into: &out) }
      held.withEvent { event in
        if held.kind == .lastEvent { takeLast(event, into: &out) } else { take(event, into: &out) }
      }
    }
    guard isDone else { return .waiting }
    if held.kind == .lastEvent { return end(into: &out) }
    if !held.rest.isEmpty, held.rest.withUnsafeBytes({ receive($0, into: &out) }) == .waiting {
      heldEvent?.hasEnded = held.hasEnded
      return .waiting
    }
    return held.hasEnded ? receiveEnd(into: &out) : progress
  }

  /// Does a piece of work that can be taken back.
  ///
  /// - Returns: false when the processor waits: nothing has happened then, and `held` is kept.
  private func attempt(
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

  /// What puts the stream back to where it stands now; a dialect adds its own part.
  func savepoint() -> () -> Void {
    {
      [
        self, lastWasForwarded, progress, contentEventCount, deliveredTextBytes, upstreamErrorCode, finishReasons
      ] in
      self.lastWasForwarded = lastWasForwarded
      self.progress = progress
      self.contentEventCount = contentEventCount
      self.deliveredTextBytes = deliveredTextBytes
      self.upstreamErrorCode = upstreamErrorCode
      self.finishReasons = finishReasons
    }
  }

  private func take(_ event: SSEEvent, into out: inout ByteQueue) {
    if event.isTerminatorTail { return takeTerminatorTail(event, into: &out) }
    if event.isComment || event.data.isEmpty { return forward(event, into: &out) }
    handle(event, into: &out)
  }

  func forward(_ event: SSEEvent, into out: inout ByteQueue) {
    out.append(event.raw)
    lastWasForwarded = true
  }

  /// Writes the event in hand with its edits.
  func writeEdited(_ event: SSEEvent, into out: inout ByteQueue) {
    scratch.write(event, into: &out)
    lastWasForwarded = event.dataLineCount == 1 || !scratch.hasEdits
  }

  @inline(__always)
  func slice(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[range])
  }

  /// True for data that can be acted on though its blank line never came: a broken tail must be dropped.
  private static func isWhole(_ data: UnsafeRawBufferPointer) -> Bool {
    var scanner = JSONScanner(data)
    return scanner.peek() == .object && scanner.skipValue() != nil && scanner.atEnd()
  }

  // MARK: The dialect's part

  /// What the answer cost: the upstream's figures, or the gateway's own count while there are none.
  public var usage: TokenUsage { TokenUsage(prompt: options.promptTokensEstimate, completion: contentEventCount) }

  public var usageSource: TokenUsage.Source { .counted }

  /// Takes the second half of a CR LF that ended the event before.
  func takeTerminatorTail(_ event: SSEEvent, into out: inout ByteQueue) {
    if lastWasForwarded { out.append(event.raw) }
  }

  /// Takes an event that has data.
  func handle(_ event: SSEEvent, into out: inout ByteQueue) {}

  /// Completes the answer if only its marker is missing; `progress` says `.truncated` before.
  func endWithoutMarker(into out: inout ByteQueue) {}

  /// Ends the answer well formed: what lanes hold, the cut's text, the ends of what is open, the terminal event.
  func writeCut(_ cut: LaneCut, into out: inout ByteQueue) {}

  /// Sends the text that lanes may hold no longer, as events of its own.
  func releaseLanes(at time: MonotonicTime, into out: inout ByteQueue) {}

  /// Writes the dialect's error event.
  func writeFailure(_ failure: StreamFailure, into out: inout ByteQueue) {}

  // MARK: Held text

  /// Sends the text that lanes may hold no longer: `LaneProcessor.releaseTime` has come.
  public final func release(at time: MonotonicTime, into out: inout ByteQueue) -> StreamProgress {
    if !progress.isOver { releaseLanes(at: time, into: &out) }
    return progress
  }

  // MARK: Ending early

  /// Ends the answer from outside, well formed. What lanes hold is released first, which may have to wait.
  @discardableResult
  public final func cut(_ cut: LaneCut, into out: inout ByteQueue) -> StreamProgress {
    guard !progress.isOver, heldEvent == nil else { return progress }
    let isDone = attempt(0, HeldEvent(.cut(cut, choice: 0)), into: &out) { writeCut(cut, into: &$0) }
    return isDone ? progress : .waiting
  }

  /// Ends the answer after the processor's `.cut`.
  final func finishCut(into out: inout ByteQueue) { writeCut(options.processor?.cut ?? LaneCut(), into: &out) }

  /// The answer cannot go on, unless it is over already.
  final func fail(_ failure: StreamFailure) {
    if !progress.isOver { progress = .failed(failure) }
  }

  /// Tells the client that its answer broke off: the dialect's error event, once, and never a terminal marker.
  ///
  /// Call it when the upstream died after the head, or after `.failed`. An incomplete event and held text are dropped. After an end that
  /// the client already knows it writes nothing.
  public final func writeError(_ failure: StreamFailure, into out: inout ByteQueue) {
    switch progress {
    case .complete, .cut, .failed(.upstreamError): return
    default: break
    }
    guard !errorIsWritten else { return }
    errorIsWritten = true
    progress = .failed(failure)
    writeFailure(failure, into: &out)
  }
}
