/// Makes a deterministic automaton from a non-deterministic one.
///
/// Anchored: a text is a beginning of a match as long as the state is not dead. Unanchored: the state covers all places where a match
/// may have begun.
struct SubsetConstruction {
  struct State {
    /// By class of bytes: the next state.
    var next: [UInt32]
    /// Patterns that end here, by their place in the sources, ascending.
    var ends: [UInt16]
    /// Whether any byte leads to a state that is not dead.
    var goesOn: Bool
    /// The longest match, in bytes, that any pattern alive here allows; `.max` where the states themselves count.
    var byteCountMax: Int
  }

  private(set) var classes = [UInt8](repeating: 0, count: 256)
  private(set) var classCount = 0
  /// State 0 is the one in which no match is under way: dead, or unanchored, the root.
  private(set) var states: [State] = []
  /// Where an anchored text begins: after anything but an ASCII word character, and after one.
  private(set) var first: (afterOther: UInt32, afterWord: UInt32) = (0, 0)

  private let nfa: PatternNFA
  private let isUnanchored: Bool
  private let stateCountMax: Int
  private var numbers: [[Int32]: UInt32] = [:]
  private var pending: [[Int32]] = []
  private var representatives: [UInt8] = []
  /// What is reached from each state by a byte of its set.
  private var closures: [[Int32]] = []
  private var beginnings: [[Int32]] = []

  /// - Returns: nil when there would be more than `stateCountMax` states.
  init?(_ nfa: PatternNFA, isUnanchored: Bool, stateCountMax: Int) {
    self.nfa = nfa
    self.isUnanchored = isUnanchored
    self.stateCountMax = stateCountMax
    makeClasses()
    closures = nfa.states.map { state in
      guard case .bytes(_, let next) = state else { return [] }
      return closure(next)
    }
    beginnings = nfa.beginnings.map { closure($0.state) }
    guard run() else { return nil }
    closures = []
    numbers = [:]
    pending = []
  }

  private func closure(_ state: Int32) -> [Int32] {
    var result: [Int32] = []
    var isSeen: Set<Int32> = []
    nfa.closure(of: state, into: &result, &isSeen)
    return result
  }

  /// Bytes that no state tells apart share a class; word characters and others never do, for the edges' sake.
  private mutating func makeClasses() {
    var sets: [ByteSet] = []
    var known: Set<ByteSet> = []
    for case .bytes(let set, _) in nfa.states where known.insert(set).inserted { sets.append(set) }
    var signatures: [[Bool]: UInt8] = [:]
    for byte in UInt8.min...UInt8.max {
      let signature = sets.map { $0.contains(byte) } + [WordEdge.isASCIIWord(byte)]
      if signatures[signature] == nil {
        signatures[signature] = UInt8(truncatingIfNeeded: representatives.count)
        representatives.append(byte)
      }
      classes[Int(byte)] = signatures[signature] ?? 0
    }
    classCount = representatives.count
  }

  private mutating func run() -> Bool {
    _ = number(of: [])
    let everywhere = beginnings.flatMap(\.self)
    var next = 0
    while next < pending.count {
      guard pending.count <= stateCountMax else { return false }
      let members = pending[next]
      // Unanchored, a match may begin with every byte.
      let sources = isUnanchored ? members + everywhere : members
      states[next].next = (0..<classCount).map { index in step(sources, representatives[index]) }
      finish(next, members)
      next += 1
    }
    if !isUnanchored {
      first.afterOther = begin(afterWord: false)
      first.afterWord = begin(afterWord: true)
      // What the first bytes lead to is new, too.
      while next < pending.count {
        guard pending.count <= stateCountMax else { return false }
        let members = pending[next]
        if states[next].next.isEmpty {
          states[next].next = (0..<classCount).map { index in step(members, representatives[index]) }
          finish(next, members)
        }
        next += 1
      }
    }
    return pending.count <= stateCountMax
  }

  /// Makes the state that an anchored text begins in: it is left by the first byte, so that left edges are judged there.
  private mutating func begin(afterWord: Bool) -> UInt32 {
    let number = UInt32(pending.count)
    pending.append([])
    states.append(State(next: [], ends: [], goesOn: false, byteCountMax: .max))
    states[Int(number)].next = (0..<classCount).map { index in
      let byte = representatives[index]
      var members: [Int32] = []
      for (beginning, closure) in zip(nfa.beginnings, beginnings) {
        let isAllowed =
          switch beginning.left {
          case .anything: true
          case .boundary: afterWord != WordEdge.isASCIIWord(byte)
          case .noWord: !afterWord
          }
        if isAllowed { members += closure }
      }
      return step(members, byte)
    }
    states[Int(number)].goesOn = true
    return number
  }

  private mutating func step(_ members: [Int32], _ byte: UInt8) -> UInt32 {
    var result: [Int32] = []
    for member in members {
      if case .bytes(let set, _) = nfa.states[Int(member)], set.contains(byte) { result += closures[Int(member)] }
    }
    result.sort()
    var last: Int32 = -1
    result.removeAll { member in
      defer { last = member }
      return member == last
    }
    return number(of: result)
  }

  private mutating func number(of members: [Int32]) -> UInt32 {
    if let known = numbers[members] { return known }
    let number = UInt32(pending.count)
    numbers[members] = number
    pending.append(members)
    states.append(State(next: [], ends: [], goesOn: false, byteCountMax: 0))
    return number
  }

  private mutating func finish(_ index: Int, _ members: [Int32]) {
    var ends: [UInt16] = []
    for member in members {
      let owner = nfa.owner[Int(member)]
      if case .end = nfa.states[Int(member)] {
        ends.append(owner)
      } else {
        states[index].goesOn = true
        states[index].byteCountMax = max(
          states[index].byteCountMax, nfa.sources[Int(owner)].byteCountMax ?? .max)
      }
    }
    states[index].ends = Array(Set(ends)).sorted()
  }
}
