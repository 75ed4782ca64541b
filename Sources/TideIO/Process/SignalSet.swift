import CLinux
import Glibc

/// Signals read from a descriptor instead of interrupting whoever runs. Make it in the main thread before any other thread
/// starts, since threads inherit what is blocked.
public final class SignalSet: Sendable {
  public let descriptor: Int32
  private let signals: [Int32]

  /// Blocks `signals` for the calling thread and those it starts; ignores SIGPIPE for the process.
  public init(_ signals: [Int32] = [SIGTERM, SIGINT, SIGHUP]) {
    self.signals = signals
    clinux_ignore_broken_pipe()
    descriptor = clinux_signal_descriptor(signals, Int32(clamping: signals.count))
    precondition(descriptor >= 0, "no signal descriptor: \(SocketFailure.text(of: errno))")
  }

  deinit {
    close(descriptor)
    clinux_unblock_signals(signals, Int32(clamping: signals.count))
  }

  /// The next signal, or nil when none comes within `timeoutMs`; nil waits for ever.
  public func next(timeoutMs: Int? = nil) -> Int32? {
    let began = clinux_next_signal(descriptor, timeoutMs.map { Int32(clamping: $0) } ?? -1)
    return began > 0 ? began : nil
  }
}
