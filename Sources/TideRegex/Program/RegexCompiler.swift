/// Lays a tree out as instructions, from its end to its beginning: each node is given what follows it.
///
/// Reversed, the program reads from a match's end to its start: sequences the other way round, and no captures.
struct RegexCompiler {
  /// What may be visited without an instruction coming of it: an empty group repeated a thousand times a thousand times
  /// takes nothing but time.
  private static let visitMax = 100_000

  private let isReversed: Bool
  private let instructionCountMax: Int
  private(set) var instructions: [Instruction] = []
  private(set) var sets: [ByteSet] = []
  private var setNumbers: [ByteSet: UInt32] = [:]
  private var visits = 0

  init(isReversed: Bool, instructionCountMax: Int) {
    self.isReversed = isReversed
    self.instructionCountMax = instructionCountMax
  }

  private mutating func emit(_ instruction: Instruction) throws(RegexSyntaxError) -> UInt32 {
    guard instructions.count < instructionCountMax else {
      throw RegexSyntaxError(
        "the pattern is too large: repetitions and classes come to over \(instructionCountMax) steps")
    }
    instructions.append(instruction)
    return UInt32(instructions.count - 1)
  }

  mutating func match() throws(RegexSyntaxError) -> UInt32 { try emit(Instruction(operation: .match)) }

  /// The node's entry, where `next` is what follows.
  mutating func compile(_ node: RegexNode, then next: UInt32) throws(RegexSyntaxError) -> UInt32 {
    visits += 1
    guard visits <= Self.visitMax else { throw RegexSyntaxError("the pattern is too large: repetitions multiply") }
    switch node {
    case .empty: return next
    case .set(let set): return try take(set, then: next)
    case .assertion(let assertion):
      return try emit(Instruction(operation: .assert, next: next, argument: UInt32(assertion.rawValue)))
    case .capture(let number, let inner):
      if isReversed { return try compile(inner, then: next) }
      let end = try emit(Instruction(operation: .save, next: next, argument: UInt32(2 * number + 1)))
      return try emit(
        Instruction(operation: .save, next: try compile(inner, then: end), argument: UInt32(2 * number)))
    case .concatenation(let nodes):
      var entry = next
      if isReversed {
        for node in nodes { entry = try compile(node, then: entry) }
      } else {
        for node in nodes.reversed() { entry = try compile(node, then: entry) }
      }
      return entry
    case .alternation(let nodes):
      var entries: [UInt32] = []
      for node in nodes { entries.append(try compile(node, then: next)) }
      return try choice(entries)
    case .repetition(let inner, let minimum, let maximum, let isGreedy):
      return try repetition(inner, minimum, maximum, isGreedy, then: next)
    }
  }

  /// The first of the entries that leads to a match.
  private mutating func choice(_ entries: [UInt32]) throws(RegexSyntaxError) -> UInt32 {
    guard var entry = entries.last else { return try nothing() }
    for other in entries.dropLast().reversed() {
      entry = try emit(Instruction(operation: .split, next: other, argument: entry))
    }
    return entry
  }

  private mutating func split(_ inner: UInt32, _ next: UInt32, _ isGreedy: Bool) throws(RegexSyntaxError) -> UInt32 {
    try emit(
      isGreedy
        ? Instruction(operation: .split, next: inner, argument: next)
        : Instruction(operation: .split, next: next, argument: inner))
  }

  // MARK: Repetition

  private mutating func repetition(
    _ inner: RegexNode, _ minimum: Int, _ maximum: Int?, _ isGreedy: Bool, then next: UInt32
  ) throws(RegexSyntaxError) -> UInt32 {
    var entry = next
    var copies = minimum
    if let maximum {
      for _ in 0..<(maximum - minimum) {
        entry = try split(try compile(inner, then: entry), next, isGreedy)
      }
    } else if minimum == 0 && !inner.isNullable {
      let loop = try split(next, next, isGreedy)
      let body = try compile(inner, then: loop)
      if isGreedy { instructions[Int(loop)].next = body } else { instructions[Int(loop)].argument = body }
      entry = loop
    } else {
      // At least once. What may match nothing must have its first round before the loop is left: (?:|a)* prefers the
      // empty text, as a backtracking matcher does.
      let loop = try split(next, next, isGreedy)
      let body = try compile(inner, then: loop)
      if isGreedy { instructions[Int(loop)].next = body } else { instructions[Int(loop)].argument = body }
      entry = minimum == 0 ? try split(body, next, isGreedy) : body
      copies = max(0, minimum - 1)
    }
    for _ in 0..<copies { entry = try compile(inner, then: entry) }
    return entry
  }

  // MARK: Scalars

  private struct Tail: Hashable {
    var range: ClosedRange<UInt8>
    var next: UInt32
  }

  private mutating func take(_ set: ScalarSet, then next: UInt32) throws(RegexSyntaxError) -> UInt32 {
    var single: [ClosedRange<UInt8>] = []
    var entries: [UInt32] = []
    // Sequences that end alike share their ends.
    var tails: [Tail: UInt32] = [:]
    for sequence in set.ranges.flatMap(UTF8Sequences.of) {
      if sequence.count == 1 {
        single.append(sequence[0])
        continue
      }
      var entry = next
      for range in isReversed ? sequence : sequence.reversed() {
        let tail = Tail(range: range, next: entry)
        if let known = tails[tail] {
          entry = known
        } else {
          entry = try take(ByteSet([range]), then: entry)
          tails[tail] = entry
        }
      }
      if entries.last != entry { entries.append(entry) }
    }
    if !single.isEmpty { entries.insert(try take(ByteSet(single), then: next), at: 0) }
    return try choice(entries)
  }

  private mutating func take(_ bytes: ByteSet, then next: UInt32) throws(RegexSyntaxError) -> UInt32 {
    if setNumbers[bytes] == nil {
      setNumbers[bytes] = UInt32(sets.count)
      sets.append(bytes)
    }
    return try emit(Instruction(operation: .take, next: next, argument: setNumbers[bytes] ?? 0))
  }

  /// What never matches: an empty class.
  private mutating func nothing() throws(RegexSyntaxError) -> UInt32 { try take(ByteSet(), then: 0) }

  /// A loop before `entry` that skips bytes, so that a match may begin anywhere; earlier places are preferred.
  mutating func anywhere(_ entry: UInt32) throws(RegexSyntaxError) -> UInt32 {
    let loop = try emit(Instruction(operation: .split, next: entry))
    instructions[Int(loop)].argument = try take(ByteSet([0x00...0xFF]), then: loop)
    return loop
  }
}
