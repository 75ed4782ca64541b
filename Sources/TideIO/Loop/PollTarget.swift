import CLinux
import Glibc

/// Something with a descriptor in a worker's poll set: a connection or a listener.
///
/// The worker keeps it alive from `register` until the end of the turn in which it is retired, so that events already
/// fetched for a closed target find an object and not freed memory.
open class PollTarget {
  /// Who is read first in a turn.
  public enum Priority: Sendable {
    /// Read until dry before all others, so that many tokens leave in one write.
    case upstream
    case ordinary
  }

  /// The owner, which holds the target as well until it is retired: at the latest when the worker stops.
  public final let worker: Worker
  /// -1 once closed.
  final var descriptor: Int32
  final let isUpstream: Bool
  /// In the worker's queue of targets that have more to do next turn.
  final var isDeferred = false
  final var isRetired = false
  /// Neighbours in the worker's list of all targets.
  final var next: Unmanaged<PollTarget>?
  final var previous: Unmanaged<PollTarget>?

  init(worker: Worker, descriptor: Int32, priority: Priority) {
    self.worker = worker
    self.descriptor = descriptor
    isUpstream = priority == .upstream
  }

  /// The poller reports `events` (EPOLL bits).
  func pollReady(_ events: UInt32) {}

  /// The target had asked for another go.
  func pollDeferred() {}

  /// Send what is pending; once a turn at most.
  func flushTurn() {}

  /// `flushTurn` comes soon: what it will touch beyond this object can be fetched into the cache. See
  /// `SocketConnection.connectionPrefetch`.
  func prefetchFlush(_ step: Int) {}

  /// The worker stops: close now.
  func workerStops() {}

  /// The last call: retired, at the end of the turn.
  func targetDidRetire() {}
}

/// EPOLL bits as plain numbers.
enum PollEvents {
  static var readable: UInt32 { EPOLLIN.rawValue }
  static var writable: UInt32 { EPOLLOUT.rawValue }
  static var hangUp: UInt32 { EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue }
  static var broken: UInt32 { EPOLLHUP.rawValue | EPOLLERR.rawValue }
  static var edges: UInt32 { EPOLLET.rawValue }
  static var connection: UInt32 { readable | writable | EPOLLRDHUP.rawValue | edges }
}
