import TideCore

/// So many tokens in each period, as `tide.limit.tokens` counts them.
///
/// A rolling period is cut into slots and a slot counts until all of it is older than the period: in no period of that length is more
/// spent, and what was spent comes back at most one slot late. A calendar period is a single slot.
public struct TokenBudget: Sendable, Equatable {
  public enum Period: Sendable, Hashable {
    case rolling(milliseconds: Int)
    case hour, day, month
  }

  /// What is asked of a budget happens at an instant on two clocks: durations run on one, calendars are read from the other.
  struct Moment: Sendable {
    var monotonic: MonotonicTime
    /// Milliseconds since 1970, UTC.
    var wallMs: Int
  }

  /// What was taken, and from which slot: it goes back there.
  public struct Debit: Sendable, Equatable {
    public var slot: Int
    public var tokens: Int

    public init(slot: Int, tokens: Int) {
      self.slot = slot
      self.tokens = tokens
    }
  }

  struct Decision: Sendable, Equatable {
    /// Nil when it was refused.
    var debit: Debit?
    /// Tokens left then.
    var remaining: Int
    /// Milliseconds until as many tokens are free; nil when they were taken, or never will be (more than the whole budget).
    var retryAfterMs: Int?
  }

  /// The tokens spent in the slots that still count.
  struct Ledger: Sendable, Equatable {
    /// The number of the newest slot that was seen.
    var newest: Int
    /// By number modulo the count of slots.
    var spent: [Int]

    var total: Int { spent.reduce(0) { $0.addingSaturated($1) } }
  }

  public static let tokensMax = 1_000_000_000_000
  static let periodMsMax = 31_622_400_000
  /// Parts of a rolling period.
  private static let parts = 32

  public let tokens: Int
  public let period: Period
  /// The length of a slot; 0 for months, which differ.
  public let slotMs: Int

  /// - Returns: nil when a number is not positive or too large to reckon with.
  init?(tokens: Int, period: Period) {
    guard tokens > 0, tokens <= Self.tokensMax else { return nil }
    self.tokens = tokens
    self.period = period
    switch period {
    case .rolling(let ms):
      guard ms > 0, ms <= Self.periodMsMax else { return nil }
      slotMs = (ms + Self.parts - 1) / Self.parts
    case .hour: slotMs = 3_600_000
    case .day: slotMs = 86_400_000
    case .month: slotMs = 0
    }
  }

  /// How many slots count.
  public var slotCount: Int { if case .rolling = period { Self.parts + 1 } else { 1 } }

  // MARK: Slots

  func slot(at moment: Moment) -> Int {
    switch period {
    case .rolling: Int(clamping: moment.monotonic.nanoseconds / 1_000_000) / slotMs
    case .hour, .day: moment.wallMs / slotMs
    case .month: UTCMonth(milliseconds: moment.wallMs).number
    }
  }

  /// Milliseconds until a slot counts no more.
  private func end(of slot: Int, from moment: Moment) -> Int {
    switch period {
    case .rolling: (slot + slotCount) * slotMs - Int(clamping: moment.monotonic.nanoseconds / 1_000_000)
    case .hour, .day: (slot + 1) * slotMs - moment.wallMs
    case .month: UTCMonth(number: slot + 1).startMs - moment.wallMs
    }
  }

  /// The ledger at a moment: slots that count no more are empty.
  func ledger(_ stored: Ledger?, at moment: Moment) -> Ledger {
    let now = slot(at: moment)
    guard var ledger = stored, ledger.spent.count == slotCount else {
      return Ledger(newest: now, spent: Array(repeating: 0, count: slotCount))
    }
    // A clock that was set back must not give out what is spent: the newest slot stays.
    guard now > ledger.newest else { return ledger }
    if now - ledger.newest >= slotCount {
      for index in ledger.spent.indices { ledger.spent[index] = 0 }
    } else {
      for passed in (ledger.newest + 1)...now { ledger.spent[passed % slotCount] = 0 }
    }
    ledger.newest = now
    return ledger
  }

  /// When nothing in a ledger counts any more.
  func expiry(_ ledger: Ledger, at moment: Moment) -> MonotonicTime {
    moment.monotonic.advanced(byMs: max(1, end(of: ledger.newest, from: moment)))
  }

  // MARK: Taking and giving back

  /// Takes from a ledger of this moment.
  ///
  /// - Parameter atLeast: fewer are refused.
  func take(_ wanted: Int, atLeast: Int, from ledger: inout Ledger, at moment: Moment) -> Decision {
    let free = max(0, tokens - ledger.total)
    let granted = min(wanted, free)
    guard granted >= atLeast else {
      return Decision(debit: nil, remaining: free, retryAfterMs: wait(for: atLeast, ledger, moment))
    }
    ledger.spent[ledger.newest % slotCount] += granted
    return Decision(
      debit: Debit(slot: ledger.newest, tokens: granted), remaining: free - granted, retryAfterMs: nil)
  }

  /// Books tokens that are spent already, whether the budget has them or not.
  func charge(_ count: Int, to ledger: inout Ledger) {
    let index = ledger.newest % slotCount
    ledger.spent[index] = ledger.spent[index].addingSaturated(count)
  }

  /// Gives back to the slot that it was taken from; a slot that counts no more needs nothing.
  func giveBack(_ debit: Debit, to ledger: inout Ledger) {
    guard debit.slot <= ledger.newest, debit.slot > ledger.newest - slotCount else { return }
    let index = debit.slot % slotCount
    ledger.spent[index] = max(0, ledger.spent[index] - debit.tokens)
  }

  private func wait(for wanted: Int, _ ledger: Ledger, _ moment: Moment) -> Int? {
    guard wanted <= tokens else { return nil }
    var missing = wanted - (tokens - ledger.total)
    for slot in (ledger.newest - slotCount + 1)...ledger.newest {
      // Numbers of slots are far above 0 but for a clock that has just begun.
      missing -= ledger.spent[((slot % slotCount) + slotCount) % slotCount]
      if missing <= 0 { return max(1, end(of: slot, from: moment)) }
    }
    return nil
  }
}

extension Int {
  /// The sum, or the largest number.
  fileprivate func addingSaturated(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
