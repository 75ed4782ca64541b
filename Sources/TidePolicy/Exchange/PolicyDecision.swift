/// Which policy ended an exchange's way, and how: what the access log says of it.
public struct PolicyDecision: Sendable, Equatable {
  public enum Verdict: String, Sendable {
    case deny, respond, cut
    /// A hook failed, or did not run because it had failed too often, and its `failure` ended the way.
    case error
  }

  /// The binding's name.
  public var binding: String
  public var verdict: Verdict
}
