/// A deterministic automaton whose states are made when a text first reaches them.
///
/// A state is the ordered list of instructions that are alive, and what kind of byte was read last, for assertions. Memory is
/// bounded: full, all states are forgotten and made again; when that happens faster than text is read, it gives up and the
/// caller simulates the instructions instead. Owned by one thread.
final class LazyAutomaton {
  enum Outcome: Equatable {
    /// Where the match that was looked for ends: the last byte read, or the first when reversed.
    case match(Int)
    case none
    case stopped
    case gaveUp
  }

  private struct Key: Hashable {
    var previous: Neighbour
    var instructions: [UInt32]
  }

  // What a transition holds: the next state, as the place of its row in the table, and marks above it.
  private static let matchMark: UInt32 = 1 << 31
  private static let unknown: UInt32 = 1 << 30
  private static let dead: UInt32 = 1 << 29
  private static let placeMask: UInt32 = dead - 1

  static let byteCountMax = 256 << 10
  /// Bytes read between two looks at `poll`.
  private static let blockByteCount = 16 << 10
  /// Instructions visited between two looks at `poll` while states are made.
  private static let workMax = 8_192

  private let automaton: RegexProgram.Automaton
  private let classes: [UInt8]
  /// One more than the classes of bytes: the end of the text.
  private let width: Int
  private let hasAssertions: Bool
  /// Ends at the first place where any match ends, rather than at the preferred one.
  private let findsLongest: Bool

  private var table: UnsafeMutablePointer<UInt32>
  private var tableCapacity: Int
  private var keys: [Key] = []
  private var numbers: [Key: UInt32] = [:]
  /// By the kind of byte before the text's part; unknown until it is needed.
  private var starts: [UInt32]
  private var keyByteCount = 0
  private var work = 0

  private var closure: VisitedSet
  private var arrived: VisitedSet
  private var stack: [UInt32] = []

  /// - Parameter isReversed: reads from the end and looks for the longest match, which is the leftmost beginning.
  init(_ program: RegexProgram, isReversed: Bool) {
    automaton = isReversed ? program.reversed : program.forward
    classes = program.byteClasses
    width = program.byteClassCount + 1
    hasAssertions = program.hasAssertions
    findsLongest = isReversed
    tableCapacity = 16 * width
    table = .allocate(capacity: tableCapacity)
    starts = Array(repeating: Self.unknown, count: Neighbour.allCases.count)
    closure = VisitedSet(capacity: automaton.instructions.count)
    arrived = VisitedSet(capacity: automaton.instructions.count)
  }

  deinit { table.deallocate() }

  /// What the states take in memory.
  var byteCount: Int { tableCapacity * 4 + keyByteCount + automaton.instructions.count * 16 }

  /// Forgets all states.
  func removeAll() {
    keys.removeAll()
    numbers.removeAll()
    keyByteCount = 0
    for index in starts.indices { starts[index] = Self.unknown }
    table.deallocate()
    tableCapacity = 16 * width
    table = .allocate(capacity: tableCapacity)
  }

  // MARK: Reading

  /// Reads forward from `start` to the end of `text`.
  ///
  /// - Parameters:
  ///   - isEarliest: any match will do, the sooner it is known the better.
  ///   - poll: true to stop.
  func read(
    _ text: UnsafeRawBufferPointer, from start: Int, isEarliest: Bool, poll: () -> Bool
  ) -> Outcome {
    var state = startState(start > 0 ? Neighbour(text[start - 1]) : .edge)
    var found: Int?
    var place = start
    var madeFrom = start
    let end = text.count
    return classes.withUnsafeBufferPointer { classes in
      var rows = table
      while place < end {
        let blockEnd = min(end, place + Self.blockByteCount)
        while place < blockEnd {
          var transition = rows[Int(state) + Int(classes[Int(text[place])])]
          if transition >= Self.dead {
            if transition & Self.unknown != 0 {
              if work > Self.workMax {
                work = 0
                if poll() { return .stopped }
              }
              guard makeRoom(for: &state, read: place - madeFrom, &madeFrom, place) else { return .gaveUp }
              transition = makeTransition(from: state, byte: text[place])
              rows = table
            }
            if transition & Self.matchMark != 0 {
              found = place
              if isEarliest { return .match(place) }
            }
            if transition & Self.dead != 0 { return found.map { .match($0) } ?? .none }
          }
          state = transition & Self.placeMask
          place += 1
        }
        if poll() { return .stopped }
      }
      if matchesAtEnd(state, .edge) { found = end }
      return found.map { .match($0) } ?? .none
    }
  }

  /// Reads backward from `end` to `start`: where the longest match that ends at `end` begins.
  func readBack(
    _ text: UnsafeRawBufferPointer, from end: Int, to start: Int, poll: () -> Bool
  ) -> Outcome {
    var state = startState(end < text.count ? Neighbour(text[end]) : .edge)
    var found: Int?
    var place = end
    var madeFrom = end
    while place > start {
      var transition = table[Int(state) + Int(classes[Int(text[place - 1])])]
      if transition >= Self.dead {
        if transition & Self.unknown != 0 {
          if work > Self.workMax {
            work = 0
            if poll() { return .stopped }
          }
          guard makeRoom(for: &state, read: madeFrom - place, &madeFrom, place) else { return .gaveUp }
          transition = makeTransition(from: state, byte: text[place - 1])
        }
        if transition & Self.matchMark != 0 { found = place }
        if transition & Self.dead != 0 { return found.map { .match($0) } ?? .none }
      }
      state = transition & Self.placeMask
      place -= 1
      if (end - place) % Self.blockByteCount == 0, poll() { return .stopped }
    }
    if matchesAtEnd(state, start > 0 ? Neighbour(text[start - 1]) : .edge) { found = start }
    return found.map { .match($0) } ?? .none
  }

  // MARK: States

  private func startState(_ previous: Neighbour) -> UInt32 {
    let previous = hasAssertions ? previous : .other
    let known = starts[Int(previous.rawValue)]
    if known != Self.unknown { return known }
    arrived.removeAll()
    arrive(automaton.unanchored)
    let made = number(of: Key(previous: previous, instructions: arrivedInstructions()))
    starts[Int(previous.rawValue)] = made
    return made
  }

  /// Forgets all states but the present one when they take too much. False when they are made as fast as text is read.
  private func makeRoom(for state: inout UInt32, read: Int, _ madeFrom: inout Int, _ place: Int) -> Bool {
    guard tableCapacity * 4 + keyByteCount > Self.byteCountMax else { return true }
    let present = keys[Int(state) / width]
    let isWorthIt = read >= 10 * keys.count
    removeAll()
    state = number(of: present)
    madeFrom = place
    return isWorthIt
  }

  private func number(of key: Key) -> UInt32 {
    if let known = numbers[key] { return known }
    let place = keys.count * width
    if place + width > tableCapacity {
      let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: tableCapacity * 2)
      larger.update(from: table, count: place)
      table.deallocate()
      table = larger
      tableCapacity *= 2
    }
    for index in 0..<width { table[place + index] = Self.unknown }
    keys.append(key)
    numbers[key] = UInt32(place)
    keyByteCount += key.instructions.count * 4 + 128
    return UInt32(place)
  }

  private func makeTransition(from state: UInt32, byte: UInt8) -> UInt32 {
    let next = hasAssertions ? Neighbour(byte) : .other
    let isMatch = close(keys[Int(state) / width], next)
    arrived.removeAll()
    for index in 0..<closure.count {
      let instruction = automaton.instructions[Int(closure.members[index])]
      if instruction.operation == .take, automaton.sets[Int(instruction.argument)].contains(byte) {
        // Nothing that comes behind an unconditional match is preferred to it.
        if arrive(instruction.next) { break }
      }
    }
    var transition = isMatch ? Self.matchMark : 0
    if arrived.count == 0 {
      transition |= Self.dead
    } else {
      transition |= number(of: Key(previous: next, instructions: arrivedInstructions()))
    }
    table[Int(state) + Int(classes[Int(byte)])] = transition
    return transition
  }

  private func matchesAtEnd(_ state: UInt32, _ next: Neighbour) -> Bool {
    // At the end of the text the answer has a column of its own; elsewhere it depends on the next byte.
    let place = Int(state) + width - 1
    if next == .edge, table[place] != Self.unknown { return table[place] & Self.matchMark != 0 }
    let isMatch = close(keys[Int(state) / width], hasAssertions ? next : .other)
    if next == .edge { table[place] = isMatch ? Self.matchMark : Self.dead }
    return isMatch
  }

  /// Follows what takes no byte from an instruction that was reached, up to assertions, whose right side is not known yet.
  ///
  /// - Returns: true when a match ends the list.
  @discardableResult
  private func arrive(_ entry: UInt32) -> Bool {
    stack.append(entry)
    while let index = stack.popLast() {
      work += 1
      let instruction = automaton.instructions[Int(index)]
      guard arrived.insert(index) else { continue }
      switch instruction.operation {
      case .split:
        stack.append(instruction.argument)
        stack.append(instruction.next)
      case .save: stack.append(instruction.next)
      case .match where !findsLongest:
        stack.removeAll(keepingCapacity: true)
        return true
      case .take, .assert, .match: break
      }
    }
    return false
  }

  /// What of `arrived` tells states apart.
  private func arrivedInstructions() -> [UInt32] {
    (0..<arrived.count).map { arrived.members[$0] }.filter {
      let operation = automaton.instructions[Int($0)].operation
      return operation != .split && operation != .save
    }
  }

  /// Follows a state's assertions now that both sides are known; what is alive stands in `closure`, in order.
  ///
  /// - Returns: whether a match ends here. What it is preferred to is left out.
  private func close(_ key: Key, _ next: Neighbour) -> Bool {
    closure.removeAll()
    var isMatch = false
    for entry in key.instructions {
      stack.append(entry)
      while let index = stack.popLast() {
        work += 1
        guard closure.insert(index) else { continue }
        let instruction = automaton.instructions[Int(index)]
        switch instruction.operation {
        case .split:
          stack.append(instruction.argument)
          stack.append(instruction.next)
        case .save: stack.append(instruction.next)
        case .assert:
          guard let assertion = Assertion(rawValue: UInt8(instruction.argument)) else { break }
          let isHeld =
            automaton.isReversed
            ? assertion.holds(before: next, after: key.previous) : assertion.holds(before: key.previous, after: next)
          if isHeld { stack.append(instruction.next) }
        case .match:
          isMatch = true
          if !findsLongest {
            stack.removeAll(keepingCapacity: true)
            return true
          }
        case .take: break
        }
      }
    }
    return isMatch
  }
}
