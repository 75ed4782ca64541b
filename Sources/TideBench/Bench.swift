import Glibc
import Synchronization
import TideCore
import TideIO

/// The load client: opens connections with token streams or short requests on them, and measures what comes back.
///
/// `run` blocks the calling thread, which looks on while workers of its own do the work.
public final class Bench {
  private static let openingLimitSeconds = 120

  private let settings: BenchSettings
  private let target: BenchTarget
  private let tls: [TLSClientContext?]
  private var workers: [BenchWorker] = []

  /// - Throws: `Diagnostic` when the URL or the combination of settings makes no sense.
  public init(_ settings: BenchSettings) throws(Diagnostic) {
    var settings = settings
    settings.connections = max(1, settings.connections)
    settings.streamsPerConnection = settings.version == .http1 ? 1 : max(1, settings.streamsPerConnection)
    settings.workers = min(max(1, settings.workers), settings.connections)
    target = try BenchTarget(settings.url)
    guard target.isSecure || settings.version != .h2 else {
      throw Diagnostic(file: "", message: "h2 is HTTP/2 over TLS", hint: "use an https URL, or h2c")
    }
    if target.isSecure, settings.version == .h2c { settings.version = .h2 }
    var contexts: [TLSClientContext?] = []
    for _ in 0..<settings.workers {
      contexts.append(
        target.isSecure
          ? try TLSClientContext(verify: false, protocols: settings.version == .http1 ? [.http11] : [.h2]) : nil)
    }
    tls = contexts
    self.settings = settings
  }

  /// Runs from the first connection to the last.
  ///
  /// - Throws: `Diagnostic` when the streams cannot be opened.
  public func run() throws(Diagnostic) -> BenchReport {
    workers = tls.indices.map { index in
      let share = (0..<settings.connections).filter { $0 % settings.workers == index }
      return BenchWorker(index: index, share: share, settings: settings, target: target, tls: tls[index])
    }
    for bench in workers { bench.worker.start() }
    for bench in workers { bench.worker.post { _ in bench.begin() } }
    defer {
      for bench in workers { bench.worker.post { _ in bench.end() } }
      for bench in workers { bench.worker.stop() }
      for bench in workers { bench.worker.join() }
    }
    let openedIn = try waitUntilOpen()
    pass(ms: settings.warmUpMs, "warming up")
    // The first tokens come while streams are opened, before the measurement: they are kept across the reset.
    let opening = tally(reset: true)
    let before = settings.processIDs.map { ProcessSample(of: $0) }
    let start = MonotonicTime.now()
    pass(ms: settings.measureMs, "measuring")
    let elapsed = MonotonicTime.now().nanoseconds(since: start)
    let after = settings.processIDs.map { ProcessSample(of: $0) }
    let measured = tally(reset: false)
    return BenchReport(
      settings: settings, openedInMs: openedIn, opening: opening, measured: measured, elapsedNs: elapsed,
      openStreams: openStreams,
      processes: zip(settings.processIDs, zip(before, after)).compactMap { id, samples in
        guard let before = samples.0, let after = samples.1 else { return nil }
        return BenchReport.ProcessUse(id: id, before: before, after: after)
      })
  }

  /// Milliseconds until every stream was open.
  private func waitUntilOpen() throws(Diagnostic) -> Int {
    let start = MonotonicTime.now()
    let wanted = settings.connections * settings.streamsPerConnection
    let limit = settings.rampMs / 1000 + Self.openingLimitSeconds
    while true {
      pass(ms: 20, nil)
      let open = openStreams
      let elapsed = MonotonicTime.now().milliseconds(since: start)
      // Short requests come and go: that all connections were begun must do.
      if open >= wanted || (settings.kind != .streams && elapsed > settings.rampMs) { return elapsed }
      if elapsed / 1000 > limit {
        let failures = ask { $0.tally.failures }.reduce(into: BenchFailures()) { $0 += $1 }
        throw Diagnostic(
          file: "", message: "only \(open) of \(wanted) streams could be opened in \(limit) s",
          hint: "\(failures.connections) connections failed, \(failures.statuses) answers were not 200")
      }
      if elapsed % 1000 < 20 { settings.onProgress?("opening: \(open) of \(wanted) streams") }
    }
  }

  private var openStreams: Int { ask { $0.openStreams }.reduce(0, +) }

  private func tally(reset: Bool) -> BenchTally {
    ask { bench in
      let tally = bench.tally
      if reset { bench.tally = BenchTally() }
      return tally
    }.reduce(into: BenchTally()) { $0 += $1 }
  }

  /// Lets time go by, with a word once a second when there is a `phase`.
  private func pass(ms: Int, _ phase: String?) {
    let end = MonotonicTime.now().advanced(byMs: ms)
    var spoken = MonotonicTime.now()
    while true {
      let now = MonotonicTime.now()
      guard now < end else { return }
      usleep(UInt32(min(end.nanoseconds(since: now) / 1000 + 1, 100_000)))
      if let phase, let onProgress = settings.onProgress, now.milliseconds(since: spoken) >= 1000 {
        spoken = now
        let left = end.milliseconds(since: now) / 1000
        onProgress("\(phase): \(openStreams) streams, \(left) s to go")
      }
    }
  }

  /// Asks every worker on its own thread and waits for the answers.
  private func ask<Answer: Sendable>(_ question: @escaping @Sendable (BenchWorker) -> Answer) -> [Answer] {
    let replies = Replies<Answer>()
    for bench in workers {
      bench.worker.post { _ in
        let answer = question(bench)
        replies.answers.withLock { $0.append(answer) }
      }
    }
    while true {
      let answers = replies.answers.withLock { $0 }
      if answers.count == workers.count { return answers }
      usleep(500)
    }
  }

  private final class Replies<Answer: Sendable>: Sendable {
    let answers = Mutex<[Answer]>([])
  }
}
