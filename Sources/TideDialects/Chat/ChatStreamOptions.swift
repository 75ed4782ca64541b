/// What one streamed Chat Completions answer needs to know about its request.
public struct ChatStreamOptions {
  /// The policies' text side; nil takes the fast path, which decodes no JSON.
  public var processor: LaneProcessor?
  /// True when the gateway, not the client, asked for the usage event: it is read, then removed.
  public var stripUsage = false
  /// True when the client asked for a usage event; a cut then writes one with counted figures.
  public var includeUsageRequested = false
  /// The model name the client is to see; nil leaves the upstream's.
  public var renameModel: String?
  /// Finish events wait for the usage or the terminal marker, then `LaneProcessor.answerEnd` is asked.
  public var holdFinishForUsage = false
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
