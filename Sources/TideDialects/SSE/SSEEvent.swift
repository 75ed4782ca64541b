/// One server-sent event. All pointers are valid only until the framer moves on.
public struct SSEEvent: BitwiseCopyable {
  /// The event's exact bytes with the blank line that ends it.
  public var raw: UnsafeRawBufferPointer
  /// The values of its `data` lines, joined by line feeds. Points into `raw` when there is one such line.
  public var data: UnsafeRawBufferPointer
  /// The value of its last `event` line; empty when there is none.
  public var name: UnsafeRawBufferPointer
  /// How many `data` lines it has.
  public var dataLineCount: Int
  /// True when it holds nothing but comments (or nothing at all): a client does not see it.
  public var isComment: Bool
  /// True for the line feed of a CR LF whose CR, at the end of the bytes before, already ended an event: `raw` belongs to that event.
  public var isTerminatorTail: Bool

  /// Where `data` starts in `raw`; nil when the data was joined from several lines, or is empty.
  @inline(__always)
  public var dataOffset: Int? {
    guard dataLineCount == 1, let data = data.baseAddress, let raw = raw.baseAddress else { return nil }
    return data - raw
  }
}
