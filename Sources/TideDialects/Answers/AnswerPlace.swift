import CPrefetch
import TideCore

/// The transformer of an answer for those who come to it once a token: fetched before its bytes come, then called, without a reference being
/// counted in memory that is yet to be fetched.
///
/// Not retained: its owner keeps it beside the `AnswerStream` that it was made of, and drops it before that goes.
public enum AnswerPlace {
  case chat(Unmanaged<ChatStream>)
  case named(Unmanaged<NamedEventStream>)

  /// Bytes of a transformer, from its beginning, that an event touches; of one with lanes, which compares events, and of one whose events
  /// have names.
  private static let byteCount = 352
  private static let longByteCount = 576

  public init(_ stream: AnswerStream) {
    switch stream {
    case .chat(let chat): self = .chat(.passUnretained(chat))
    case .named(let named): self = .named(.passUnretained(named))
    }
  }

  /// Has the transformer take bytes, as `AnswerStream.receive` does. The owner keeps it meanwhile.
  ///
  /// - Returns: where it stands, and how many tokens these were; nil for a dialect that has no such short way.
  @inline(__always)
  public func receive(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) -> (
    progress: StreamProgress, tokenCount: Int
  )? {
    guard case .chat(let stream) = self else { return nil }
    return stream._withUnsafeGuaranteedRef {
      let before = $0.contentEventCount
      let progress = $0.receive(bytes, into: &out)
      return (progress, $0.contentEventCount &- before)
    }
  }

  /// Fetches what the next bytes will touch: the transformer, then what it leads to.
  ///
  /// - Parameter hasLanes: policies read the answer.
  @inline(__always)
  public func prefetch(_ distance: BodyDistance, hasLanes: Bool) {
    switch (self, distance) {
    case (.chat(let stream), .soon):
      if hasLanes {
        cprefetch(stream.toOpaque(), Self.longByteCount)
      } else {
        cprefetch(stream.toOpaque(), Self.byteCount)
      }
    case (.chat(let stream), .next):
      if hasLanes { stream._withUnsafeGuaranteedRef { $0.prefetchLanes() } }
    case (.named(let stream), .soon): cprefetch(stream.toOpaque(), Self.longByteCount)
    case (.named, .next): break
    }
  }
}
