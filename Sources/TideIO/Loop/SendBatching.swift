/// Whether the sends of a worker's turn leave in one system call, by io_uring.
public enum SendBatching: Equatable, Sendable {
  case on
  /// Not asked for.
  case off
  /// The kernel has none, or does not let this process use it: an errno value.
  case refused(Int32)
}

extension SendBatching: CustomStringConvertible {
  public var description: String {
    switch self {
    case .on: "sends of many connections leave together, by io_uring"
    case .off: "sends leave one by one"
    case .refused(let code): "sends leave one by one; io_uring: \(SocketFailure.text(of: code))"
    }
  }
}
