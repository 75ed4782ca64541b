/// What one answer needs to know about its request, in whatever dialect.
public struct ChatStreamOptions {
  /// The policies' text side; nil takes the fast path, which decodes no JSON.
  public var processor: LaneProcessor?
  /// True when the gateway, not the client, asked for the usage event: it is read, then removed. Chat Completions only.
  public var stripUsage = false
  /// True when the client asked for a usage event; a cut then writes one with counted figures. Chat Completions only.
  public var includeUsageRequested = false
  /// The model name the client is to see; nil leaves the upstream's. Chat Completions only.
  public var renameModel: String?
  /// Finish events wait for the usage or the terminal marker, then `LaneProcessor.answerEnd` is asked.
  public var holdFinishForUsage = false
  /// The gateway may end the answer from outside (`cut`). Without a processor too, a Responses stream remembers its texts then, since its
  /// last event repeats them, and one of Chat Completions its choices.
  public var mayBeCut = false
  /// The request's `n`: how many finish reasons make an answer complete when the terminal marker is missing.
  public var choiceCount = 1
  /// The prompt's estimated tokens, for counted usage.
  public var promptTokensEstimate = 0
  /// The worker's working buffers, shared by its streams; nil gives the stream its own.
  public var scratch: DialectScratch?

  public init(processor: LaneProcessor? = nil, stripUsage: Bool = false, includeUsageRequested: Bool = false) {
    self.processor = processor
    self.stripUsage = stripUsage
    self.includeUsageRequested = includeUsageRequested
  }
}
