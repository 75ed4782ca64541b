/// One lane of an answer: the text of one choice, block and channel, in the order in which it came.
public struct LaneID: Hashable, Sendable, BitwiseCopyable {
  /// The choice's index; several with `n > 1`.
  public var choice: Int32
  /// The block inside the choice. Chat Completions has one block a channel, except where an engine sends its reasoning
  /// under two names at once: the second name is block 1.
  public var block: Int32
  public var channel: Channel

  public init(choice: Int32, block: Int32 = 0, channel: Channel) {
    self.choice = choice
    self.block = block
    self.channel = channel
  }
}
