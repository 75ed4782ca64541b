import TideCore
import TideDialects

/// What an answer may still cost the budgets that its exchange reserves from, over all lanes.
///
/// It counts what the engine says, before any policy changes it, and estimates tokens as `limit` filters do: an answer ends at the
/// same character however it was cut and whether it was streamed or not. What no lane carries, arguments of tool calls and signed
/// thinking, counts as it leaves, after `on_tool_call`, and ends the answer in front of the event (of a whole body: the call or block) that
/// does not fit. The reservation comes first; from then on each budget is
/// debited in steps. A budget that gateways share is debited ahead of need, since its answer takes a while: see `prepare`.
final class AnswerAllowance {
  /// Tokens that a budget is debited by at once: fewer locks, and at most so many are set aside that nobody uses.
  static let step = 64

  let context: ExchangeContext
  private let stores: SharedStore
  let services: PolicyHostServices
  let shared: LimitStore?
  var entries: [Entry]
  /// Bytes of the event that waits until budgets have answered; nil while none does.
  var awaitedBytes: Int?
  /// Told when they have; once.
  var onReady: (() -> Void)?

  struct Entry {
    /// In the exchange's reservations.
    var place: Int
    var limit: OutputLimit
    /// Of a budget that gateways share.
    var drawing = AllowanceDrawing()
  }

  /// - Returns: nil when no budget counts the answer.
  init?(
    _ context: ExchangeContext, _ stores: SharedStore, _ services: PolicyHostServices, shared: LimitStore?
  ) {
    self.context = context
    self.stores = stores
    self.services = services
    self.shared = shared
    entries = context.reservations.indices.filter { context.reservations[$0].count != .input }.map { place in
      let reservation = context.reservations[place]
      return Entry(
        place: place, limit: OutputLimit(tokensMax: reservation.taken - reservation.promptTokens))
    }
    if entries.isEmpty { return nil }
  }

  /// Takes the next text of any lane.
  ///
  /// - Returns: how many bytes of it may pass; fewer than all when a budget is empty and the answer ends there.
  func admit(_ text: UnsafeRawBufferPointer) -> Int {
    var count = text.count
    for index in entries.indices {
      let piece = UnsafeRawBufferPointer(rebasing: text[..<count])
      let missing = entries[index].limit.tokensMissing(for: piece)
      if missing > 0 { take(missing, index) }
      count = entries[index].limit.admit(piece).byteCount
    }
    return count
  }

  /// Takes text that passes whole or not at all.
  ///
  /// - Returns: false when a budget is empty and the answer ends before it.
  func admit(byteCount: Int) -> Bool {
    for index in entries.indices {
      let missing = entries[index].limit.tokensMissing(forBytes: byteCount)
      if missing > 0 { take(missing, index) }
      guard entries[index].limit.admit(byteCount: byteCount) else { return false }
    }
    return true
  }

  private func take(_ missing: Int, _ index: Int) {
    let place = entries[index].place
    let reservation = context.reservations[place]
    // What a shared budget has for this text is here already.
    guard reservation.shared == nil else { return }
    let moment = TokenBudget.Moment(monotonic: services.now(), wallMs: Int(services.wallClockMs()))
    do throws(SharedStore.StoreError) {
      let decision = try stores.take(
        max(missing, Self.step), atLeast: 1, from: reservation.key, reservation.budget, at: moment)
      guard let debit = decision.debit else { return }
      context.reservations[place].add(debit)
      entries[index].limit.raise(by: debit.tokens)
    } catch {
      // A store that is full keeps no books: the answer ends as if the budget were empty.
    }
  }
}
