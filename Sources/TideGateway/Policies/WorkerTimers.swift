import TideCore
import TideIO
import TidePolicy

/// The deadlines of hooks that wait, on the worker's timer wheel.
final class WorkerTimers: PolicyTimers {
  /// One deadline; it holds its owner only while it is armed.
  private final class Deadline: TimerTarget {
    let number: UInt64
    unowned let owner: WorkerTimers
    let body: () -> Void
    var timer = TimerToken.none

    init(_ number: UInt64, _ owner: WorkerTimers, _ body: @escaping () -> Void) {
      self.number = number
      self.owner = owner
      self.body = body
    }

    func timerFired(kind: UInt8, now: MonotonicTime) {
      // The owner's was the only reference: what is called must not lie in this object any more.
      let body = body
      owner.deadlines[number] = nil
      body()
    }
  }

  private let worker: Worker
  private var deadlines: [UInt64: Deadline] = [:]
  private var lastNumber: UInt64 = 0

  init(worker: Worker) { self.worker = worker }

  deinit { for deadline in deadlines.values { worker.timers.cancel(deadline.timer) } }

  override func after(_ ms: Int, _ body: @escaping () -> Void) -> Token {
    lastNumber &+= 1
    let deadline = Deadline(lastNumber, self, body)
    deadlines[lastNumber] = deadline
    deadline.timer = worker.timers.schedule(at: worker.now.advanced(byMs: ms), target: deadline, kind: 0)
    return Token(number: lastNumber)
  }

  override func cancel(_ token: Token) {
    guard let deadline = deadlines.removeValue(forKey: token.number) else { return }
    worker.timers.cancel(deadline.timer)
  }
}
