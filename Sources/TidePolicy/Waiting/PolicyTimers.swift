/// Where hooks that wait get their time from: the worker's timer wheel, or a clock that a test moves.
///
/// A base class, so that this module needs no loop of its own. Used on the worker's thread alone.
open class PolicyTimers {
  /// One deadline that has not passed.
  public struct Token: Hashable, Sendable {
    public var number: UInt64
    public init(number: UInt64) { self.number = number }
  }

  public init() {}

  /// Calls `body` once, at least `ms` milliseconds from now and never inside this call.
  open func after(_ ms: Int, _ body: @escaping () -> Void) -> Token { Token(number: 0) }

  /// Forgets a deadline; one that has passed is ignored.
  open func cancel(_ token: Token) {}
}
