/// A `when`: all keys that are present must match; each by any of its globs; `not` inverts a whole condition.
public struct MatchCondition: Sendable {
  /// What a condition can ask about. The first six are known with the request's head, the others once its body is read.
  public enum Key: String, Sendable, CaseIterable {
    case path, method, host, header, route, listener, kind, dialect, model, tenant, streaming

    /// Whether the head of the request is enough to decide this key.
    public var isKnownFromHead: Bool {
      switch self {
      case .path, .method, .host, .header, .route, .listener: true
      case .kind, .dialect, .model, .tenant, .streaming: false
      }
    }
  }

  /// Key to globs, `header` left out. `streaming` is matched as `true` or `false`.
  public var globs: [Key: [Glob]]
  /// Header name (lower case) to globs over its joined value.
  public var headers: [String: [Glob]]
  private var negated: [MatchCondition]

  /// The condition that must not hold.
  public var not: MatchCondition? {
    get { negated.first }
    set { negated = newValue.map { [$0] } ?? [] }
  }

  public init(globs: [Key: [Glob]] = [:], headers: [String: [Glob]] = [:], not: MatchCondition? = nil) {
    self.globs = globs
    self.headers = headers
    negated = not.map { [$0] } ?? []
  }

  /// All keys that the condition names, inside `not` too.
  public var keys: Set<Key> {
    var result = Set(globs.keys)
    if !headers.isEmpty { result.insert(.header) }
    return not.map { result.union($0.keys) } ?? result
  }

  /// - Parameters:
  ///   - value: the exchange's value for a key, nil when it has none (an absent value matches nothing).
  ///   - header: the joined value of a header.
  public func matches(value: (Key) -> String?, header: (String) -> String?) -> Bool {
    for (key, any) in globs {
      guard let text = value(key), any.contains(where: { $0.matches(text) }) else { return false }
    }
    for (name, any) in headers {
      guard let text = header(name), any.contains(where: { $0.matches(text) }) else { return false }
    }
    if let not, not.matches(value: value, header: header) { return false }
    return true
  }
}
