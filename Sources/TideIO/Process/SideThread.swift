import CLinux
import Glibc

/// A thread for one long piece of work that must hold up neither a worker nor whoever asks for it.
///
/// It runs at a lower priority than the rest of the process, and ends with its work: who no longer waits lets go of it.
///
/// Unchecked Sendable: what it came to is reached under a lock only.
public final class SideThread: @unchecked Sendable {
  /// Lower than the workers, which have what the process was started with.
  private static let niceness: Int32 = 10
  /// Lua and the parsers recurse to a bounded depth, which takes less than one mebibyte.
  private static let stackBytes = 4 << 20

  /// Readable once the work is done: for `poll`.
  public let descriptor: Int32
  private let work: @Sendable () -> Void

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - name: what the system's tools call it; at most 15 bytes.
  ///   - work: leaves its result where the caller finds it.
  /// - Returns: nil when the system gives no thread or no descriptor.
  public static func start(_ name: String, _ work: @escaping @Sendable () -> Void) -> SideThread? {
    let descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard descriptor >= 0 else { return nil }
    let made = SideThread(descriptor, work)
    let context = Unmanaged.passRetained(made)
    var thread: UInt = 0
    let error = clinux_start_thread(
      name, stackBytes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<SideThread>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, context.toOpaque(), &thread)
    guard error == 0 else {
      context.release()
      return nil
    }
    clinux_detach_thread(thread)
    return made
  }

  private init(_ descriptor: Int32, _ work: @escaping @Sendable () -> Void) {
    self.descriptor = descriptor
    self.work = work
  }

  deinit { close(descriptor) }

  private func run() {
    clinux_lower_priority(Self.niceness)
    work()
    eventfd_write(descriptor, 1)
  }
}
