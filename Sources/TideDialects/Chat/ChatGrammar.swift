/// The guard at a Chat Completions stream's exit: whatever the upstream or a policy did, the client sees no delta of a choice after its
/// finish reason, nothing after the terminal marker, and one terminator.
struct ChatGrammar {
  private struct Choice {
    var index: Int32
    var sawRole = false
    var reason: String?
  }

  private var choices = ContiguousArray<Choice>()
  /// A choice that has begun and not finished, nearly always the only one: kept here, since what the array holds is seldom in the cache.
  private var running: Int32?
  private(set) var finishedCount = 0
  private(set) var isTerminated = false

  init() {}

  var choiceCount: Int { choices.count }

  /// The choices that have begun and not finished, in the order in which they began.
  var unfinished: [Int32] { choices.filter { $0.reason == nil }.map(\.index) }

  /// Each finished choice and its reason.
  var reasons: [FinishReason] {
    choices.compactMap { choice in choice.reason.map { FinishReason(choice: choice.index, reason: $0) } }
  }

  /// Notes that an event speaks of a choice.
  ///
  /// - Returns: false when the choice has finished, so that the client must not see more of it.
  mutating func begin(_ index: Int32) -> Bool {
    if index == running { return true }
    guard choices[place(index)].reason == nil else { return false }
    running = index
    return true
  }

  /// Whether a choice has begun and not finished, and was the last to begin.
  func isRunning(_ index: Int32) -> Bool { index == running }

  /// Notes a role.
  ///
  /// - Returns: true when it is the choice's first: only that one is news.
  mutating func noteRole(_ index: Int32) -> Bool {
    let place = place(index)
    defer { choices[place].sawRole = true }
    return !choices[place].sawRole
  }

  func sawRole(_ index: Int32) -> Bool { choices.contains { $0.index == index && $0.sawRole } }

  mutating func finish(_ index: Int32, _ reason: String) {
    let place = place(index)
    guard choices[place].reason == nil else { return }
    choices[place].reason = reason
    if running == index { running = nil }
    finishedCount &+= 1
  }

  /// Takes a finish back that was not sent yet.
  mutating func reopen() {
    for place in choices.indices { choices[place].reason = nil }
    finishedCount = 0
  }

  /// - Returns: false when the terminator was written before.
  mutating func terminate() -> Bool {
    defer { isTerminated = true }
    return !isTerminated
  }

  private mutating func place(_ index: Int32) -> Int {
    for place in choices.indices where choices[place].index == index { return place }
    choices.append(Choice(index: index))
    return choices.count &- 1
  }
}

/// How one choice ended.
public struct FinishReason: Equatable, Sendable {
  public var choice: Int32
  public var reason: String

  public init(choice: Int32, reason: String) {
    self.choice = choice
    self.reason = reason
  }
}
