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
}
