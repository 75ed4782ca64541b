import TideCore

/// The filters of one policy on one lane: text in, text out, whatever is still undecided held.
///
/// Held is exactly the longest end of the text that can still become a match or a longer one, never more than `FilterHold.byteCount`
/// bytes; usually nothing. The result does not depend on where the text was cut. A match is at most that long, too: what would be
/// longer is no match, or with `FilterHold.isStrict` ends the answer.
///
/// Two readers work together. The gates, one look-up a byte, find where a match may have ended and how far back it may have begun;
/// only there the matches are followed one by one, exactly. So text without matches costs the gates alone.
///
/// Owned by one worker. A character that is cut off waits for its rest; bytes that are no UTF-8 match nothing, and pass.
public struct FilterScanner: ~Copyable {
  public let filters: FilterSet
  /// When the oldest byte that is held came; nil when none is.
  public private(set) var heldSince: MonotonicTime?
  /// How many matches were found.
  public private(set) var matchCount = 0
  /// A match or a bound has ended the answer.
  public private(set) var hasEnded = false

  /// Filters that find nothing, a bit for each place in the list. To be set before the first text.
  public var disabled: UInt64 = 0

  private var held = ByteQueue()
  /// The character before what is held, or before the next text.
  var before = WordEdge.none
  /// The tail that follows the last match and goes with it.
  var tail = EntityRecogniser.Tail.none

  // Where the gates are; offsets count from the first held byte.
  var exactState: UInt32 = 0
  var foldedState: UInt32 = 0
  var gateRow: UInt32 = 0
  /// What the gates have read.
  var gateOffset = 0
  /// No open match of a pattern began earlier.
  var gateFloor = 0
  /// A match may have ended at `gateOffset`, and places before it are yet to be tried.
  var hasHit = false
  /// What is followed from the first held byte on.
  var trail: FilterTrail?

  public init(_ filters: FilterSet) { self.filters = filters }

  /// Bytes that wait to be decided.
  public var heldByteCount: Int { held.byteCount }

  /// Takes the next text of the lane and appends what is decided.
  ///
  /// - Parameters:
  ///   - text: valid during the call only.
  ///   - now: what `heldSince` is counted from.
  ///   - onMatch: called for the matches of filters that ask, in order; may append what takes the match's place.
  public mutating func feed(
    _ text: UnsafeRawBufferPointer, now: MonotonicTime, into out: inout ByteQueue,
    onMatch: (FilterMatch, inout ByteQueue) -> FilterDecision
  ) -> FilterStep {
    guard !hasEnded, !text.isEmpty else { return .proceed }
    guard filters.scans else {
      out.append(text)
      return .proceed
    }
    guard !held.isEmpty else {
      let scan = scan(text, isEnd: false, into: &out, onMatch)
      if scan.step != .proceed {
        end()
      } else if scan.kept < text.count {
        held.append(UnsafeRawBufferPointer(rebasing: text[scan.kept...]))
        heldSince = now
      }
      return scan.step
    }
    let old = held.byteCount
    held.append(text)
    let scan = scan(held.readableBytes, isEnd: false, into: &out, onMatch)
    guard scan.step == .proceed else {
      end()
      return scan.step
    }
    held.consume(scan.kept)
    heldSince = held.isEmpty ? nil : scan.kept >= old ? now : heldSince
    return scan.step
  }

  /// Decides what is held: the lane has ended.
  public mutating func finish(
    into out: inout ByteQueue, onMatch: (FilterMatch, inout ByteQueue) -> FilterDecision
  ) -> FilterStep {
    guard !hasEnded, !held.isEmpty else { return .proceed }
    let scan = scan(held.readableBytes, isEnd: true, into: &out, onMatch)
    held.removeAll()
    heldSince = nil
    if scan.step != .proceed { end() }
    return scan.step
  }

  /// Lets go what is held as if the lane ended there: what is whole is still a match, what is not goes as it is.
  ///
  /// A strict scanner whose text has waited too long ends the answer instead.
  public mutating func flush(
    _ reason: FilterFlush, into out: inout ByteQueue, onMatch: (FilterMatch, inout ByteQueue) -> FilterDecision
  ) -> FilterStep {
    guard !hasEnded, !held.isEmpty else { return .proceed }
    if case .time = reason, filters.hold.isStrict {
      end()
      return .overHold
    }
    return finish(into: &out, onMatch: onMatch)
  }

  /// Gives up what is held: nothing more will be asked for.
  mutating func end() {
    hasEnded = true
    held.removeAll()
    heldSince = nil
  }

  // MARK: One text

  /// Appends what is decided of `text`, which begins with what was held.
  ///
  /// - Returns: the step, and where what must be held begins.
  mutating func scan(
    _ text: UnsafeRawBufferPointer, isEnd: Bool, into out: inout ByteQueue,
    _ onMatch: (FilterMatch, inout ByteQueue) -> FilterDecision
  ) -> (step: FilterStep, kept: Int) {
    guard let base = text.baseAddress else { return (.proceed, 0) }
    let window = FilterWindow(
      base.assumingMemoryBound(to: UInt8.self), text.count, before: before, isEnd: isEnd, disabled: disabled)
    // Everything before `cursor` is decided; no match begins before `tried`.
    var cursor = 0
    var tried = 0
    var found = FilterTrail.Outcome.dead
    if var trail {
      found = trail.follow(filters, window)
      self.trail = trail
      tried = 1
    }
    while true {
      switch found {
      case .dead: break
      case .alive(let start):
        out.append(UnsafeRawBufferPointer(rebasing: text[cursor..<start]))
        keep(from: start, window)
        return (.proceed, start)
      case .tooLong(let start):
        out.append(UnsafeRawBufferPointer(rebasing: text[cursor..<start]))
        return (.overHold, text.count)
      case .match(let start, let end, let rule):
        out.append(UnsafeRawBufferPointer(rebasing: text[cursor..<start]))
        guard apply(rule, UnsafeRawBufferPointer(rebasing: text[start..<end]), into: &out, onMatch) else {
          return (.cut, text.count)
        }
        cursor = end
        restart(at: cursor)
        tried = cursor
      }
      if tail != .none {
        while cursor < window.count, tail.contains(window.bytes[cursor]) { cursor &+= 1 }
        if cursor < window.count { tail = .none }
        restart(at: cursor)
        tried = cursor
      }
      if !hasHit, gateOffset < window.count {
        hasHit = runGates(window)
        if hasHit { tried = max(tried, firstOpenPlace(window, from: tried)) }
      }
      if hasHit {
        found = settle(window, from: tried, to: gateOffset)
        if case .dead = found {
          tried = gateOffset
          hasHit = false
        }
        continue
      }
      found = settle(window, from: max(tried, firstOpenPlace(window, from: tried)), to: window.count)
      if case .dead = found {
        out.append(UnsafeRawBufferPointer(rebasing: text[cursor..<window.count]))
        keep(from: window.count, window)
        restart(at: 0)
        return (.proceed, window.count)
      }
    }
  }

  /// Follows the places from which a match may begin, one after another, up to the first that is one or may become one.
  private mutating func settle(_ window: FilterWindow, from: Int, to: Int) -> FilterTrail.Outcome {
    var place = from
    while place < to {
      let kinds = filters.beginnings[Int(window.bytes[place])]
      if kinds != 0 {
        var trail = FilterTrail(filters, window, at: place, kinds: kinds)
        let outcome = trail.follow(filters, window)
        if case .dead = outcome {
        } else {
          self.trail = trail
          return outcome
        }
      }
      place &+= 1
    }
    return .dead
  }

  /// Appends what takes a match's place; false when the answer ends there.
  private mutating func apply(
    _ number: UInt32, _ text: UnsafeRawBufferPointer, into out: inout ByteQueue,
    _ onMatch: (FilterMatch, inout ByteQueue) -> FilterDecision
  ) -> Bool {
    let rule = filters.rules[Int(number)]
    matchCount &+= 1
    var decision = FilterDecision.standard
    if rule.asks {
      decision = onMatch(
        FilterMatch(filter: Int(rule.filter), kind: rule.name, item: Int(rule.item), text: text, tail: rule.tail), &out)
    }
    switch decision {
    case .standard:
      if rule.cuts { return false }
      if rule.kind == .placeholder {
        out.append(text)
      } else {
        out.append(
          UnsafeRawBufferPointer(
            start: filters.text.base + Int(rule.replacementStart), count: Int(rule.replacementCount)))
      }
      tail = rule.tail
    case .replaced: tail = rule.tail
    case .pass: out.append(text)
    case .cut: return false
    }
    return true
  }

  // MARK: Offsets

  /// The gates begin anew: nothing that was read before `place` belongs to a match.
  private mutating func restart(at place: Int) {
    exactState = 0
    foldedState = 0
    gateRow = 0
    gateOffset = place
    gateFloor = place
    hasHit = false
    trail = nil
  }

  /// Counts offsets from `place` on: what came before it is decided.
  private mutating func keep(from place: Int, _ window: FilterWindow) {
    if place > 0 { before = UTF8Text.scalar(window.bytes, before: place).value }
    gateOffset &-= place
    gateFloor = max(0, gateFloor &- place)
    trail?.rebase(place)
  }
}
