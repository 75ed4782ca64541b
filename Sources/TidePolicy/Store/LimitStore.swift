import TideCore

/// Keeps the limits of `tide.limit` where gateways share them.
///
/// A base class, so that this module opens no connection. Used on the worker's thread alone. Where there is none, limits are the process's
/// own and answer at once.
open class LimitStore {
  public init() {}

  /// Sends an operation. `completion` gets its end exactly once, never inside this call.
  open func perform(
    _ operation: LimitOperation, completion: @escaping (Result<LimitReply, LimitFailure>) -> Void
  ) {}

  /// Sends what must be done although nobody waits for it: it outlives the exchange, and an outage of the store.
  open func deliver(_ operation: LimitOperation) {}
}

/// The name of a limit, the same in every gateway.
public struct LimitKey: Sendable, Hashable {
  /// The binding, or the name under which bindings share.
  public var owner: String
  public var text: String
}

/// What is asked of a limit.
public enum LimitOperation: Sendable, Equatable {
  case take(LimitKey, amount: Int, RateLimit)
  /// Sets tokens aside: as many as are wanted or, from `atLeast` on, as many as there are.
  case reserve(LimitKey, TokenBudget, wanted: Int, atLeast: Int)
  /// Books tokens that are spent already.
  case charge(LimitKey, TokenBudget, tokens: Int)
  case giveBack(LimitKey, TokenBudget, [TokenBudget.Debit])
  /// A place that `member` names; who asks again has it already.
  case acquire(LimitKey, maximum: Int, member: String)
  case release(LimitKey, member: String)
}

/// The answer to any of them; what an operation does not say is 0 or nil.
public struct LimitReply: Sendable, Equatable {
  public var isAllowed: Bool
  public var remaining: Int
  public var retryAfterMs: Int?
  /// What was set aside, and from which slot.
  public var debit: TokenBudget.Debit?

  public init(isAllowed: Bool, remaining: Int, retryAfterMs: Int? = nil, debit: TokenBudget.Debit? = nil) {
    self.isAllowed = isAllowed
    self.remaining = remaining
    self.retryAfterMs = retryAfterMs
    self.debit = debit
  }
}

/// Why there is none; what Lua gets as `err`.
public struct LimitFailure: Error, Sendable, Equatable {
  public enum Code: String, Sendable {
    /// It cannot be reached, or did not answer in time.
    case unavailable = "store_unavailable"
    /// It answered that it will not.
    case refused = "store_refused"
  }

  public var code: Code
  public var message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}
