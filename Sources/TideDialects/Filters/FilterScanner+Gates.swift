/// Where matches may be.
extension FilterScanner {
  /// How far one gate may read ahead of another.
  private static let block = 256

  /// Reads on until a match may have ended at `gateOffset`; false when nothing was found up to the window's end.
  mutating func runGates(_ window: FilterWindow) -> Bool {
    let filters = filters
    let count =
      (filters.exact == nil ? 0 : 1) + (filters.folded == nil ? 0 : 1) + (filters.patterns == nil ? 0 : 1)
    while gateOffset < window.count {
      let from = gateOffset
      var stop = count > 1 || filters.gate == nil ? min(window.count, from &+ Self.block) : window.count
      if count == 1, filters.patterns == nil { stop = window.count }
      var isHit = false
      let exactBefore = exactState
      let foldedBefore = foldedState
      if let words = filters.exact {
        isHit = Self.run(words, &exactState, window, from: from, stop: &stop)
      }
      if let words = filters.folded {
        let end = stop
        let isFolded = Self.run(words, &foldedState, window, from: from, stop: &stop)
        if stop < end {
          isHit = false
          if let exact = filters.exact { exactState = exact.skim(exactBefore, window.bytes, from: from, to: stop) }
        }
        isHit = isHit || isFolded
      }
      if let gate = filters.gate {
        let end = stop
        let isPattern = run(gate, window, from: from, stop: &stop)
        if stop < end {
          isHit = false
          if let exact = filters.exact { exactState = exact.skim(exactBefore, window.bytes, from: from, to: stop) }
          if let folded = filters.folded { foldedState = folded.skim(foldedBefore, window.bytes, from: from, to: stop) }
        }
        isHit = isHit || isPattern
      } else if filters.patterns != nil {
        // Without a gate every place is tried.
        isHit = true
      }
      gateOffset = stop
      if isHit { return true }
    }
    return false
  }

  /// Reads on until a word has ended that stands where it may, and sets `stop` to there.
  @inline(__always)
  private static func run(
    _ words: LiteralAutomaton, _ state: inout UInt32, _ window: FilterWindow, from: Int, stop: inout Int
  ) -> Bool {
    var position = from
    while position < stop {
      let found = words.run(&state, window.bytes, from: position, to: stop)
      position = found.position
      if found.hasEnd, mayEnd(words, state & ~LiteralAutomaton.flag, at: position, window) {
        stop = position
        return true
      }
    }
    return false
  }

  /// Whether any of the words that end here may, for all that is known of what stands beside it.
  private static func mayEnd(_ words: LiteralAutomaton, _ node: UInt32, at end: Int, _ window: FilterWindow) -> Bool {
    if words.traits[Int(node)] & LiteralAutomaton.Trait.endsAnywhere != 0 { return true }
    if end < window.count {
      let last = window.bytes[end &- 1]
      let next = window.bytes[end]
      // The common case of a word inside a longer one.
      if WordEdge.isASCIIWord(next), WordEdge.isASCIIWord(last) { return false }
      if last >= 0x80 || next >= 0x80 {
        let edge = UTF8Text.scalar(window.bytes, at: end, count: window.count)
        if !WordEdge.isEdge(UTF8Text.scalar(window.bytes, before: end).value, edge.value) { return false }
      }
    }
    var ending = words.ruleStart[Int(node)] < words.ruleStart[Int(node) &+ 1] ? node : words.suffix[Int(node)]
    while ending != 0 {
      let start = words.beginning(of: ending, endingAt: end, in: window.bytes)
      let first = UTF8Text.scalar(window.bytes, at: start, count: window.count).value
      if start == 0 || WordEdge.isEdge(window.character(before: start), first) { return true }
      ending = words.suffix[Int(ending)]
    }
    return false
  }

  /// Reads on until a pattern may have ended, and sets `stop` to there.
  @inline(__always)
  private mutating func run(_ gate: PatternGate, _ window: FilterWindow, from: Int, stop: inout Int) -> Bool {
    var position = from
    while position < stop {
      let found = gate.run(&gateRow, &gateFloor, window.bytes, from: position, to: stop)
      position = found.position
      if found.hasEnd {
        if gate.needsEdge(gateRow), position < window.count, WordEdge.isASCIIWord(window.bytes[position]),
          WordEdge.isASCIIWord(window.bytes[position &- 1])
        {
          continue
        }
        stop = position
        return true
      }
    }
    return false
  }

  /// The first place from which a match may be open at `gateOffset`; at most that many bytes back.
  func firstOpenPlace(_ window: FilterWindow, from tried: Int) -> Int {
    var place = gateOffset
    if let words = filters.exact, exactState != 0 {
      let node = words.node(of: exactState)
      place = min(place, words.beginning(of: node, endingAt: gateOffset, in: window.bytes))
    }
    if let words = filters.folded, foldedState != 0 {
      let node = words.node(of: foldedState)
      place = min(place, words.beginning(of: node, endingAt: gateOffset, in: window.bytes))
    }
    if filters.patterns != nil {
      if filters.gate == nil {
        place = min(place, tried)
      } else if gateRow != 0 {
        place = min(place, max(gateFloor, gateOffset &- filters.patternByteCountMax))
      }
    }
    return place
  }
}
