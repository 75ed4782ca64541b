import Testing
import TideCore

@testable import TidePolicy

/// Deadlines that pass when a test moves the clock.
final class ManualTimers: PolicyTimers {
  private var deadlines: [(number: UInt64, dueMs: Int, body: () -> Void)] = []
  private var lastNumber: UInt64 = 0
  private var nowMs = 0

  var count: Int { deadlines.count }

  override func after(_ ms: Int, _ body: @escaping () -> Void) -> Token {
    lastNumber += 1
    deadlines.append((lastNumber, nowMs + ms, body))
    return Token(number: lastNumber)
  }

  override func cancel(_ token: Token) { deadlines.removeAll { $0.number == token.number } }

  /// Moves on, deadline by deadline in their order.
  func advance(ms: Int) {
    let end = nowMs + ms
    while let next = deadlines.indices.min(by: { deadlines[$0].dueMs < deadlines[$1].dueMs }),
      deadlines[next].dueMs <= end
    {
      let deadline = deadlines.remove(at: next)
      nowMs = max(nowMs, deadline.dueMs)
      deadline.body()
    }
    nowMs = end
  }
}

/// Calls that a test answers by hand.
final class ManualFetcher: PolicyFetcher {
  struct Call {
    let number: UInt64
    let request: FetchRequest
    let completion: (Result<FetchResponse, FetchFailure>) -> Void
  }

  private(set) var calls: [Call] = []
  private(set) var cancelled = 0
  private var lastNumber: UInt64 = 0

  override func fetch(
    _ request: FetchRequest, completion: @escaping (Result<FetchResponse, FetchFailure>) -> Void
  ) -> Token {
    lastNumber += 1
    calls.append(Call(number: lastNumber, request: request, completion: completion))
    return Token(number: lastNumber)
  }

  override func cancel(_ token: Token) {
    calls.removeAll { $0.number == token.number }
    cancelled += 1
  }

  /// Ends the oldest call, or the one at `index`.
  func answer(_ index: Int = 0, status: Int = 200, json: String) {
    calls.remove(at: index).completion(
      .success(
        FetchResponse(
          status: status, headers: HeaderList([("content-type", "application/json")]), body: Array(json.utf8))))
  }

  func fail(_ failure: FetchFailure) { calls.removeFirst().completion(.failure(failure)) }
}

/// A store that a test answers by hand.
final class ManualLimits: LimitStore {
  typealias Completion = (Result<LimitReply, LimitFailure>) -> Void

  private(set) var asked: [(operation: LimitOperation, completion: Completion)] = []
  private(set) var delivered: [LimitOperation] = []

  override func perform(_ operation: LimitOperation, completion: @escaping Completion) {
    asked.append((operation, completion))
  }

  override func deliver(_ operation: LimitOperation) { delivered.append(operation) }

  /// Answers the oldest operation.
  func answer(_ reply: LimitReply) { end(.success(reply)) }

  /// Sets so many tokens aside for the oldest operation.
  func grant(_ tokens: Int, slot: Int = 7, remaining: Int = 0) {
    answer(LimitReply(isAllowed: true, remaining: remaining, debit: .init(slot: slot, tokens: tokens)))
  }

  func fail(_ code: LimitFailure.Code = .unavailable) { end(.failure(LimitFailure(code, "away"))) }

  private func end(_ result: Result<LimitReply, LimitFailure>) {
    guard !asked.isEmpty else {
      Issue.record("nothing was asked")
      return
    }
    asked.removeFirst().completion(result)
  }
}

/// One policy whose hooks may wait, and what its phases decide.
final class WaitingFixture {
  let timers = ManualTimers()
  let fetcher = ManualFetcher()
  let limits: ManualLimits?
  let policies: PolicyFixture

  init(_ sources: [(String, String)], bindings: [PolicyBinding]? = nil, limits: ManualLimits? = nil) throws {
    self.limits = limits
    policies = try PolicyFixture(sources, bindings: bindings)
    policies.worker.attach(timers: timers, fetcher: fetcher, limits: limits)
  }

  convenience init(
    _ source: String, config: ConfigNode = ConfigNode(.map([])), failure: [String: PolicyBinding.FailureAction] = [:]
  )
    throws
  {
    var binding = PolicyBinding(policy: "p", config: config)
    binding.failure = failure
    try self.init([("p", source)], bindings: [binding])
  }

  /// What the phase decides, now or after `later` has run.
  func decide(_ run: PolicyRun, _ phase: (PolicyRun) -> PolicyOutcome, later: () -> Void) -> PolicyOutcome? {
    let first = phase(run)
    guard first == .waiting else { return first }
    var decided: PolicyOutcome?
    run.onDecision = { decided = $0 }
    later()
    return decided
  }

  /// What a chat request gets of `on_request`.
  func request(_ run: PolicyRun? = nil, later: () -> Void = {}) -> PolicyOutcome? {
    decide(run ?? policies.run(), { $0.runRequest() }, later: later)
  }

  var log: [String] { policies.services.log.map(\.message) }
  var metrics: [String: HookMetrics] {
    Dictionary(policies.worker.metrics.map { ($0.hook, $0.figures) }, uniquingKeysWith: { $1 })
  }
}

func denied(_ outcome: PolicyOutcome?) -> Denial? {
  if case .deny(let denial)? = outcome { return denial }
  return nil
}
