/// Limits of the process and of one exchange; sizes in bytes.
public struct LimitsConfiguration: Sendable, Equatable {
  public var connections = 15_000
  /// Whether the operator wrote `connections`: a written value that does not fit the descriptors is refused, a default lowered.
  public var isConnectionsExplicit = false
  public var requestBody = 10 << 20
  /// Non-streamed answers that a policy must see whole.
  public var responseBody = 32 << 20
  /// What a coded body may expand to that is read whole: a request's, or an answer's that a policy must see whole.
  public var decodedBody = 10 << 20
  public var headerList = 32 << 10
  /// Per stream and direction.
  public var streamBuffer = 64 << 10
  /// Lua states of all generations that are alive, on all workers: a reload that would take more is refused.
  public var policyMemory = 1 << 30

  public init() {}
}
