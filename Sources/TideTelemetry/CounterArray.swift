import Synchronization

/// A fixed number of counters in a row, with the rule of `Counter`: one thread changes them, any may read.
///
/// Memory of its own, because an array of Swift would be copied or checked for uniqueness on the way.
final class CounterArray: Sendable {
  let count: Int
  /// Written only through atomics; freed with the object.
  private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<UInt64>>

  init(count: Int) {
    self.count = count
    cells = .allocate(capacity: count)
    for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit {
    cells.deinitialize(count: count)
    cells.deallocate()
  }

  @inline(__always) func add(_ amount: UInt64, at index: Int) {
    assert(index >= 0 && index < count)
    cells[index].store(cells[index].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  @inline(__always) func current(at index: Int) -> UInt64 {
    assert(index >= 0 && index < count)
    return cells[index].load(ordering: .relaxed)
  }
}
