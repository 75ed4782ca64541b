import TideCore

/// When which stream has its next token due: a wheel of slots, each a list of the streams whose beat falls into it.
///
/// It replaces a timer per stream: all streams of a slot are served together, a step costs a few loads, and a beat further
/// off than one turn of the wheel waits in its slot for the next turn. Members are numbers, so that the lists are three
/// arrays and nothing is retained. Pure: the caller brings the clock.
struct BeatWheel {
  /// A slot is 2^18 ns, about a quarter of a millisecond; 4096 of them are 1.07 s.
  static let slotShift: UInt64 = 18
  private static let slotCount = 4096
  private static let nothing: Int32 = -1

  private var first: [Int32]
  private var last: [Int32]
  /// One bit a slot: whether it has members.
  private var occupied = [UInt64](repeating: 0, count: slotCount / 64)
  private var next: [Int32] = []
  private var dueNs: [UInt64] = []
  private var free: [Int32] = []
  /// The slot number, not wrapped, up to which everything due has been handed out.
  private var cursor: UInt64
  /// What the cursor's slot still holds for `popDue`, taken out of the slot.
  private var batch = nothing
  private(set) var scheduledCount = 0

  init(now: MonotonicTime) {
    first = [Int32](repeating: Self.nothing, count: Self.slotCount)
    last = first
    cursor = now.nanoseconds >> Self.slotShift
  }

  /// A number for a new member, not scheduled yet.
  mutating func makeMember() -> Int32 {
    if let member = free.popLast() { return member }
    next.append(Self.nothing)
    dueNs.append(0)
    return Int32(next.count - 1)
  }

  /// Takes back the number of a member that is not scheduled.
  mutating func release(_ member: Int32) { free.append(member) }

  /// Puts a member that is not scheduled into the slot of `due`; what is past comes at the next `popDue`.
  mutating func schedule(_ member: Int32, at due: MonotonicTime) {
    dueNs[Int(member)] = due.nanoseconds
    insert(member, slot: max(due.nanoseconds >> Self.slotShift, cursor))
    scheduledCount &+= 1
  }

  /// A member whose beat has come, no longer scheduled; nil when there is none until `now`.
  mutating func popDue(_ now: MonotonicTime) -> Int32? {
    let end = now.nanoseconds >> Self.slotShift
    while true {
      while batch != Self.nothing {
        let member = batch
        batch = next[Int(member)]
        if dueNs[Int(member)] <= now.nanoseconds {
          scheduledCount &-= 1
          return member
        }
        // Later within this very slot, or in another turn of the wheel.
        insert(member, slot: max(dueNs[Int(member)] >> Self.slotShift, cursor))
      }
      guard scheduledCount > 0, let slot = nextOccupied(upTo: end) else {
        cursor = max(cursor, end)
        return nil
      }
      cursor = slot
      if hasDue(slot, now) {
        batch = take(slot)
      } else if slot == end {
        return nil
      } else {
        cursor = slot &+ 1
      }
    }
  }

  /// When to call `popDue` again: the end of the next slot that has members.
  var nextInstant: MonotonicTime {
    guard scheduledCount > 0 else { return .distantFuture }
    guard let slot = nextOccupied(upTo: cursor &+ UInt64(Self.slotCount) &- 1) else { return .distantFuture }
    return MonotonicTime(nanoseconds: (slot &+ 1) << Self.slotShift)
  }

  private mutating func insert(_ member: Int32, slot: UInt64) {
    let index = Int(slot & UInt64(Self.slotCount - 1))
    next[Int(member)] = Self.nothing
    if first[index] == Self.nothing {
      first[index] = member
      occupied[index >> 6] |= 1 << UInt64(index & 63)
    } else {
      next[Int(last[index])] = member
    }
    last[index] = member
  }

  private mutating func take(_ slot: UInt64) -> Int32 {
    let index = Int(slot & UInt64(Self.slotCount - 1))
    let head = first[index]
    first[index] = Self.nothing
    last[index] = Self.nothing
    occupied[index >> 6] &= ~(1 << UInt64(index & 63))
    return head
  }

  private func hasDue(_ slot: UInt64, _ now: MonotonicTime) -> Bool {
    var member = first[Int(slot & UInt64(Self.slotCount - 1))]
    while member != Self.nothing {
      if dueNs[Int(member)] <= now.nanoseconds { return true }
      member = next[Int(member)]
    }
    return false
  }

  /// The first slot from the cursor to `end`, at most one turn, that has members.
  private func nextOccupied(upTo end: UInt64) -> UInt64? {
    guard end >= cursor else { return nil }
    var left = min(Int(clamping: end &- cursor), Self.slotCount &- 1) &+ 1
    var slot = cursor
    while left > 0 {
      let index = Int(slot & UInt64(Self.slotCount - 1))
      let word = occupied[index >> 6] >> UInt64(index & 63)
      if word != 0 {
        let skip = word.trailingZeroBitCount
        return skip < left ? slot &+ UInt64(skip) : nil
      }
      let step = 64 &- (index & 63)
      slot &+= UInt64(step)
      left &-= step
    }
    return nil
  }
}
