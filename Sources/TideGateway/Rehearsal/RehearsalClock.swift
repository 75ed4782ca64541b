import Synchronization
import TideCore

/// The time of a rehearsal: one hand for every clock that policies can read, which stands still until the rehearsal moves it.
final class RehearsalClock: Sendable {
  /// 2026-01-01T00:00:00Z, so that every run tells the same dates.
  private static let wallBeginning: UInt64 = 1_767_225_600_000_000_000
  private static let beginning: UInt64 = 1_000_000_000_000_000

  private let elapsed: Atomic<UInt64>

  init(elapsedNs: UInt64 = 0) { elapsed = Atomic(elapsedNs) }

  /// Since the rehearsal began.
  var elapsedNs: UInt64 { elapsed.load(ordering: .relaxed) }
  var now: MonotonicTime { MonotonicTime(nanoseconds: Self.beginning &+ elapsedNs) }
  /// Since 1970.
  var wallNs: UInt64 { Self.wallBeginning &+ elapsedNs }

  /// Sets the clock for another run, back too: only while nothing runs on it.
  func restart(elapsedNs: UInt64) { elapsed.store(elapsedNs, ordering: .relaxed) }

  /// Moves the clock on; an instant that has passed changes nothing.
  func advance(to instant: MonotonicTime) {
    let wanted = instant.nanoseconds(since: MonotonicTime(nanoseconds: Self.beginning))
    if wanted > elapsedNs { elapsed.store(wanted, ordering: .relaxed) }
  }
}
