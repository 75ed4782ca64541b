import Glibc
import Synchronization
import TideCore
import TideIO

/// The load client: opens connections with token streams or short requests on them, and measures what comes back.
///
/// `run` blocks the calling thread, which looks on while workers of its own do the work. Each count of connections is a step: ramp,
/// wait until every stream has had its first token, warm up, measure. Connections stay open from a step to the next.
public final class Bench: Sendable {
  /// How long the number of streams may stand still while they are opened.
  private static let standstillLimitMs = 20_000
  /// How long streams are opened after the ramp; what is open then is measured.
  private static let openingLimitMs = 60_000
  /// Failures without one success after which there is nothing to wait for.
  private static let hopelessFailureCount = 10
  private static let workerLimit = 256
  /// Descriptors besides the connections, and for each worker.
  private static let reservedDescriptors = 64
  private static let descriptorsPerWorker = 4

  private let settings: BenchSettings
  private let target: BenchTarget
  private let workers: [BenchWorker]
  private let isInterrupted = Atomic<Bool>(false)

  /// - Throws: `Diagnostic` when the URL or the combination of settings makes no sense, or the process may not open so many files.
  public init(_ settings: BenchSettings) throws(Diagnostic) {
    target = try BenchTarget(settings.url)
    let settings = try Self.checked(settings, target)
    self.settings = settings
    let request = try BenchRequest(settings, target)
    var workers: [BenchWorker] = []
    for index in 0..<settings.workers {
      let tls =
        target.isSecure ? try TLSClientContext(verify: false, protocols: settings.speaksHTTP2 ? [.h2] : [.http11]) : nil
      workers.append(BenchWorker(index: index, settings: settings, target: target, request: request, tls: tls))
    }
    self.workers = workers
  }

  /// Ends the run early: what has been measured until now is reported. Thread-safe.
  public func interrupt() { isInterrupted.store(true, ordering: .relaxed) }

  /// Runs from the first connection to the last. Call once.
  ///
  /// - Throws: `Diagnostic` when nothing could be measured.
  public func run() throws(Diagnostic) -> BenchResults {
    var results = BenchResults(settings)
    let bases = try settings.processes.map { process throws(Diagnostic) in
      guard let sample = ProcessSample(of: process.id) else {
        throw Diagnostic(file: "", message: "there is no process \(process.id)", hint: "--pid NAME=ID of a running one")
      }
      return sample
    }
    let clientBase = ProcessSample(of: getpid())
    for bench in workers { bench.worker.start() }
    defer {
      for bench in workers { bench.worker.post { _ in bench.end() } }
      for bench in workers { bench.worker.stop() }
      for bench in workers { bench.worker.join() }
    }
    var open = 0
    for (position, count) in settings.connections.enumerated() {
      do throws(Diagnostic) {
        guard let step = try measure(count, from: open, position: position, bases, clientBase) else { break }
        results.steps.append(step)
        settings.onStep?(step)
      } catch {
        guard !results.steps.isEmpty else { throw error }
        results.problem = error.message
      }
      if results.problem != nil || interrupted { break }
      open = count
    }
    results.isInterrupted = interrupted
    guard !results.steps.isEmpty else {
      throw Diagnostic(file: "", message: "interrupted before anything was measured")
    }
    return results
  }

  // MARK: A step

  /// Nil when the run was interrupted before the measurement.
  private func measure(
    _ connections: Int, from open: Int, position: Int, _ bases: [ProcessSample], _ clientBase: ProcessSample?
  ) throws(Diagnostic) -> BenchStep? {
    var progress = BenchProgress(
      phase: .opening, connections: connections, step: position + 1, stepCount: settings.connections.count,
      openStreams: 0, streams: connections * settings.streamsPerConnection, seconds: 0, failures: 0)
    _ = ask { $0.reset() }
    let rampMs = settings.rampMs(from: open, to: connections)
    for bench in workers { bench.worker.post { _ in bench.ramp(to: connections, overMs: rampMs) } }
    guard let openedInMs = try waitUntilOpen(&progress, rampMs: rampMs) else { return nil }
    progress.phase = .warmingUp
    guard pass(ms: settings.warmUpMs, &progress) else { return nil }

    // The first tokens come while streams are opened, before the measurement: they are kept across the reset.
    let before = ask { bench in
      let reading = bench.reading()
      bench.reset()
      return reading
    }
    let processesBefore = settings.processes.map { ProcessSample(of: $0.id) }
    let clientBefore = ProcessSample(of: getpid())
    progress.phase = .measuring
    _ = pass(ms: settings.measureMs, &progress)
    let after = ask { $0.reading() }
    let clientAfter = ProcessSample(of: getpid())
    let processesAfter = settings.processes.map { ProcessSample(of: $0.id) }
    return BenchStep(
      settings: settings, connections: connections, openedInMs: openedInMs, before: before, after: after,
      processes: settings.processes.indices.map {
        ProcessWindow(
          process: settings.processes[$0], base: bases[$0], before: processesBefore[$0], after: processesAfter[$0])
      },
      client: clientBase.map {
        ProcessWindow(
          process: BenchSettings.WatchedProcess(name: "client", id: getpid()), base: $0, before: clientBefore,
          after: clientAfter)
      })
  }

  /// Milliseconds until every stream was open, or until no more would open; nil when the run was interrupted.
  private func waitUntilOpen(_ progress: inout BenchProgress, rampMs: Int) throws(Diagnostic) -> Int? {
    let start = MonotonicTime.now()
    var best = 0
    var bestAt = start
    while true {
      usleep(20_000)
      if interrupted { return nil }
      let now = MonotonicTime.now()
      let elapsed = now.milliseconds(since: start)
      let states = ask { OpeningState($0) }
      let open = states.reduce(0) { $0 + min($1.open, $1.ready) }
      let failures = states.reduce(UInt64(0)) { $0 + $1.failures }
      progress.openStreams = open
      progress.failures = failures
      // Short requests come and go: it is enough that each stream has answered once.
      let ready = settings.kind == .streams ? open : states.reduce(0) { $0 + $1.ready }
      if ready >= progress.streams { return elapsed }
      if let limit = states.map(\.streamLimit).min(), limit < settings.streamsPerConnection {
        throw Diagnostic(
          file: "",
          message:
            "the target allows \(limit) streams on a connection, \(settings.streamsPerConnection) were asked for",
          hint: "--streams \(limit), and more connections")
      }
      if ready == 0, failures >= min(progress.streams, Self.hopelessFailureCount) { throw failure(states) }
      if ready > best || elapsed <= rampMs {
        best = max(best, ready)
        bestAt = now
      }
      if now.milliseconds(since: bestAt) > Self.standstillLimitMs || elapsed > rampMs + Self.openingLimitMs {
        guard best > 0, open > 0 else { throw failure(states) }
        return elapsed
      }
      speak(&progress, seconds: elapsed / 1000)
    }
  }

  /// Lets time go by, with a word once a second. Returns false when the run was interrupted.
  private func pass(ms: Int, _ progress: inout BenchProgress) -> Bool {
    let end = MonotonicTime.now().advanced(byMs: ms)
    while !interrupted {
      let now = MonotonicTime.now()
      guard now < end else { return true }
      usleep(UInt32(min(end.nanoseconds(since: now) / 1000 + 1, 50_000)))
      let left = end.nanoseconds(since: .now())
      if settings.onProgress != nil, left > 0, isTimeToSpeak {
        let states = ask { OpeningState($0) }
        progress.openStreams = states.reduce(0) { $0 + $1.open }
        progress.failures = states.reduce(UInt64(0)) { $0 + $1.failures }
        speak(&progress, seconds: Int((left + 999_999_999) / 1_000_000_000))
      }
    }
    return false
  }

  private let spokenAt = Mutex<MonotonicTime>(.now())

  private var isTimeToSpeak: Bool { spokenAt.withLock { MonotonicTime.now().milliseconds(since: $0) >= 1000 } }

  private func speak(_ progress: inout BenchProgress, seconds: Int) {
    guard let onProgress = settings.onProgress, isTimeToSpeak else { return }
    spokenAt.withLock { $0 = .now() }
    progress.seconds = seconds
    onProgress(progress)
  }

  private var interrupted: Bool { isInterrupted.load(ordering: .relaxed) }

  // MARK: Workers

  /// What the control thread looks at while streams are opened.
  private struct OpeningState: Sendable {
    var open: Int
    var ready: Int
    var failures: UInt64
    var streamLimit: Int
    var message: String?

    init(_ bench: BenchWorker) {
      open = bench.openStreams
      ready = bench.readyStreams
      failures = bench.tally.failures.total
      streamLimit = bench.streamLimit
      message = bench.tally.messages.max { $0.value < $1.value }?.key
    }
  }

  /// Why nothing works, in the words of a failure.
  private func failure(_ states: [OpeningState]) -> Diagnostic {
    let message = states.compactMap(\.message).first ?? "no stream had a token"
    let hint =
      if message.hasPrefix("cannot connect") {
        "is it running, and is this its port?"
      } else if message.hasPrefix("status 401") || message.hasPrefix("status 403") {
        "--api-key gives the client's key"
      } else if message.hasPrefix("status 404") {
        "the request went to \(target.path); another path may follow the URL's port"
      } else if message.contains("HTTP/2") {
        "--version http1 speaks HTTP/1.1"
      } else if message.contains("HTTP/1.1") {
        "--version h2c and --version h2 speak HTTP/2"
      } else {
        ""
      }
    return Diagnostic(file: "", message: "\(settings.url) is of no use: \(message)", hint: hint)
  }

  /// Asks every worker on its own thread and waits for the answers, which come in the workers' order.
  private func ask<Answer: Sendable>(_ question: @escaping @Sendable (BenchWorker) -> Answer) -> [Answer] {
    let replies = Replies<Answer>()
    for (position, bench) in workers.enumerated() {
      bench.worker.post { _ in
        let answer = question(bench)
        replies.answers.withLock { $0[position] = answer }
      }
    }
    while true {
      let answers = replies.answers.withLock { $0 }
      if answers.count == workers.count { return workers.indices.compactMap { answers[$0] } }
      usleep(500)
    }
  }

  private final class Replies<Answer: Sendable>: Sendable {
    let answers = Mutex<[Int: Answer]>([:])
  }

  // MARK: Settings

  private static func checked(_ given: BenchSettings, _ target: BenchTarget) throws(Diagnostic) -> BenchSettings {
    var settings = given
    settings.version = given.version ?? (target.isSecure ? .h2 : .h2c)
    func refuse(_ message: String, _ hint: String = "") throws(Diagnostic) {
      throw Diagnostic(file: "", message: message, hint: hint)
    }
    if settings.version == .h2, !target.isSecure { try refuse("h2 is HTTP/2 over TLS", "use an https URL, or h2c") }
    if settings.version == .h2c, target.isSecure { try refuse("h2c is HTTP/2 in the clear", "use an http URL, or h2") }
    guard !settings.connections.isEmpty, settings.connections.allSatisfy({ $0 > 0 }) else {
      throw Diagnostic(file: "", message: "without connections there is nothing to measure", hint: "at least 1")
    }
    if settings.streamsPerConnection < 1 { try refuse("a connection without streams measures nothing", "at least 1") }
    if settings.version == .http1, settings.streamsPerConnection > 1 {
      try refuse(
        "HTTP/1.1 carries one stream on a connection, \(settings.streamsPerConnection) were asked for",
        "more connections, or HTTP/2")
    }
    if !(1...workerLimit).contains(settings.workers) { try refuse("1 to \(workerLimit) workers are possible") }
    if settings.measureMs < 1 { try refuse("the measurement needs some time", "seconds above 0") }
    if settings.timeoutMs < 1 { try refuse("a stream needs some time for a token", "a timeout above 0") }
    let most = settings.connections.max() ?? 0
    let need = most + reservedDescriptors + settings.workers * descriptorsPerWorker
    let limit = DescriptorBudget.raiseLimit()
    if need > limit {
      try refuse(
        "\(most) connections need \(need) open files, and this process may have \(limit)",
        "at most \(max(0, limit - need + most)) connections, or a higher hard limit (`ulimit -Hn`)")
    }
    return settings
  }
}
