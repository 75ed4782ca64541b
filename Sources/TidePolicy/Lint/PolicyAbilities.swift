/// What a policy can do, as its source shows it.
public struct PolicyAbilities: Sendable, Equatable {
  /// Fields of `ctx` that it writes, or changes by a function of theirs.
  public var writes: [String] = []
  /// The filters that it declares.
  public var filters: [String] = []
  /// Hosts that the file lists in `net`.
  public var hosts: [String] = []
  /// Keys of its configuration that name a host.
  public var urlKeys: [String] = []
  /// Clusters that it calls, by name or by the key that names them.
  public var clusters: [String] = []
}
