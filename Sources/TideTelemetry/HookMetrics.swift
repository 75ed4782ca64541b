/// What is counted for one hook of one policy binding on one worker. Kept by whoever calls the hook.
public final class HookMetrics: Sendable {
  /// Why a call was stopped.
  public enum Abort: String, Sendable, CaseIterable { case time, memory, instructions, wall }

  public let binding: String
  public let hook: String

  let calls = Histogram(.shortTime)
  let errors = Counter()
  let skipped = Counter()
  private let aborts = CounterArray(count: Abort.allCases.count)

  init(binding: String, hook: String) {
    self.binding = binding
    self.hook = hook
  }

  /// One call, however it ended.
  public func recordCall(ns: UInt64) { calls.record(ns) }

  /// The hook raised an error or returned what it may not.
  public func recordError() { errors.add() }

  public func recordAbort(_ abort: Abort) { aborts.add(1, at: Abort.allCases.firstIndex(of: abort) ?? 0) }

  /// The breaker was open: the failure action was taken without a call.
  public func recordSkipped() { skipped.add() }

  public func abortCount(_ abort: Abort) -> UInt64 { aborts.current(at: Abort.allCases.firstIndex(of: abort) ?? 0) }
}
