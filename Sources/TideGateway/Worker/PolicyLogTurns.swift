import TideCore
import TideIO
import TidePolicy

/// Makes the calls of `on_log` at the end of turns after those in which their exchanges ended, a few each: a burst of ends holds nothing up.
final class PolicyLogTurns: TurnEndTarget {
  /// Of one turn: so many calls, and no more once so much time is over.
  static let callsMax = 64
  private static let turnNs: UInt64 = 1_000_000
  /// What the end of the loop has for what is left; a call is never stopped but by its budget.
  private static let stopNs: UInt64 = 250_000_000

  private unowned let worker: GatewayWorker
  private let logs: PolicyLogQueue
  private var isRequested = false
  /// Calls that were queued when the last turn ended.
  private var readyCount = 0

  init(_ worker: GatewayWorker, _ logs: PolicyLogQueue) {
    self.worker = worker
    self.logs = logs
    logs.onWork = { [unowned self] in request() }
  }

  private func request() {
    guard !isRequested else { return }
    isRequested = true
    worker.io.requestTurnEnd(self)
  }

  func turnWillEnd(now: MonotonicTime) {
    isRequested = false
    run(atMost: min(readyCount, Self.callsMax), forNs: Self.turnNs)
    readyCount = logs.count
    // The next turn does not wait then.
    if readyCount > 0 { request() }
    worker.logsWereMade()
  }

  /// The loop has ended: what is queued is made now.
  func loopEnded() { run(atMost: .max, forNs: Self.stopNs) }

  private func run(atMost count: Int, forNs limit: UInt64) {
    guard count > 0 else { return }
    let begun = MonotonicTime.now()
    var left = count
    while left > 0, logs.runNext(), MonotonicTime.now().nanoseconds(since: begun) < limit { left -= 1 }
  }
}
