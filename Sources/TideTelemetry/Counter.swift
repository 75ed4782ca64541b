import Synchronization

/// A number that one thread changes and any thread may read.
///
/// A change is a relaxed load and a relaxed store, two plain instructions without a locked bus cycle: it is exact as long as only the
/// owner changes it. Readers see a value that is at most a few nanoseconds old.
struct Counter: ~Copyable, Sendable {
  private let value = Atomic<UInt64>(0)

  init() {}

  @inline(__always) func add(_ count: UInt64 = 1) {
    value.store(value.load(ordering: .relaxed) &+ count, ordering: .relaxed)
  }

  @inline(__always) var current: UInt64 { value.load(ordering: .relaxed) }
}
