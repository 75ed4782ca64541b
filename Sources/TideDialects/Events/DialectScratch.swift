import TideCore

/// Working buffers of one worker, shared by the answers that it transforms, so that a quiet stream costs none.
///
/// Nothing in it outlives one call into a stream or body.
public final class DialectScratch {
  /// Decoded text of the delta in hand.
  var decoded = ByteQueue()
  /// What the processor appended for it.
  var emitted = ByteQueue()
  /// Repaired text when the processor's was not valid UTF-8.
  var repaired = ByteQueue()
  /// Escaped replacements of the event in hand.
  var replacements = ByteQueue()
  /// Where they go.
  var splices = ContiguousArray<JSONSplice>()
  /// The event in hand, as its dialect reads it.
  var event = ChatEvent()
  var messagesEvent = MessagesEvent()
  var responsesEvent = ResponsesEvent()

  public init() {}

  /// Makes what the processor appended valid UTF-8; false when it was not.
  @discardableResult
  func repairEmitted() -> Bool {
    let bytes = emitted.readableBytes
    if UTF8Text.validPrefix(bytes) == bytes.count { return true }
    repaired.removeAll()
    var repair = UTF8Repair()
    repair.append(bytes, into: &repaired)
    repair.end(into: &repaired)
    emitted.removeAll()
    emitted.append(repaired.readableBytes)
    return false
  }
}
