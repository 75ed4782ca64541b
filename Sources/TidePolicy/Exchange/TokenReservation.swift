import TideDialects

/// What one exchange has set aside of one budget of tokens.
struct TokenReservation {
  /// Which of an exchange's tokens a budget counts.
  enum Count: String, CaseIterable {
    case total, input, output
  }

  let key: SharedStore.Key
  /// Where gateways share the budget: its name there.
  let shared: LimitKey?
  let budget: TokenBudget
  let count: Count
  /// What the prompt has of it: the rest is the answer's.
  let promptTokens: Int
  var debits: [TokenBudget.Debit]

  var taken: Int { debits.reduce(0) { $0 + $1.tokens } }

  /// Tokens that a usage costs here.
  func cost(_ usage: TokenUsage) -> Int {
    switch count {
    case .total: max(0, usage.prompt) + max(0, usage.completion)
    case .input: max(0, usage.prompt)
    case .output: max(0, usage.completion)
    }
  }

  /// What is left to do once it is known what the exchange has cost; nil when the books agree.
  func settling(_ cost: Int, of key: LimitKey) -> LimitOperation? {
    if cost > taken { return .charge(key, budget, tokens: min(cost - taken, TokenBudget.tokensMax)) }
    var surplus = taken - cost
    var parts: [TokenBudget.Debit] = []
    for debit in debits.reversed() where surplus > 0 {
      let part = min(surplus, debit.tokens)
      if part > 0 { parts.append(TokenBudget.Debit(slot: debit.slot, tokens: part)) }
      surplus -= part
    }
    return parts.isEmpty ? nil : .giveBack(key, budget, parts)
  }

  mutating func add(_ debit: TokenBudget.Debit) {
    if let last = debits.indices.last, debits[last].slot == debit.slot {
      debits[last].tokens += debit.tokens
    } else {
      debits.append(debit)
    }
  }
}
