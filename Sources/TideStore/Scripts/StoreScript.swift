/// What runs inside the server, each call in one piece, so that gateways which ask at the same time are answered one after another.
///
/// For Redis 5 and later, whose Lua is 5.1: numbers are doubles, exact to 2^53. Time is the server's own, so that gateways' clocks do not
/// matter. Each script has one key, which expires when nothing in it counts any more.
public enum StoreScript: Int, Sendable, CaseIterable {
  /// A rate limit.
  case take
  /// A budget of tokens: sets some aside.
  case reserve
  /// Books what is spent already, whether the budget has it or not.
  case charge
  /// Gives back what was set aside.
  case giveBack
  /// A place, unless all are taken.
  case acquire
  /// Keeps places for another lease.
  case renew
  case release

  public var text: String {
    switch self {
    case .take: Self.takeText
    case .reserve: Self.ledgerText + Self.reserveText
    case .charge: Self.ledgerText + Self.chargeText
    case .giveBack: Self.ledgerText + Self.giveBackText
    case .acquire: Self.acquireText
    case .renew: Self.renewText
    case .release: Self.releaseText
    }
  }
}
