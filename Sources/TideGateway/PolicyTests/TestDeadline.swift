import Synchronization
import TideCore
import TideLua

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

  /// Whether the test failed because the time was over.
  func hasStopped(_ failure: LuaFailure) -> Bool {
    hasPassed && (failure.kind == .timeAbort || failure.message.contains(problem.message))
  }

  /// What a call into Lua may take of the processor.
  var callNs: UInt64 { hasPassed ? 0 : min(instant.nanoseconds(since: .now()), Self.callNsMax) }

  /// Why what still ran was stopped.
  var problem: TestProblem {
    TestProblem("stopped: " + (limit.map { "all tests together may take \($0)" } ?? "the tests were called off"))
  }

  /// What all tests together may take, for people to read; nil without a limit.
  var limit: String? { limitMs.map { $0.isMultiple(of: 1_000) ? "\($0 / 1_000) s" : "\($0) ms" } }
}
