import TideIO

/// Which addresses a pool may dial, judged on what its host's name resolved to and so on what is dialled.
enum AddressReach: Sendable, Hashable {
  /// The configuration names the endpoint: wherever it leads.
  case everywhere
  /// A policy calls a host that its operator wrote: no link-local addresses, no metadata services.
  case operatorNamed
  /// A policy calls a host that its file lists.
  case publicOnly

  func allows(_ address: SocketAddress) -> Bool {
    switch self {
    case .everywhere: true
    case .operatorNamed: !address.isNeverCalled
    case .publicOnly: address.isPublic
    }
  }
}
