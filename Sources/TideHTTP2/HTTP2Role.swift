/// Which end of the connection this process is.
public enum HTTP2Role: Sendable, Equatable, BitwiseCopyable {
  /// Downstream: requests come in.
  case server
  /// Upstream: requests go out.
  case client
}
