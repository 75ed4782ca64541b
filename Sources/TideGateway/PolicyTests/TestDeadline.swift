import Synchronization
import TideCore

/// When a run of tests must be over. The thread that runs them asks wherever a test may go on for ever; any thread may call them off.
final class TestDeadline: Sendable {
  /// What one function of a test may take of the processor where there is no limit.
  private static let callNsMax: UInt64 = 60_000_000_000

  private let instant: MonotonicTime
  private let limitMs: Int?
  private let isCalledOff = Atomic(false)

  /// - Parameter limitMs: from now; nil sets no limit.
  init(limitMs: Int? = nil) {
    self.limitMs = limitMs
    instant = limitMs.map { MonotonicTime.now().advanced(byMs: $0) } ?? .distantFuture
  }

  func callOff() { isCalledOff.store(true, ordering: .relaxed) }

  var hasPassed: Bool { isCalledOff.load(ordering: .relaxed) || instant <= .now() }

  /// What a call into Lua may take of the processor.
  var callNs: UInt64 { hasPassed ? 0 : min(instant.nanoseconds(since: .now()), Self.callNsMax) }

  /// Why what still ran was stopped.
  var problem: TestProblem {
    TestProblem("stopped: " + (limitMs.map { "all tests together may take \($0) ms" } ?? "the tests were called off"))
  }
}
