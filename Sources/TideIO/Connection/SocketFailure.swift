import CLinux
import Glibc

/// Why a connection broke. Made once per broken connection, never per message.
public struct SocketFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was being done.
  public enum Phase: String, Sendable { case connect, handshake, read, write }

  public var phase: Phase
  /// The kernel's `errno`, or 0 when TLS found the fault.
  public var code: Int32
  /// In words: the kernel's or OpenSSL's.
  public var reason: String

  public init(_ phase: Phase, code: Int32) {
    self.phase = phase
    self.code = code
    reason = Self.text(of: code)
  }

  public init(_ phase: Phase, reason: String) {
    self.phase = phase
    code = 0
    self.reason = reason
  }

  /// The peer reset or vanished, as opposed to a fault of this machine or of TLS.
  public var isReset: Bool { code == ECONNRESET || code == EPIPE || code == ECONNABORTED }

  public var description: String { "\(phase.rawValue): \(reason)" }

  static func text(of code: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return "" }
      clinux_error_text(code, base, 256)
      return String(cString: base)
    }
  }
}
