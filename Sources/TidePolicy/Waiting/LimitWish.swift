import TideLua

/// What `tide.limit` asked of a store that gateways share, and what the exchange has once it is granted.
struct LimitWish {
  enum Grant {
    case nothing
    /// Tokens set aside; its debits are those of the answer.
    case tokens(TokenReservation)
    case place(HeldPlace)
  }

  var operation: LimitOperation
  var grant = Grant.nothing

  /// What the function returns. Notes with the exchange what it holds from now on; what it has already goes back.
  func answer(
    _ result: Result<LimitReply, LimitFailure>, for exchange: ExchangeContext?, of store: LimitStore
  ) -> [LuaArgument] {
    let reply: LimitReply
    switch result {
    case .failure(let failure): return HookWait.problem(failure.code.rawValue, failure.message)
    case .success(let value): reply = value
    }
    if !take(reply, exchange), let undoing = operation.undoing(reply) { store.deliver(undoing) }
    var fields: [(key: LuaValue, value: LuaValue)] = [
      (.text("ok"), .boolean(reply.isAllowed)), (.text("remaining"), .integer(Int64(reply.remaining))),
    ]
    if let wait = reply.retryAfterMs { fields.append((.text("retry_after"), .integer(Int64(wait)))) }
    return [.value(.map(fields))]
  }

  /// - Returns: false when the exchange has the same already: two coroutines may have asked at once.
  private func take(_ reply: LimitReply, _ exchange: ExchangeContext?) -> Bool {
    guard reply.isAllowed else { return true }
    switch grant {
    case .nothing: return true
    case .tokens(var reservation):
      guard let exchange, let debit = reply.debit,
        !exchange.reservations.contains(where: { $0.key == reservation.key })
      else { return false }
      reservation.debits = [debit]
      exchange.reservations.append(reservation)
      return true
    case .place(let place):
      guard let exchange else { return false }
      // The same member: the store has it once.
      if exchange.places.contains(where: { $0.key == place.key && $0.member == place.member }) { return true }
      guard !exchange.places.contains(where: { $0.key == place.key }) else { return false }
      exchange.places.append(place)
      return true
    }
  }
}
