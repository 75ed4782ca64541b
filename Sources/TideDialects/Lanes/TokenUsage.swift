/// Tokens of one exchange, as one source saw them.
public struct TokenUsage: Equatable, Sendable, BitwiseCopyable {
  /// Who counted.
  public enum Source: UInt8, Sendable, BitwiseCopyable {
    /// The upstream's own usage object.
    case upstream
    /// The gateway: estimates for the prompt, deltas for the answer.
    case counted
  }

  public var prompt: Int
  public var completion: Int
  public var total: Int
  /// The part of `prompt` that the provider served from its cache.
  public var cached: Int
  /// The part of `completion` that was reasoning.
  public var reasoning: Int

  public init(prompt: Int = 0, completion: Int = 0, total: Int? = nil, cached: Int = 0, reasoning: Int = 0) {
    self.prompt = prompt
    self.completion = completion
    self.total = total ?? prompt &+ completion
    self.cached = cached
    self.reasoning = reasoning
  }
}
