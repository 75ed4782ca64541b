/// One operation that somebody waits for. Who gives it up gets no answer, and what was granted meanwhile goes back.
final class LimitCall {
  typealias Completion = (Result<LimitReply, LimitFailure>) -> Void

  private var completion: Completion?

  /// Begins it. `completion` is never called inside this call.
  static func begin(_ operation: LimitOperation, in store: LimitStore, _ completion: @escaping Completion) -> LimitCall
  {
    let call = LimitCall(completion)
    store.perform(operation) { [call, store] result in
      if let completion = call.completion {
        call.completion = nil
        completion(result)
      } else if case .success(let reply) = result, let undoing = operation.undoing(reply) {
        store.deliver(undoing)
      }
    }
    return call
  }

  private init(_ completion: @escaping Completion) { self.completion = completion }

  func giveUp() { completion = nil }
}

extension LimitOperation {
  /// What takes an operation back; nil where there is nothing to give. What was taken from a rate stays taken.
  func undoing(_ reply: LimitReply) -> LimitOperation? {
    switch self {
    case .reserve(let key, let budget, _, _):
      guard let debit = reply.debit, debit.tokens > 0 else { return nil }
      return .giveBack(key, budget, [debit])
    case .acquire(let key, _, let member): return reply.isAllowed ? .release(key, member: member) : nil
    case .take, .charge, .giveBack, .release: return nil
    }
  }
}
