/// Patterns as one non-deterministic automaton over the bytes of UTF-8, counted repeats written out.
struct PatternNFA {
  /// One pattern and what its matches are reported as.
  struct Source {
    var node: FilterPattern.Node
    var rule: UInt32
    var left: FilterPattern.Edge
    /// Where a repeat of its own has no bound, what bounds the whole match; else nil.
    var byteCountMax: Int?
  }

  enum State {
    /// One byte of the set leads on.
    case bytes(ByteSet, next: Int32)
    case split([Int32])
    case end
  }

  /// A pattern's first states.
  struct Beginning {
    var state: Int32
    var left: FilterPattern.Edge
  }

  /// More states than any sensible set of patterns has.
  static let stateCountMax = 60_000

  private(set) var states: [State] = []
  /// The pattern that each state belongs to, as an index into the sources.
  private(set) var owner: [UInt16] = []
  private(set) var beginnings: [Beginning] = []
  let sources: [Source]

  /// - Returns: nil when a pattern unfolds to too many states; `tooLarge` names it.
  init?(_ sources: [Source], tooLarge: inout Int) {
    self.sources = sources
    for index in sources.indices {
      let end = add(.end, index)
      let first = compile(sources[index].node, next: end, index)
      guard states.count <= Self.stateCountMax else {
        tooLarge = index
        return nil
      }
      beginnings.append(Beginning(state: first, left: sources[index].left))
    }
  }

  private mutating func add(_ state: State, _ source: Int) -> Int32 {
    states.append(state)
    owner.append(UInt16(truncatingIfNeeded: source))
    return Int32(truncatingIfNeeded: states.count - 1)
  }

  /// Compiles from the end to the beginning: `next` is what follows.
  private mutating func compile(_ node: FilterPattern.Node, next: Int32, _ source: Int) -> Int32 {
    guard states.count <= Self.stateCountMax else { return next }
    switch node {
    case .empty: return next
    case .set(let set): return compile(set, next: next, source)
    case .sequence(let nodes): return nodes.reversed().reduce(next) { compile($1, next: $0, source) }
    case .choice(let nodes): return add(.split(nodes.map { compile($0, next: next, source) }), source)
    case .repeated(let inner, let low, let high):
      var state = next
      if let high {
        for _ in low..<max(low, high) {
          guard states.count <= Self.stateCountMax else { break }
          state = add(.split([compile(inner, next: state, source), next]), source)
        }
      } else {
        state = add(.split([]), source)
        let body = compile(inner, next: state, source)
        states[Int(state)] = .split([body, next])
      }
      for _ in 0..<low {
        guard states.count <= Self.stateCountMax else { break }
        state = compile(inner, next: state, source)
      }
      return state
    }
  }

  private mutating func compile(_ set: ScalarSet, next: Int32, _ source: Int) -> Int32 {
    var ascii = ByteSet()
    for range in set.asciiRanges { for byte in range { ascii.insert(byte) } }
    var branches: [Int32] = []
    if !set.asciiRanges.isEmpty { branches.append(add(.bytes(ascii, next: next), source)) }
    // Ends that several sequences share are written once.
    var shared: [[ClosedRange<UInt8>]: Int32] = [:]
    for sequence in set.wideSequences {
      var state = next
      for index in sequence.indices.reversed() {
        let rest = Array(sequence[index...])
        if let known = shared[rest] {
          state = known
        } else {
          state = add(.bytes(ByteSet(sequence[index]), next: state), source)
          shared[rest] = state
        }
      }
      branches.append(state)
    }
    return branches.count == 1 ? branches[0] : add(.split(branches), source)
  }

  /// The states that read a byte or end a match, which `state` leads to without one.
  func closure(of state: Int32, into result: inout [Int32], _ isSeen: inout Set<Int32>) {
    guard isSeen.insert(state).inserted else { return }
    if case .split(let next) = states[Int(state)] {
      for state in next { closure(of: state, into: &result, &isSeen) }
    } else {
      result.append(state)
    }
  }
}
