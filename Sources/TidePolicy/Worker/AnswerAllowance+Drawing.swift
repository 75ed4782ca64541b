import TideCore
import TideDialects

/// How far one shared budget is drawn.
struct AllowanceDrawing {
  /// The draw under way.
  var call: LimitCall?
  var wanted = 0
  /// The budget has said, since the event in hand came, that this is all it has.
  var isFinal = false
  /// A budget that had less than was wanted, or no answer, is not asked ahead of need before.
  var nextAhead = MonotonicTime.zero
  /// The answer was let go on without the store, once.
  var isOverdrawn = false
}

/// Budgets that gateways share: each answer has tokens set aside before they come.
///
/// An event is handled only once what it may hold at most, a token for four of its bytes, is set aside or the budget has said that it has no
/// more; until then the stream is held. So an answer costs no more than the budget has, and ends at the same character as with a budget of
/// the process's own. Draws are made ahead, so that a stream seldom waits: one for each `step` tokens.
extension AnswerAllowance {
  /// Fewer than so many left, and the next step is drawn. With the step itself the most that an answer has set aside and not used, but for
  /// what a large event may hold.
  static let aheadTokens = 128
  static let sharedStep = 128
  /// What an answer that has begun may cost beyond what was set aside while the store does not answer; the end books it.
  static let overdraftTokens = 1_024
  private static let retryMs = 1_000

  var isAwaiting: Bool { awaitedBytes != nil }

  /// An event of so many bytes is about to be handled.
  ///
  /// - Returns: false when it must wait; `onReady` says until when.
  func prepare(byteCount: Int) -> Bool {
    guard shared != nil else { return true }
    awaitedBytes = isCovered(byteCount) ? nil : byteCount
    return awaitedBytes == nil
  }

  /// The event is done with: what it took is drawn anew.
  func eventEnded() {
    guard shared != nil else { return }
    for index in entries.indices { entries[index].drawing.isFinal = false }
    drawAhead()
  }

  /// Draws where little is left, without waiting for it.
  func drawAhead() {
    let now = services.now()
    for index in entries.indices where entries[index].drawing.nextAhead <= now {
      if entries[index].limit.tokensMissing(forBytes: Self.aheadTokens * 4) > 0 { draw(Self.sharedStep, index) }
    }
  }

  /// Nobody takes tokens any more.
  func stopDrawing() {
    awaitedBytes = nil
    onReady = nil
    for index in entries.indices {
      entries[index].drawing.call?.giveUp()
      entries[index].drawing.call = nil
      entries[index].drawing.nextAhead = .distantFuture
      entries[index].drawing.isFinal = true
    }
  }

  /// Whether every budget covers an event, or has no more; draws where one does not.
  private func isCovered(_ byteCount: Int) -> Bool {
    var isCovered = true
    for index in entries.indices where !entries[index].drawing.isFinal {
      guard context.reservations[entries[index].place].shared != nil else { continue }
      let missing = entries[index].limit.tokensMissing(forBytes: byteCount)
      guard missing > 0 else { continue }
      draw(missing + Self.sharedStep, index)
      isCovered = false
    }
    return isCovered
  }

  private func draw(_ wanted: Int, _ index: Int) {
    let reservation = context.reservations[entries[index].place]
    guard let shared, let key = reservation.shared, entries[index].drawing.call == nil else { return }
    entries[index].drawing.wanted = wanted
    let operation = LimitOperation.reserve(key, reservation.budget, wanted: wanted, atLeast: 1)
    entries[index].drawing.call = LimitCall.begin(operation, in: shared) { [unowned self] result in
      entries[index].drawing.call = nil
      drawn(result, index)
      // The event in hand may go on now, or needs more.
      guard let awaitedBytes, isCovered(awaitedBytes) else { return }
      self.awaitedBytes = nil
      let told = onReady
      onReady = nil
      told?()
    }
  }

  private func drawn(_ result: Result<LimitReply, LimitFailure>, _ index: Int) {
    switch result {
    case .success(let reply):
      let debit = reply.isAllowed ? reply.debit : nil
      if let debit {
        context.reservations[entries[index].place].add(debit)
        entries[index].limit.raise(by: debit.tokens)
      }
      guard debit?.tokens ?? 0 < entries[index].drawing.wanted else { return }
    case .failure:
      if !entries[index].drawing.isOverdrawn {
        entries[index].drawing.isOverdrawn = true
        entries[index].limit.raise(by: Self.overdraftTokens)
      }
    }
    // What was drawn ahead says nothing about an event that is yet to come.
    entries[index].drawing.isFinal = awaitedBytes != nil
    entries[index].drawing.nextAhead = services.now().advanced(byMs: Self.retryMs)
  }
}
