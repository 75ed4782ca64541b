import CLinux
import Synchronization

/// When memory that connections took goes back to the system.
///
/// The C library keeps what is freed, but for the end of its heap, so that a gateway would for ever be as large as in its busiest minute.
/// To look through the heap for whole free pages takes milliseconds, which is why only many ended connections are a reason.
///
/// Pure, but for `release`.
struct FreedMemory {
  /// Fewer connections that have gone are not worth a look.
  static let goneMin = 256

  /// One look at a time for the whole process: it takes the locks of the heap that workers allocate from.
  private static let isLooking = Atomic(false)

  private var mostOpen = 0

  mutating func opened(_ openCount: Int) { mostOpen = max(mostOpen, openCount) }

  /// Whether half of the connections that were open at once have gone since the last time, and enough of them.
  mutating func isMuch(_ openCount: Int) -> Bool {
    guard mostOpen - openCount >= Self.goneMin, openCount * 2 <= mostOpen else { return false }
    mostOpen = openCount
    return true
  }

  /// Gives back what is free, on a thread of its own. Without one it stays where it is.
  static func release() {
    guard !isLooking.exchange(true, ordering: .acquiringAndReleasing) else { return }
    let thread = SideThread.start("tide-memory") {
      clinux_trim_heap()
      isLooking.store(false, ordering: .releasing)
    }
    if thread == nil { isLooking.store(false, ordering: .releasing) }
  }
}
