import Glibc

/// A destination of lines: a standard stream or a file that is appended to. Only the pipeline's thread writes to it.
public final class LogOutput: Sendable {
  let descriptor: Int32
  private let isOwned: Bool
  public let isTerminal: Bool

  public static let standardOutput = LogOutput(descriptor: 1, isOwned: false)
  public static let standardError = LogOutput(descriptor: 2, isOwned: false)

  init(descriptor: Int32, isOwned: Bool) {
    self.descriptor = descriptor
    self.isOwned = isOwned
    isTerminal = isatty(descriptor) == 1
  }

  /// Opens `path` for appending; it is made, readable by its owner and group only, when it does not exist.
  ///
  /// - Returns: nil when it cannot be opened; `errno` says why.
  public convenience init?(path: String) {
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o640)
    guard descriptor >= 0 else { return nil }
    self.init(descriptor: descriptor, isOwned: true)
  }

  deinit {
    if isOwned { close(descriptor) }
  }

  /// Text on a terminal, JSON otherwise.
  public var naturalStyle: LogStyle { isTerminal ? .text : .json }

  /// Writes all of `bytes`. A standard stream may have been made non-blocking by another process that shares it; then this waits.
  ///
  /// - Returns: false when the destination takes nothing more.
  func write(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { buffer in
      var offset = 0
      while offset < buffer.count {
        let count = Glibc.write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
        if count > 0 {
          offset += count
        } else if count < 0 && errno == EAGAIN {
          var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          guard poll(&state, 1, 10_000) > 0 else { return false }
        } else if !(count < 0 && errno == EINTR) {
          return false
        }
      }
      return true
    }
  }
}
