import TideCore

/// Who is told when a deadline passes. Held without a reference: the target cancels its timers before it goes.
public protocol TimerTarget: AnyObject {
  /// `kind` is the value given to `schedule`; the token that led here is no longer valid.
  func timerFired(kind: UInt8, now: MonotonicTime)
}

/// Names one scheduled deadline. Stale tokens are harmless: each slot counts its uses.
public struct TimerToken: Sendable, Equatable, BitwiseCopyable {
  let index: UInt32
  let use: UInt32

  /// No deadline; cancelling it does nothing.
  public static let none = TimerToken(index: .max, use: 0)
}

/// Deadlines of one worker in a hierarchical wheel: constant time to schedule and to cancel, 100,000 at once and more.
///
/// Four levels of 256 slots with a tick of one millisecond reach 49 days; what lies further is parked on the last level
/// and sorted again when its slot comes up. Deadlines are rounded up to the tick, so that none fires early. Pure: it
/// never reads a clock, `advance(to:)` brings it.
public final class TimerWheel {
  private static let slotBits: UInt64 = 8
  private static let slotCount: UInt64 = 256
  private static let levelCount = 4
  private static let tickNs: UInt64 = 1_000_000
  private static let span: UInt64 = 1 << 32
  private static let nothing: UInt32 = .max

  private struct Node {
    unowned(unsafe) var target: (any TimerTarget)?
    /// In ticks.
    var expiry: UInt64 = 0
    /// Neighbours in the circular list of the slot; `next` also links the free nodes.
    var next: UInt32 = TimerWheel.nothing
    var previous: UInt32 = TimerWheel.nothing
    /// Level and slot in one number, or `nothing` when the node is free.
    var slot: UInt32 = TimerWheel.nothing
    var use: UInt32 = 0
    var kind: UInt8 = 0
  }

  private var nodes: ContiguousArray<Node> = []
  private var firstFree = TimerWheel.nothing
  /// First node of each slot's list.
  private var heads = ContiguousArray<UInt32>(repeating: nothing, count: levelCount * Int(slotCount))
  /// One bit a slot that is not empty, four words a level.
  private var occupied = ContiguousArray<UInt64>(repeating: 0, count: levelCount * 4)
  /// The last tick that has been worked off.
  private var current: UInt64
  /// New deadlines lie after this tick. While advancing it is the goal, so that a target which always schedules in the
  /// past cannot hold the worker.
  private var floor: UInt64
  /// No slot must be worked off before this tick: looked up once and kept until it is reached, since each turn of the loop asks. What is
  /// cancelled leaves it early, which costs one look.
  private var nextTickBound = UInt64.max

  /// How many deadlines are scheduled.
  public private(set) var count = 0

  public init(now: MonotonicTime) {
    current = now.nanoseconds / Self.tickNs
    floor = current
  }

  /// Calls `target` once `instant` has passed. An instant that is already past fires on the next tick.
  public func schedule(at instant: MonotonicTime, target: any TimerTarget, kind: UInt8) -> TimerToken {
    let whole = instant.nanoseconds / Self.tickNs
    let tick = whole * Self.tickNs == instant.nanoseconds ? whole : whole + 1
    let index = takeNode()
    nodes[Int(index)].target = target
    nodes[Int(index)].kind = kind
    nodes[Int(index)].expiry = max(tick, floor + 1)
    link(index)
    count += 1
    return TimerToken(index: index, use: nodes[Int(index)].use)
  }

  /// Forgets a deadline. Returns whether it was still pending.
  @discardableResult
  public func cancel(_ token: TimerToken) -> Bool {
    guard token.index < UInt32(nodes.count) else { return false }
    let node = nodes[Int(token.index)]
    guard node.use == token.use, node.slot != Self.nothing else { return false }
    unlink(token.index)
    release(token.index)
    return true
  }

  /// Cancels and forgets the token.
  public func cancel(_ token: inout TimerToken) {
    let old = token
    token = .none
    cancel(old)
  }

  /// No deadline fires before this instant; `distantFuture` when there is none. May be early, since a far deadline is
  /// first sorted into a finer level.
  public var nextDeadline: MonotonicTime {
    guard count > 0 else { return .distantFuture }
    let tick = nextTickBound
    let (nanoseconds, overflow) = tick.multipliedReportingOverflow(by: Self.tickNs)
    return overflow ? .distantFuture : MonotonicTime(nanoseconds: nanoseconds)
  }

  /// Fires every deadline up to `now`, in the order of their ticks. Targets may schedule and cancel meanwhile; what they
  /// schedule fires at the earliest in the next call.
  public func advance(to now: MonotonicTime) {
    let goal = now.nanoseconds / Self.tickNs
    guard goal > current else { return }
    floor = goal
    if goal < nextTickBound {
      current = goal
      return
    }
    while count > 0, let tick = nextTick(), tick <= goal {
      current = tick
      cascade(at: tick)
      let slot = Int(tick % Self.slotCount)
      while heads[slot] != Self.nothing {
        let index = heads[slot]
        let target = nodes[Int(index)].target
        let kind = nodes[Int(index)].kind
        unlink(index)
        release(index)
        target?.timerFired(kind: kind, now: now)
      }
    }
    current = goal
    nextTickBound = nextTick() ?? .max
  }

  /// Sorts the slots that begin at `tick` into the finer levels.
  private func cascade(at tick: UInt64) {
    var level = Self.levelCount - 1
    while level > 0 {
      let shift = Self.slotBits * UInt64(level)
      if tick & ((1 << shift) - 1) == 0 {
        let slot = level * Int(Self.slotCount) + Int((tick >> shift) % Self.slotCount)
        // Detached first: what is parked far in the future goes back to this very slot.
        var index = heads[slot]
        if index != Self.nothing {
          let last = nodes[Int(index)].previous
          heads[slot] = Self.nothing
          occupied[slot >> 6] &= ~(1 << UInt64(slot & 63))
          while true {
            let following = nodes[Int(index)].next
            link(index)
            if index == last { break }
            index = following
          }
        }
      }
      level -= 1
    }
  }

  /// The next tick at which a slot must be worked off.
  private func nextTick() -> UInt64? {
    var earliest: UInt64?
    for level in 0..<Self.levelCount {
      let shift = Self.slotBits * UInt64(level)
      let position = current >> shift
      guard let distance = distanceToOccupied(level: level, after: Int(position % Self.slotCount)) else { continue }
      let tick = (position + UInt64(distance)) << shift
      if earliest.map({ tick < $0 }) ?? true { earliest = tick }
    }
    return earliest
  }

  /// Slots from `slot` (exclusive) round to itself until one is not empty.
  private func distanceToOccupied(level: Int, after slot: Int) -> Int? {
    var position = (slot + 1) & 255
    var scanned = 0
    while scanned < 256 {
      let bit = position & 63
      let word = occupied[level * 4 + position >> 6] >> UInt64(bit)
      if word != 0 {
        let distance = scanned + word.trailingZeroBitCount
        return distance < 256 ? distance + 1 : nil
      }
      scanned += 64 - bit
      position = (position + 64 - bit) & 255
    }
    return nil
  }

  private func link(_ index: UInt32) {
    let expiry = nodes[Int(index)].expiry
    let delta = min(expiry - current, Self.span - 1)
    let level = delta < 1 << 8 ? 0 : delta < 1 << 16 ? 1 : delta < 1 << 24 ? 2 : 3
    let shift = Self.slotBits * UInt64(level)
    let position = ((current + delta) >> shift) % Self.slotCount
    nextTickBound = min(nextTickBound, ((current + delta) >> shift) << shift)
    let slot = level * Int(Self.slotCount) + Int(position)
    let head = heads[slot]
    nodes[Int(index)].slot = UInt32(slot)
    if head == Self.nothing {
      nodes[Int(index)].next = index
      nodes[Int(index)].previous = index
      heads[slot] = index
      occupied[slot >> 6] |= 1 << UInt64(slot & 63)
    } else {
      let tail = nodes[Int(head)].previous
      nodes[Int(index)].next = head
      nodes[Int(index)].previous = tail
      nodes[Int(tail)].next = index
      nodes[Int(head)].previous = index
    }
  }

  private func unlink(_ index: UInt32) {
    let node = nodes[Int(index)]
    let slot = Int(node.slot)
    if node.next == index {
      heads[slot] = Self.nothing
      occupied[slot >> 6] &= ~(1 << UInt64(slot & 63))
    } else {
      nodes[Int(node.previous)].next = node.next
      nodes[Int(node.next)].previous = node.previous
      if heads[slot] == index { heads[slot] = node.next }
    }
  }

  private func takeNode() -> UInt32 {
    if firstFree != Self.nothing {
      let index = firstFree
      firstFree = nodes[Int(index)].next
      return index
    }
    nodes.append(Node())
    return UInt32(nodes.count - 1)
  }

  private func release(_ index: UInt32) {
    nodes[Int(index)].target = nil
    nodes[Int(index)].slot = Self.nothing
    nodes[Int(index)].use &+= 1
    nodes[Int(index)].next = firstFree
    firstFree = index
    count -= 1
  }
}
