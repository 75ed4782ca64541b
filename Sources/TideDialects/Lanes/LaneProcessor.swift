import TideCore

/// What a processor decided about the text that it was just given.
public enum LaneStep: UInt8, Sendable, BitwiseCopyable {
  /// Go on; what the processor appended is what the client gets for this text.
  case proceed
  /// End the whole answer, well formed. What the processor appended in this call still goes out, then `LaneProcessor.cut`.
  case cut
  /// The processor is broken and must fail closed: the exchange ends with an error.
  case fail
}

/// How a cut ends the answer.
public struct LaneCut: Equatable, Sendable {
  /// The finish reason the client sees: `content_filter`, `length`, `stop`.
  public var finishReason: String
  /// Text appended for the user before the finish event; may be empty.
  public var text: String

  public init(finishReason: String = "content_filter", text: String = "") {
    self.finishReason = finishReason
    self.text = text
  }
}

/// The text side of one exchange's policies: gets each lane's decoded text and answers with what the client is to see.
///
/// A class because one instance holds the state of all lanes of an exchange and subclasses live in another module. It is owned by
/// the exchange's worker. The same processor serves every dialect, streamed answers and whole bodies alike.
open class LaneProcessor {
  /// The lanes it wants; text of other channels passes unseen. Read once, when the stream is made.
  open var channels: ChannelSet { [.text] }

  /// Channels whose text it only counts, where it does not want their lanes: that text passes as it came. Read once, when the stream is made.
  open var countedChannels: ChannelSet { [] }

  /// The reason of the last `.cut`; read right after it was returned.
  open var cut: LaneCut { LaneCut() }

  public init() {}

  /// Called for each piece of a lane's text, never empty, always valid UTF-8 and never ending inside a character.
  ///
  /// - Parameters:
  ///   - text: valid during the call only.
  ///   - out: gets what the client is to see now; nothing appended means that the text is held or dropped.
  open func laneDelta(_ lane: LaneID, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue) -> LaneStep {
    out.append(text)
    return .proceed
  }

  /// Called once for each lane that had text, before its choice's finish event: release what is held.
  open func laneEnd(_ lane: LaneID, into out: inout ByteQueue) -> LaneStep { .proceed }

  /// Called for text of a counted channel before it passes.
  ///
  /// - Parameter byteCount: of the text, escapes resolved; never 0.
  /// - Returns: `.cut` when the answer ends before it.
  open func laneCount(_ channel: Channel, byteCount: Int) -> LaneStep { .proceed }

  /// When `laneRelease` must be called because text has waited for as long as it may; nil while none waits.
  open var releaseTime: MonotonicTime? { nil }

  /// Called when `releaseTime` has come: lets go of the lane's text what is due, and keeps the rest.
  open func laneRelease(_ lane: LaneID, at time: MonotonicTime, into out: inout ByteQueue) -> LaneStep { .proceed }

  /// Called once before the finish events leave, when `ChatStreamOptions.holdFinishForUsage` is set.
  open func answerEnd(_ usage: TokenUsage) -> LaneStep { .proceed }

  // MARK: Waiting

  /// Whether a call may have to wait for something outside. Read once: a stream or body without such a processor pays nothing for it.
  open var mayWait: Bool { false }

  /// The call in hand waits: it answered `.fail`, and so does every one that follows in this event.
  ///
  /// The stream then takes back all that the event has done, and handles it again once the processor's owner says so. Calls that were
  /// answered before answer the same again, without being judged again.
  open var isWaiting: Bool { false }

  /// An event (or a whole body) is about to be handled, for the first time or again.
  ///
  /// - Parameter byteCount: of the event as it came. The texts in it are not longer.
  open func eventBegins(byteCount: Int) {}

  /// The event is done with: its calls will not come again.
  open func eventEnded() {}
}
