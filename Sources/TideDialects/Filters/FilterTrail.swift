/// All words and patterns that may match from one place on, followed byte by byte. Exact, and resumed where text ran out.
struct FilterTrail {
  enum Outcome {
    /// No match begins here.
    case dead
    /// More text decides.
    case alive(start: Int)
    /// A strict scanner may not hold what it would have to.
    case tooLong(start: Int)
    case match(start: Int, end: Int, rule: UInt32)
  }

  private static let none: UInt32 = .max

  private var start: Int
  private var position: Int
  private var exact = Self.none
  private var folded = Self.none
  private var pattern = PatternAutomaton.dead
  /// The longest match so far; `end` 0 when there is none.
  private var end = 0
  private var rule: UInt32 = 0
  /// A whole word may begin here.
  private let hasLeftEdge: Bool

  /// - Parameter kinds: of `FilterSet.beginnings`.
  init(_ filters: FilterSet, _ window: FilterWindow, at start: Int, kinds: UInt8) {
    self.start = start
    position = start
    var hasLeftEdge = true
    if kinds & 1 != 0 {
      let first = UTF8Text.scalar(window.bytes, at: start, count: window.count).value
      hasLeftEdge = WordEdge.isEdge(window.character(before: start), first)
      if let words = filters.exact, hasLeftEdge || words.traits[0] & LiteralAutomaton.Trait.leadsAnywhere != 0 {
        exact = 0
      }
      if let words = filters.folded, hasLeftEdge || words.traits[0] & LiteralAutomaton.Trait.leadsAnywhere != 0 {
        folded = 0
      }
    }
    self.hasLeftEdge = hasLeftEdge
    if kinds & 2 != 0, let patterns = filters.patterns {
      pattern = window.hasWord(before: start) ? patterns.afterWord : patterns.afterOther
    }
  }

  mutating func rebase(_ place: Int) {
    start &-= place
    position &-= place
    if end > 0 { end &-= place }
  }

  mutating func follow(_ filters: FilterSet, _ window: FilterWindow) -> Outcome {
    while true {
      if position > start, judgeEnds(filters, window) { return .alive(start: start) }
      let length = position &- start
      guard goesOn(filters, length) else { break }
      let isOverHold = length >= filters.hold.byteCount
      // A strict scanner ends the answer only where text comes that it would have to hold.
      if isOverHold, !filters.hold.isStrict || end > 0 { break }
      if position == window.count {
        if window.isEnd { break }
        return .alive(start: start)
      }
      if isOverHold {
        step(filters, window.bytes[position])
        if exact != Self.none || folded != Self.none || pattern != PatternAutomaton.dead {
          return .tooLong(start: start)
        }
        break
      }
      step(filters, window.bytes[position])
      position &+= 1
    }
    return end > 0 ? .match(start: start, end: end, rule: rule) : .dead
  }

  private func goesOn(_ filters: FilterSet, _ length: Int) -> Bool {
    if pattern != PatternAutomaton.dead, let patterns = filters.patterns,
      Int(patterns.byteCountMax[Int(pattern)]) > length
    {
      return true
    }
    if exact != Self.none, let words = filters.exact, goesOn(words, exact) { return true }
    if folded != Self.none, let words = filters.folded, goesOn(words, folded) { return true }
    return false
  }

  @inline(__always)
  private func goesOn(_ words: LiteralAutomaton, _ node: UInt32) -> Bool {
    let wanted = hasLeftEdge ? LiteralAutomaton.Trait.goesOn : LiteralAutomaton.Trait.goesOnAnywhere
    return words.traits[Int(node)] & wanted != 0
  }

  private mutating func step(_ filters: FilterSet, _ byte: UInt8) {
    if pattern != PatternAutomaton.dead, let patterns = filters.patterns { pattern = patterns.step(pattern, byte) }
    if exact != Self.none, let words = filters.exact { exact = child(words, exact, byte) }
    if folded != Self.none, let words = filters.folded { folded = child(words, folded, byte) }
  }

  @inline(__always)
  private func child(_ words: LiteralAutomaton, _ node: UInt32, _ byte: UInt8) -> UInt32 {
    guard let next = words.child(node, byte),
      hasLeftEdge || words.traits[Int(next)] & LiteralAutomaton.Trait.leadsAnywhere != 0
    else { return Self.none }
    return next
  }

  // MARK: Ends

  /// Notes the match that ends at `position`, if one does.
  ///
  /// - Returns: true when the character that follows must come first.
  private mutating func judgeEnds(_ filters: FilterSet, _ window: FilterWindow) -> Bool {
    var best = Self.none
    var waits = Self.none
    if pattern != PatternAutomaton.dead, let patterns = filters.patterns {
      let range = Int(patterns.endStart[Int(pattern)])..<Int(patterns.endStart[Int(pattern) &+ 1])
      for index in range { judge(patterns.ends[index], filters, window, &best, &waits) }
    }
    if exact != Self.none, let words = filters.exact { judge(words, exact, filters, window, &best, &waits) }
    if folded != Self.none, let words = filters.folded { judge(words, folded, filters, window, &best, &waits) }
    if best != Self.none {
      end = position
      rule = best
    }
    return waits < best
  }

  @inline(__always)
  private func judge(
    _ words: LiteralAutomaton, _ node: UInt32, _ filters: FilterSet, _ window: FilterWindow, _ best: inout UInt32,
    _ waits: inout UInt32
  ) {
    for index in Int(words.ruleStart[Int(node)])..<Int(words.ruleStart[Int(node) &+ 1]) {
      judge(words.rules[index], filters, window, &best, &waits)
    }
  }

  private func judge(
    _ number: UInt32, _ filters: FilterSet, _ window: FilterWindow, _ best: inout UInt32, _ waits: inout UInt32
  ) {
    guard number < best else { return }
    let rule = filters.rules[Int(number)]
    if window.disabled != 0, window.disabled & (1 << UInt64(rule.filter)) != 0 { return }
    let length = position &- start
    guard length <= Int(rule.byteCountMax), !rule.isWhole || hasLeftEdge else { return }
    if rule.check != .none {
      let text = UnsafeRawBufferPointer(start: window.bytes + start, count: length)
      guard rule.check.holds(text, before: window.character(before: start)) else { return }
    }
    if rule.looksAhead {
      guard let next = window.character(at: position) else {
        waits = min(waits, number)
        return
      }
      if rule.isWhole, !WordEdge.isEdge(UTF8Text.scalar(window.bytes, before: position).value, next) { return }
      let isWordNext = next < 0x80 && WordEdge.isASCIIWord(UInt8(truncatingIfNeeded: next))
      switch rule.right {
      case .anything: break
      case .noWord: if isWordNext { return }
      case .boundary: if isWordNext == WordEdge.isASCIIWord(window.bytes[position &- 1]) { return }
      }
    }
    best = number
  }
}
