import Foundation
import Synchronization
import TideBench

/// Progress on standard error: one line that is written anew on a terminal, a line each time elsewhere.
final class ProgressLine: Sendable {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let isShown = Mutex(false)

  func show(_ progress: BenchProgress) {
    isShown.withLock { isShown in
      // Back to the first column, and what the last line had there is gone.
      Self.write(isTerminal ? "\r\u{1B}[K\(progress)" : "\(progress)\n")
      isShown = isTerminal
    }
  }

  /// Takes the line away, before something else is printed.
  func clear() {
    isShown.withLock { isShown in
      if isShown { Self.write("\r\u{1B}[K") }
      isShown = false
    }
  }

  private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
