/// A policy put to use: which file, under which name, when, and with what configuration. Written in YAML or made from a file that says
/// `auto = true`.
public struct PolicyBinding: Sendable {
  /// What an error, an abort or an exhausted budget of a hook does.
  public enum FailureAction: String, Sendable, CaseIterable { case deny, cut, skip }

  /// The policy's name: its file's.
  public var policy: String
  /// The binding's name, unique among all; the policy's unless `as` says otherwise.
  public var name: String
  public var when: MatchCondition?
  /// The policy's configuration as written; checked against its schema when the policy is loaded.
  public var config: ConfigNode
  /// Hook name to action; the operator's word wins over the policy's.
  public var failure: [String: FailureAction]
  /// Bindings with the same `share` use the same counters.
  public var share: String?
  /// Where the binding is written, for messages.
  public var file: String
  public var line: Int
  public var column: Int

  public init(
    policy: String, name: String? = nil, when: MatchCondition? = nil, config: ConfigNode = ConfigNode(.map([])),
    failure: [String: FailureAction] = [:], share: String? = nil, file: String = "", line: Int = 0, column: Int = 0
  ) {
    self.policy = policy
    self.name = name ?? policy
    self.when = when
    self.config = config
    self.failure = failure
    self.share = share
    self.file = file
    self.line = line
    self.column = column
  }
}
