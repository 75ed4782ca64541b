import TideCore
import TideDialects
import TidePolicy

/// The time bound of what filters hold back.
extension Exchange {
  static let holdTimerKind: UInt8 = 1

  /// Makes sure that the exchange wakes when text may wait no longer.
  ///
  /// A timer that is armed stays: should that text go earlier, the timer finds the next.
  func armHoldTimer(_ lanes: PolicyLaneProcessor) {
    guard holdTimer == nil, let time = lanes.releaseTime else { return }
    holdTimer = worker.io.timers.schedule(at: time, target: self, kind: Self.holdTimerKind)
  }

  func holdIsOver() {
    holdTimer = nil
    guard phase == .responding, case .events(let stream) = body else { return }
    follow(stream.release(at: worker.io.now, into: &downstream.output), of: stream)
  }
}
