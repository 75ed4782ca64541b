import TideCore
import TideIO
import TidePolicy
import TideStore

/// The limits of one worker's policies in the store that gateways share: puts operations into the store's words, and brings its answers back
/// to the worker.
final class WorkerLimits: LimitStore {
  private let worker: Worker
  private let store: StoreClient
  private let leaseMs: Int

  /// Unchecked Sendable: made on the worker's thread, carried through the store's unseen, called on the worker's thread.
  private struct Completion: @unchecked Sendable {
    let call: (Result<LimitReply, LimitFailure>) -> Void
  }

  init(worker: Worker, store: StoreClient, settings: StoreSettings = StoreSettings()) {
    self.worker = worker
    self.store = store
    leaseMs = settings.leaseMs
  }

  override func perform(
    _ operation: LimitOperation, completion: @escaping (Result<LimitReply, LimitFailure>) -> Void
  ) {
    let completion = Completion(call: completion)
    var command = command(operation)
    command.completion = { [worker] result in
      let result = Self.result(operation, result)
      worker.post { _ in completion.call(result) }
    }
    store.send(command)
  }

  override func deliver(_ operation: LimitOperation) {
    if case .release(let key, let member) = operation {
      return store.release(StorePlace(key: Self.name("places", key), member: member))
    }
    var command = command(operation)
    // Rather booked twice than not at all, and rather not given back than twice: no period holds more than its budget.
    if case .charge = operation { command.delivery = .assured(repeatable: true) }
    if case .giveBack = operation { command.delivery = .assured(repeatable: false) }
    store.send(command)
  }

  // MARK: Words

  private static func name(_ kind: String, _ key: LimitKey) -> String { "tidegate:\(kind):\(key.owner):\(key.text)" }

  private func command(_ operation: LimitOperation) -> StoreCommand {
    switch operation {
    case .take(let key, let amount, let limit):
      let rate = limit.exactUnits
      // More than any burst is more than any burst.
      let amount = min(amount, 2_000_000_000)
      return StoreCommand(
        .take, key: Self.name("take", key),
        arguments: ["\(rate.interval)", "\(limit.burst)", "\(amount)", "\(rate.unitNs)"])
    case .reserve(let key, let budget, let wanted, let atLeast):
      let numbers = [budget.tokens, min(wanted, TokenBudget.tokensMax + 1), min(atLeast, TokenBudget.tokensMax + 1)]
      return ledger(.reserve, key, budget, numbers)
    case .charge(let key, let budget, let tokens): return ledger(.charge, key, budget, [tokens])
    case .giveBack(let key, let budget, let debits):
      return ledger(.giveBack, key, budget, debits.flatMap { [$0.slot, $0.tokens] })
    case .acquire(let key, let maximum, let member):
      let name = Self.name("places", key)
      return StoreCommand(
        .acquire, key: name, arguments: ["\(min(maximum, 1 << 50))", "\(leaseMs)", member],
        effect: .holds(StorePlace(key: name, member: member)))
    case .release(let key, let member):
      return StoreCommand(.release, key: Self.name("places", key), arguments: [member])
    }
  }

  private func ledger(
    _ script: StoreScript, _ key: LimitKey, _ budget: TokenBudget, _ numbers: [Int]
  ) -> StoreCommand {
    let kind =
      switch budget.period {
      case .rolling: "rolling"
      case .hour: "hour"
      case .day: "day"
      case .month: "month"
      }
    return StoreCommand(
      script, key: Self.name("tokens", key),
      arguments: [kind, "\(budget.slotMs)", "\(budget.slotCount)"] + numbers.map { "\($0)" })
  }

  private static func result(
    _ operation: LimitOperation, _ result: Result<[Int], StoreFailure>
  ) -> Result<LimitReply, LimitFailure> {
    let numbers: [Int]
    switch result {
    case .success(let value): numbers = value
    case .failure(let failure):
      let code: LimitFailure.Code = if case .unavailable = failure { .unavailable } else { .refused }
      return .failure(LimitFailure(code, failure.message))
    }
    func number(_ index: Int) -> Int { index < numbers.count ? numbers[index] : 0 }
    func wait(_ index: Int) -> Int? { number(index) < 0 ? nil : number(index) }
    let isAllowed = number(0) == 1
    switch operation {
    case .take:
      return .success(LimitReply(isAllowed: isAllowed, remaining: number(1), retryAfterMs: wait(2)))
    case .reserve:
      let debit = isAllowed ? TokenBudget.Debit(slot: number(2), tokens: number(1)) : nil
      return .success(
        LimitReply(isAllowed: isAllowed, remaining: number(3), retryAfterMs: wait(4), debit: debit))
    case .acquire: return .success(LimitReply(isAllowed: isAllowed, remaining: number(1)))
    case .charge, .giveBack, .release: return .success(LimitReply(isAllowed: true, remaining: 0))
    }
  }
}

extension RateLimit {
  /// The interval in a unit in which a full bucket is below 2^53, so that the store's arithmetic is exact: nanoseconds, or microseconds,
  /// rounded up, for limits whose bucket takes months to fill.
  var exactUnits: (interval: UInt64, unitNs: Int) {
    intervalNs * UInt64(burst) < 1 << 52 ? (intervalNs, 1) : ((intervalNs + 999) / 1_000, 1_000)
  }
}
