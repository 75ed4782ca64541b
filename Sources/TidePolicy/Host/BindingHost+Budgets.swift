import TideCore
import TideLua

/// `tide.limit.tokens`: tokens that an exchange sets aside, spends as they pass, and settles when it ends.
extension BindingHost {
  /// Of one exchange.
  private static let reservationsMax = 32
  /// Set aside for an answer of which nothing is known yet.
  static let answerTokens = 16

  func reserveTokens(_ arguments: LuaArguments, _ results: inout LuaResults) throws(HostError) -> HostCallStatus {
    let function = "tide.limit.tokens"
    guard let exchange = current, hook == .onRequest else {
      throw HostError("\(function): only on_request may reserve tokens; here it is \(hook.name)")
    }
    let name = try storeKey(arguments[0], function)
    let options = PolicyValue(arguments[1].value)
    let entries = try VerdictReader.fields(options, .limitTokens)
    let (budget, period) = try Self.budget(options, entries, function)
    var count = TokenReservation.Count.total
    if let written = options["count"] {
      guard let known = TokenReservation.Count(rawValue: written.text ?? "") else {
        throw HostError("\(function): count must be total, input or output, not \(SchemaField.show(written))")
      }
      count = known
    }
    let promptTokens = count == .output ? 0 : exchange.chat?.tokensEstimate ?? max(1, exchange.requestSize / 4)
    var estimate = promptTokens + (count == .input ? 0 : Self.answerTokens)
    if let written = options["estimate"] {
      guard let number = written.wholeNumber, number > 0 else {
        throw HostError("\(function): estimate must be a whole number above 0")
      }
      estimate = number
    }
    // The hour's budget of a team is not its day's.
    let text = "\(count.rawValue)/\(period)/\(name)"
    let key = SharedStore.Key(space: budgetSpace.id, text: text)
    let isKnown = exchange.reservations.contains { $0.key == key }
    guard isKnown || exchange.reservations.count < Self.reservationsMax else {
      throw HostError("\(function): an exchange reserves from at most \(Self.reservationsMax) budgets")
    }
    // Who asks again has its tokens already.
    let wanted = isKnown ? 0 : estimate
    if limits != nil {
      guard text.utf8.count <= SharedStore.keyBytesMax else { return Self.keyTooLong }
      let shared = LimitKey(owner: owner, text: text)
      let reservation = TokenReservation(
        key: key, shared: shared, budget: budget, count: count, promptTokens: promptTokens, debits: [])
      self.wanted = .limit(
        LimitWish(
          operation: .reserve(shared, budget, wanted: wanted, atLeast: wanted),
          grant: isKnown ? .nothing : .tokens(reservation)))
      return .yield
    }
    let moment = TokenBudget.Moment(monotonic: services.now(), wallMs: Int(services.wallClockMs()))
    do throws(SharedStore.StoreError) {
      let decision = try store.take(wanted, atLeast: wanted, from: key, budget, at: moment)
      if let debit = decision.debit, !isKnown {
        exchange.reservations.append(
          TokenReservation(
            key: key, shared: nil, budget: budget, count: count, promptTokens: promptTokens, debits: [debit]))
      }
      var fields: [(key: LuaValue, value: LuaValue)] = [
        (.text("ok"), .boolean(decision.debit != nil)), (.text("remaining"), .integer(Int64(decision.remaining))),
      ]
      if let wait = decision.retryAfterMs { fields.append((.text("retry_after"), .integer(Int64(wait)))) }
      results.append(LuaValue.map(fields))
      return .ok
    } catch {
      return .returnsNilError(code: error == .full ? "store_full" : "bad_value", message: error.message)
    }
  }

  /// The budget, and its period as keys name it.
  private static func budget(
    _ options: PolicyValue, _ entries: [PolicyValue.Entry], _ function: String
  ) throws(HostError) -> (TokenBudget, String) {
    guard !entries.isEmpty, let tokens = options["tokens"]?.wholeNumber, let per = options["per"] else {
      throw HostError(
        "\(function): needs { tokens = a whole number, per = a duration, \"hour\", \"day\" or \"month\" }")
    }
    let period: TokenBudget.Period
    let name: String
    switch per.text {
    case "hour": (period, name) = (.hour, "hour")
    case "day": (period, name) = (.day, "day")
    case "month": (period, name) = (.month, "month")
    default:
      let ms = try VerdictReader.milliseconds(per, "\(function): per")
      (period, name) = (.rolling(milliseconds: ms), "\(ms)ms")
    }
    guard let budget = TokenBudget(tokens: tokens, period: period) else {
      throw HostError("\(function): tokens and per must be positive and of a sensible size")
    }
    return (budget, name)
  }
}
