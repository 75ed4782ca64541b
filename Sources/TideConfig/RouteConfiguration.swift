import TideCore

/// Match, policies and where to.
public struct RouteConfiguration: Sendable {
  /// What a request must look like. Empty lists match everything.
  public struct Match: Sendable, Equatable {
    public var path: [Glob] = []
    /// Upper case, compared as they are.
    public var method: [Glob] = []
    /// Lower case, without a port.
    public var host: [Glob] = []
    public var model: [Glob] = []
    /// Header name (lower case) to globs over its joined value; all must match.
    public var headers: [String: [Glob]] = [:]

    public init() {}
  }

  public enum Destination: Sendable, Equatable {
    /// The model's entry decides.
    case byModel
    case cluster(String)
  }

  /// What happens to paths that the gateway does not parse, where policies need the text.
  public enum Unparsed: String, Sendable, CaseIterable { case deny, relay }

  /// What the client's disconnect does to the upstream.
  public enum Disconnect: String, Sendable, CaseIterable { case cancel }

  public var name: String
  public var match = Match()
  public var cluster = Destination.byModel
  /// For requests without a model; nil answers 404.
  public var defaultCluster: String?
  /// After the global ones.
  public var policies: [PolicyBinding] = []
  /// Names of global bindings that this route leaves out.
  public var without: [String] = []
  public var anonymous = false
  public var unparsed = Unparsed.deny
  public var onDisconnect = Disconnect.cancel

  public init(name: String) { self.name = name }
}
