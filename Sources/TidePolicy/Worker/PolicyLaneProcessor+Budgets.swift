import TideCore
import TideDialects
import TideLua

/// Budgets of tokens, debited as the answer passes.
extension PolicyLaneProcessor {
  /// How much of a text budgets let pass, where the lanes' calls may wait.
  func admit(_ lane: LaneID, _ text: UnsafeRawBufferPointer) -> Int {
    countsText(of: lane) ? allowance?.admit(text) ?? text.count : text.count
  }

  /// Whether budgets count a lane as it passes. Arguments that policies see count as they leave, like those that nobody sees.
  func countsText(of lane: LaneID) -> Bool { lane.channel != .toolArgs }

  /// Counts text that no lane carries.
  func countPassing(byteCount: Int) -> LaneStep {
    answerBegins()
    return allowance?.admit(byteCount: byteCount) ?? true ? .proceed : budgetIsEmpty()
  }

  /// Ends the answer because a budget of tokens is empty.
  func budgetIsEmpty() -> LaneStep {
    end(with: LaneCut(finishReason: "length"))
    return .cut
  }

  /// All reservations are made. Where gateways share the budgets of an answer that is to come, some tokens are set aside for it, so that
  /// they are here when it comes.
  public func requestIsDecided(expectsAnswer: Bool) {
    guard run.drawsAnswer else { return }
    drawsTokens = true
    if allowance == nil { allowance = run.answerAllowance() }
    if expectsAnswer { allowance?.drawAhead() }
  }

  /// The budgets are settled: what is still on its way to this answer goes back.
  func stopDrawing() {
    awaitsTokens = false
    allowance?.stopDrawing()
  }
}
