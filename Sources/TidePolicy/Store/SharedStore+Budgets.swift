import TideCore

/// Budgets of tokens: exact, whichever workers ask at the same time.
extension SharedStore {
  /// Takes tokens, as many as are wanted or, from `atLeast` on, as many as there are.
  func take(
    _ wanted: Int, atLeast: Int, from key: Key, _ budget: TokenBudget, at moment: TokenBudget.Moment
  ) throws(StoreError) -> TokenBudget.Decision {
    try check(key, .integer(0))
    return try change(key, budget, at: moment) { ledger in
      budget.take(wanted, atLeast: atLeast, from: &ledger, at: moment)
    }
  }

  /// Makes the books agree with what an exchange has cost: gives back what it did not need, and books what it took too much.
  ///
  /// - Parameters:
  ///   - debits: what it has taken, in order.
  ///   - cost: what it has used.
  func settle(
    _ debits: [TokenBudget.Debit], cost: Int, of key: Key, _ budget: TokenBudget, at moment: TokenBudget.Moment
  ) throws(StoreError) {
    let taken = debits.reduce(0) { $0 + $1.tokens }
    guard taken != cost else { return }
    try change(key, budget, at: moment) { ledger in
      if cost > taken { return budget.charge(cost - taken, to: &ledger) }
      var surplus = taken - cost
      for debit in debits.reversed() where surplus > 0 {
        let part = min(surplus, debit.tokens)
        budget.giveBack(TokenBudget.Debit(slot: debit.slot, tokens: part), to: &ledger)
        surplus -= part
      }
    }
  }

  private func change<Outcome: Sendable>(
    _ key: Key, _ budget: TokenBudget, at moment: TokenBudget.Moment,
    _ body: @Sendable (inout TokenBudget.Ledger) -> Outcome
  ) throws(StoreError) -> Outcome {
    let result: Result<Outcome, StoreError> = shard(key).table.withLock { table in
      var stored: TokenBudget.Ledger?
      if case .ledger(let ledger)? = table.live(key, moment.monotonic)?.value { stored = ledger }
      var ledger = budget.ledger(stored, at: moment)
      let outcome = body(&ledger)
      guard ledger != stored else { return .success(outcome) }
      guard ledger.total > 0 else {
        table.remove(key)
        return .success(outcome)
      }
      let isKept = table.put(key, .ledger(ledger), budget.expiry(ledger, at: moment), moment.monotonic)
      return isKept ? .success(outcome) : .failure(.full)
    }
    return try result.get()
  }
}
