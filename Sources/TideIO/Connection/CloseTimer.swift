import TideCore

/// The deadline of a connection that is being closed. Exists only then.
final class CloseTimer: TimerTarget {
  private unowned let connection: SocketConnection
  private var token = TimerToken.none
  /// Whether the peer took anything since the deadline was set.
  var hasProgress = false

  init(_ connection: SocketConnection) { self.connection = connection }

  func arm(afterMs milliseconds: Int) {
    cancel()
    token = connection.worker.timers.schedule(
      at: connection.worker.now.advanced(byMs: milliseconds), target: self, kind: 0)
  }

  func cancel() { connection.worker.timers.cancel(&token) }

  func timerFired(kind: UInt8, now: MonotonicTime) {
    token = .none
    connection.closeDeadlinePassed(hadProgress: hasProgress)
    hasProgress = false
  }
}
