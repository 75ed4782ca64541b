import Glibc
import Synchronization
import TideCore

/// Ends the process when a worker has been in one turn for too long (robustness.md section 5): its clients are better
/// served by a restart than by silence.
///
/// `check` is called about once a second by a thread that is no worker's.
public final class StallWatchdog: Sendable {
  public static let limitMs = 5000

  private let workers: [Worker]
  private let limitMs: Int

  public init(workers: [Worker], limitMs: Int = StallWatchdog.limitMs) {
    self.workers = workers
    self.limitMs = limitMs
  }

  /// What to say when a worker is stuck; nil when all is well.
  public func stalledMessage(at now: MonotonicTime = .now()) -> String? {
    for worker in workers {
      if let busy = worker.busyMs(at: now), busy >= limitMs {
        return "worker \(worker.index) has been in one turn for \(busy) ms; ending the process"
      }
    }
    return nil
  }

  /// Writes the message to standard error and aborts when a worker is stuck.
  public func check() {
    guard let message = stalledMessage() else { return }
    let line = "tidegate: \(message)\n"
    _ = line.utf8.withContiguousStorageIfAvailable { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    abort()
  }
}
