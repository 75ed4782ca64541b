import CLinux
import Glibc
import TideCore

/// Ends the process when a worker has been in one turn for too long (robustness.md section 5): its clients are better
/// served by a restart than by silence.
///
/// Either `start` gives it a thread of its own, or a thread that is no worker's calls `check` about once a second.
public final class StallWatchdog: Sendable {
  public static let limitMs = 5000

  private let workers: [Worker]
  private let limitMs: Int

  public init(workers: [Worker], limitMs: Int = StallWatchdog.limitMs) {
    self.workers = workers
    self.limitMs = limitMs
  }

  /// Checks every second, until the process ends.
  public func start() {
    var thread: UInt = 0
    let me = Unmanaged.passRetained(self)
    let error = clinux_start_thread(
      "tide-watchdog", 256 << 10,
      { argument in
        guard let argument else { return nil }
        let watchdog = Unmanaged<StallWatchdog>.fromOpaque(argument).takeRetainedValue()
        while true {
          sleep(1)
          watchdog.check()
        }
      }, me.toOpaque(), &thread)
    precondition(error == 0, "no thread for the watchdog: \(SocketFailure.text(of: error))")
    clinux_detach_thread(thread)
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
