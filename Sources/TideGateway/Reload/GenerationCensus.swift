import Glibc
import TideCore
import TideIO

/// The generations that have exchanges on any worker, or are the current one, with what their Lua states hold.
struct GenerationCensus {
  struct Entry: Equatable {
    var number: Int
    var exchanges = 0
    var bytes = 0
  }

  /// More than so many at once are worth a warning: each has its states on every worker.
  static let usualCount = 4
  /// A worker that says nothing for so long is left out.
  private static let patienceMs = 1_000

  /// By number.
  private(set) var entries: [Entry] = []

  init(_ figures: [WorkerFigures]) {
    var found: [Int: Entry] = [:]
    for one in figures.flatMap(\.generations) {
      found[one.number, default: Entry(number: one.number)].exchanges += one.exchanges
      found[one.number]?.bytes += one.bytes
    }
    entries = found.values.sorted { $0.number < $1.number }
  }

  /// Asks every worker. On the control thread, which waits for them.
  static func take(_ workers: [GatewayWorker]) -> GenerationCensus {
    let answers = Locked<[WorkerFigures]>([])
    for worker in workers {
      worker.io.post { _ in
        let figures = worker.figures()
        answers.withLock { $0.append(figures) }
      }
    }
    let ends = MonotonicTime.now().advanced(byMs: patienceMs)
    while answers.withLock({ $0.count }) < workers.count, MonotonicTime.now() < ends { _ = poll(nil, 0, 1) }
    return GenerationCensus(answers.withLock { $0 })
  }

  var bytes: Int { entries.reduce(0) { $0 + $1.bytes } }

  /// Why a generation that needs `needed` bytes cannot join those alive; nil when it can.
  func refusal(needed: Int, limit: Int, file: String) -> Diagnostic? {
    guard bytes + needed > limit else { return nil }
    let count = "\(entries.count) generation\(entries.count == 1 ? "" : "s")"
    return Diagnostic(
      file: file,
      message:
        "the Lua states of \(count) hold \(Self.text(bytes)), and those of the next need \(Self.text(needed)): more than "
        + "`policy_memory` of `limits` allows, \(Self.text(limit)) (exchanges run on \(running))",
      hint: "it is tried again as they end; or raise the limit")
  }

  /// What to say when more than the usual number are alive; nil otherwise.
  var warning: String? {
    guard entries.count > Self.usualCount else { return nil }
    return "\(entries.count) generations are alive and hold \(Self.text(bytes)): exchanges run on \(running)"
  }

  private static func text(_ bytes: Int) -> String { "\(bytes >> 20).\((bytes & 0xFFFFF) * 10 >> 20) MiB" }

  private var running: String {
    let shown = entries.filter { $0.exchanges > 0 }.map { "\($0.number): \($0.exchanges)" }
    return shown.isEmpty ? "none" : shown.joined(separator: ", ")
  }
}
