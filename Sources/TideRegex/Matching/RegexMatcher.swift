/// Matches texts with one program. Keeps the states that texts have reached, so one thread owns it.
///
/// Semantics are those of a backtracking matcher: the leftmost match, and of those the one whose earlier alternatives and
/// greedier repetitions were preferred. The time is linear in the text; texts are bytes, and bytes that are not UTF-8
/// match nothing.
public final class RegexMatcher {
  public enum Outcome: Sendable, Equatable {
    case match(Range<Int>)
    case none
    /// `poll` said so.
    case stopped
  }

  /// Texts longer than this have no places.
  public static let textByteCountMax = Int(Int32.max)

  public let program: RegexProgram
  private var forward: LazyAutomaton?
  private var backward: LazyAutomaton?
  private var simulation: ThreadSimulation?

  public init(_ program: RegexProgram) { self.program = program }

  /// What it keeps between texts, about.
  public var byteCount: Int {
    (forward?.byteCount ?? 0) + (backward?.byteCount ?? 0) + (simulation?.byteCount ?? 0)
  }

  /// Gives that memory back; the next text makes it anew.
  public func removeAll() {
    forward = nil
    backward = nil
    simulation = nil
  }

  /// Whether the pattern matches anywhere; nil when `poll` stopped it.
  ///
  /// - Parameter poll: asked every few thousand steps; true stops the search.
  public func matches(_ text: UnsafeRawBufferPointer, poll: () -> Bool) -> Bool? {
    switch automaton().read(text, from: 0, isEarliest: true, poll: poll) {
    case .match: return true
    case .none: return false
    case .stopped: return nil
    case .gaveUp:
      switch threads().run(text, from: 0, isAnchored: false, poll: poll) {
      case .match: return true
      case .none: return false
      case .stopped: return nil
      }
    }
  }

  /// The first match that begins at `start` or behind it. Assertions see the whole text.
  public func firstMatch(in text: UnsafeRawBufferPointer, from start: Int, poll: () -> Bool) -> Outcome {
    switch automaton().read(text, from: start, isEarliest: false, poll: poll) {
    case .none: return .none
    case .stopped: return .stopped
    case .match(let end):
      switch reverse().readBack(text, from: end, to: start, poll: poll) {
      case .match(let beginning): return .match(beginning..<end)
      case .stopped: return .stopped
      case .none, .gaveUp: break
      }
    case .gaveUp: break
    }
    switch threads().run(text, from: start, isAnchored: false, poll: poll) {
    case .match: return .match(Int(threads().slots[0])..<Int(threads().slots[1]))
    case .none: return .none
    case .stopped: return .stopped
    }
  }

  /// Where the captures of a match stand that `firstMatch` found; nil in the list is a capture that took no part. Nil when
  /// `poll` stopped it.
  public func captures(
    of match: Range<Int>, in text: UnsafeRawBufferPointer, poll: () -> Bool
  ) -> [Range<Int>?]? {
    guard program.captureCount > 0 else { return [] }
    let threads = threads()
    guard threads.run(text, from: match.lowerBound, isAnchored: true, poll: poll) == .match else { return nil }
    return (1...program.captureCount).map { number in
      let start = threads.slots[2 * number]
      let end = threads.slots[2 * number + 1]
      return start >= 0 && end >= start ? Int(start)..<Int(end) : nil
    }
  }

  private func automaton() -> LazyAutomaton {
    if let forward { return forward }
    let made = LazyAutomaton(program, isReversed: false)
    forward = made
    return made
  }

  private func reverse() -> LazyAutomaton {
    if let backward { return backward }
    let made = LazyAutomaton(program, isReversed: true)
    backward = made
    return made
  }

  private func threads() -> ThreadSimulation {
    if let simulation { return simulation }
    let made = ThreadSimulation(program)
    simulation = made
    return made
  }
}
