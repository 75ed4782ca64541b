import Glibc
import TideCore

/// What a run measured: a step for each count of connections. Its JSON is `results.json`, with names in snake_case.
public struct BenchResults: Sendable, Equatable, Codable {
  /// Grows when a reader of the JSON must know.
  public var format = 1
  public var url: String
  public var model: String
  public var streamsPerConnection: Int
  /// Threads of the client.
  public var workers: Int
  public var warmUpMs: Int
  /// Kernel and cores of this machine.
  public var system: String
  /// When the run began, in seconds since 1970.
  public var startedS: Int
  public var steps: [BenchStep] = []
  /// Whether the run was ended early: the last step may be shorter than the others, and some may be missing.
  public var isInterrupted = false
  /// Why steps are missing; nil when none are, and when the run was interrupted.
  public var problem: String?

  init(_ settings: BenchSettings) {
    url = settings.url
    model = settings.model
    streamsPerConnection = settings.streamsPerConnection
    workers = settings.workers
    warmUpMs = settings.warmUpMs
    startedS = time(nil)
    system = Self.systemName()
  }

  /// Whether something failed that a caller must know of: streams, or whole steps.
  public var hasFailures: Bool {
    problem != nil || steps.contains { $0.failures.total > 0 || ($0.kind == .streams && $0.openStreams < $0.streams) }
  }

  private static func systemName() -> String {
    let cores = "\(sysconf(Int32(_SC_NPROCESSORS_ONLN))) cores"
    var name = utsname()
    guard uname(&name) == 0 else { return cores }
    // Fields of equal size, each ended by a zero: system, node, release, version, machine.
    let size = MemoryLayout.size(ofValue: name.sysname)
    let fields = withUnsafeBytes(of: name) { all in
      [0, 2, 4].map { field in String(decoding: all[(field * size)...].prefix { $0 != 0 }, as: UTF8.self) }
    }
    return "\(fields.joined(separator: " ")), \(cores)"
  }
}
