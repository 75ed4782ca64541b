import Synchronization

/// All that one worker counts. The worker changes it; the admin thread reads it while it does.
///
/// What is counted per token or per read is an atomic cell that is changed by relaxed loads and stores (see `Counter`): no reader ever
/// stops a worker and no worker pays for a reader. What happens at most once an exchange and has labels lies behind a lock that only a
/// scrape ever contends for, about 20 ns.
///
/// Gauges that the worker has anyway (open connections, pools, hooks) are not kept twice: they come with `GatewayFigures`.
public final class WorkerMetrics: Sendable {
  /// Numbers that only grow.
  public enum Count: Int, Sendable, CaseIterable {
    case downstreamBytesIn, downstreamBytesOut, upstreamBytesIn, upstreamBytesOut
    case tlsHandshakes, tlsHandshakeFailures
    case cancels, retries, upstreamPauses, turns, sendBatches
  }

  /// Rare events, each with a name that becomes a label. Names come from the program, never from a client.
  enum Event: String, CaseIterable { case refused, shed, attack, timeout, decoded, undecodable }

  private struct Labelled {
    var exchanges: [ExchangeMetrics] = []
    var events: [Event: [String: UInt64]] = [:]
  }

  private let counts = CounterArray(count: Count.allCases.count)
  private let labelled = Mutex(Labelled())
  let timeToFirstToken = Histogram(.time)
  let tokenGap = Histogram(.time)
  let loopTurn = Histogram(.shortTime)

  public init() {}

  // MARK: Per token, event or read

  public func add(_ count: Count, _ amount: UInt64 = 1) { counts.add(amount, at: count.rawValue) }

  /// From the request's head to its first token.
  public func recordTimeToFirstToken(nanoseconds: UInt64) { timeToFirstToken.record(nanoseconds) }

  /// The time since the last token event; `tokenCount` tokens came with this one and share it.
  public func recordTokenGap(nanoseconds: UInt64, tokenCount: Int = 1) {
    let count = UInt64(clamping: max(tokenCount, 1))
    tokenGap.record(count == 1 ? nanoseconds : nanoseconds / count, times: count)
  }

  /// How long a turn of the loop took: what everyone else had to wait.
  public func recordTurn(nanoseconds: UInt64) {
    counts.add(1, at: Count.turns.rawValue)
    loopTurn.record(nanoseconds)
  }

  // MARK: At most once an exchange

  /// An exchange that ended, whatever way: outcome, status, tokens, duration.
  public func record(_ record: AccessRecord) {
    recordExchange(
      cluster: record.cluster ?? "", dialect: record.dialect, outcome: record.outcome, status: record.status,
      durationMs: record.durationMs, tokensIn: record.tokensIn ?? 0, tokensOut: record.tokensOut ?? 0)
  }

  /// The same of an exchange that nobody logs.
  ///
  /// - Parameters:
  ///   - outcome: one of a fixed set of words, like `dialect`.
  ///   - status: 0 where no head was sent.
  ///   - tokensIn: as far as they are known; negative counts are 0.
  public func recordExchange(
    cluster: String, dialect: String, outcome: String, status: Int, durationMs: Double, tokensIn: Int, tokensOut: Int
  ) {
    let ended = ExchangeMetrics.Ended(
      outcome: outcome, status: status, durationMs: durationMs, tokensIn: tokensIn, tokensOut: tokensOut)
    labelled.withLock { labelled in
      if let index = labelled.exchanges.firstIndex(where: { $0.cluster == cluster && $0.dialect == dialect }) {
        return labelled.exchanges[index].record(ended)
      }
      var new = ExchangeMetrics(cluster: cluster, dialect: dialect)
      new.record(ended)
      labelled.exchanges.append(new)
    }
  }

  /// An upstream attempt was cancelled because its client left.
  public func recordCancel() { counts.add(1, at: Count.cancels.rawValue) }

  /// A request refused before an exchange began, and why.
  public func recordRefused(_ reason: String) { record(.refused, reason) }
  /// A new request refused because of overload, and which.
  public func recordShed(_ reason: String) { record(.shed, reason) }
  /// A limit against floods was passed; `row` is its name in the attack catalogue.
  public func recordAttack(_ row: String) { record(.attack, row) }
  /// A deadline passed: `connect`, `first_byte`, `idle`, `total`, `handshake`, ...
  public func recordTimeout(_ kind: String) { record(.timeout, kind) }
  /// A body whose content coding is undone.
  public func recordDecoded(_ coding: String) { record(.decoded, coding) }
  /// A body whose content coding cannot be undone, and why.
  public func recordUndecodable(_ reason: String) { record(.undecodable, reason) }

  private func record(_ event: Event, _ name: String) {
    labelled.withLock { $0.events[event, default: [:]][name, default: 0] &+= 1 }
  }

  // MARK: Reading, on any thread

  public func current(_ count: Count) -> UInt64 { counts.current(at: count.rawValue) }

  var exchanges: [ExchangeMetrics] { labelled.withLock { $0.exchanges } }

  func events(_ event: Event) -> [String: UInt64] { labelled.withLock { $0.events[event] ?? [:] } }
}
