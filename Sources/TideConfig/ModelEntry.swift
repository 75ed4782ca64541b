import TideCore

/// A model that clients may ask for, and who answers.
public struct ModelEntry: Sendable, Equatable {
  public struct Target: Sendable, Equatable {
    public var cluster: String
    /// The name to ask the cluster for; nil keeps the client's.
    public var model: String?

    public init(cluster: String, model: String? = nil) {
      self.cluster = cluster
      self.model = model
    }
  }

  /// Exact ids are listed by `/v1/models`, globs are not.
  public var id: Glob
  /// In the order they are tried; never empty.
  public var targets: [Target]
}
