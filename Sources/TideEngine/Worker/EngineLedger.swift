import Synchronization
import TideCore

/// What one engine worker has seen, for tests and for whoever looks at `/engine/stats`.
///
/// Written by its worker twice a request, read by whichever worker answers the question; the lock is hardly ever contended.
final class EngineLedger: Sendable {
  struct Counts: Equatable {
    var requests = 0
    var active = 0
    /// Answered to the end.
    var completed = 0
    /// Left by the client before the end.
    var cancelled = 0
    /// Broken off by a fault that the request asked for.
    var broken = 0
    /// Of all choices; counted when a stream is over.
    var tokens = 0

    static func += (sum: inout Counts, one: Counts) {
      sum.requests += one.requests
      sum.active += one.active
      sum.completed += one.completed
      sum.cancelled += one.cancelled
      sum.broken += one.broken
      sum.tokens += one.tokens
    }
  }

  /// A request as it came.
  struct Seen {
    var at: MonotonicTime
    var head: RequestHead
    var body: [UInt8]
    var isHTTP2: Bool
  }

  private struct State {
    var counts = Counts()
    var last: Seen?
  }

  private let state = Mutex(State())

  var counts: Counts { state.withLock { $0.counts } }
  var last: Seen? { state.withLock { $0.last } }

  func change(_ body: (inout Counts) -> Void) { state.withLock { body(&$0.counts) } }

  func began(_ seen: Seen) {
    state.withLock {
      $0.counts.requests += 1
      $0.counts.active += 1
      $0.last = seen
    }
  }
}
