/// Runs a program's instructions side by side over a text (Pike's machine): slower than states, but it knows where captures
/// stand and needs no more memory than the program is long.
final class ThreadSimulation {
  enum Outcome: Equatable {
    case match
    case none
    case stopped
  }

  private enum Step {
    case visit(UInt32)
    case restore(slot: Int, Int32)
  }

  private static let workMax = 8_192
  /// No place: the capture took no part.
  static let absent: Int32 = -1

  private let automaton: RegexProgram.Automaton
  let slotCount: Int
  private var alive: VisitedSet
  private var arrived: VisitedSet
  private var aliveSlots: UnsafeMutablePointer<Int32>
  private var arrivedSlots: UnsafeMutablePointer<Int32>
  private let slotCapacity: Int
  private var current: [Int32]
  private var stack: [Step] = []
  private var work = 0
  /// Of the last match: where it begins and ends, then each capture.
  private(set) var slots: [Int32]

  init(_ program: RegexProgram) {
    automaton = program.forward
    slotCount = 2 * (program.captureCount + 1)
    alive = VisitedSet(capacity: automaton.instructions.count)
    arrived = VisitedSet(capacity: automaton.instructions.count)
    slotCapacity = automaton.instructions.count * slotCount
    aliveSlots = .allocate(capacity: slotCapacity)
    arrivedSlots = .allocate(capacity: slotCapacity)
    aliveSlots.initialize(repeating: Self.absent, count: slotCapacity)
    arrivedSlots.initialize(repeating: Self.absent, count: slotCapacity)
    current = Array(repeating: Self.absent, count: slotCount)
    slots = current
  }

  deinit {
    aliveSlots.deallocate()
    arrivedSlots.deallocate()
  }

  var byteCount: Int { slotCapacity * 8 + automaton.instructions.count * 16 }

  /// Looks for the preferred match that begins at `start`, or anywhere from there on; `slots` then says where it stands.
  func run(
    _ text: UnsafeRawBufferPointer, from start: Int, isAnchored: Bool, poll: () -> Bool
  ) -> Outcome {
    alive.removeAll()
    var hasMatch = false
    var place = start
    while true {
      if !hasMatch && (place == start || !isAnchored) {
        for slot in 0..<slotCount { current[slot] = Self.absent }
        current[0] = Int32(truncatingIfNeeded: place)
        // Behind the threads that began earlier: those are preferred.
        swap()
        add(automaton.anchored, text, place)
        swap()
      }
      if alive.count == 0 && (hasMatch || isAnchored) { break }
      if work > Self.workMax {
        work = 0
        if poll() { return .stopped }
      }
      arrived.removeAll()
      for index in 0..<alive.count {
        let number = alive.members[index]
        let instruction = automaton.instructions[Int(number)]
        work += 1
        switch instruction.operation {
        case .match:
          hasMatch = true
          for slot in 0..<slotCount { slots[slot] = aliveSlots[Int(number) * slotCount + slot] }
          slots[1] = Int32(truncatingIfNeeded: place)
        case .take where place < text.count && automaton.sets[Int(instruction.argument)].contains(text[place]):
          for slot in 0..<slotCount { current[slot] = aliveSlots[Int(number) * slotCount + slot] }
          add(instruction.next, text, place + 1)
          continue
        default: continue
        }
        // What stands behind a match is not preferred to it.
        break
      }
      swap()
      if place >= text.count { break }
      place += 1
    }
    return hasMatch ? .match : .none
  }

  private func swap() {
    Swift.swap(&alive, &arrived)
    Swift.swap(&aliveSlots, &arrivedSlots)
  }

  /// Follows what takes no byte from `entry` on, into `arrived`, with `current` as its captures.
  private func add(_ entry: UInt32, _ text: UnsafeRawBufferPointer, _ place: Int) {
    stack.append(.visit(entry))
    while let step = stack.popLast() {
      guard case .visit(let number) = step else {
        if case .restore(let slot, let value) = step { current[slot] = value }
        continue
      }
      work += 1
      guard arrived.insert(number) else { continue }
      let instruction = automaton.instructions[Int(number)]
      switch instruction.operation {
      case .split:
        stack.append(.visit(instruction.argument))
        stack.append(.visit(instruction.next))
      case .save:
        let slot = Int(instruction.argument)
        stack.append(.restore(slot: slot, current[slot]))
        current[slot] = Int32(truncatingIfNeeded: place)
        stack.append(.visit(instruction.next))
      case .assert:
        let before = place > 0 ? Neighbour(text[place - 1]) : .edge
        let after = place < text.count ? Neighbour(text[place]) : .edge
        if Assertion(rawValue: UInt8(instruction.argument))?.holds(before: before, after: after) == true {
          stack.append(.visit(instruction.next))
        }
      case .take, .match:
        for slot in 0..<slotCount { arrivedSlots[Int(number) * slotCount + slot] = current[slot] }
      }
    }
  }
}
