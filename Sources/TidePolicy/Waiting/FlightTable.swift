import TideCore
import TideLua

/// What `tide.once` of one binding runs now, and what it remembers. On one worker.
final class FlightTable {
  static let keysMax = 1_024

  /// One function that runs for everyone who asked for its key.
  final class Flight {
    var wait: HookWait?
    var waiters: [HookCoroutine] = []
  }

  private struct Entry {
    var value: LuaValue
    var expires: MonotonicTime
  }

  private var entries: [String: Entry] = [:]
  private var flights: [String: Flight] = [:]

  /// What an earlier run brought, while it is fresh.
  func value(_ key: String, now: MonotonicTime) -> LuaValue? {
    guard let entry = entries[key] else { return nil }
    if entry.expires > now { return entry.value }
    entries[key] = nil
    return nil
  }

  subscript(key: String) -> Flight? {
    get { flights[key] }
    set { flights[key] = newValue }
  }

  func remember(_ value: LuaValue, _ key: String, ttlMs: Int, now: MonotonicTime) {
    if entries.count >= Self.keysMax {
      entries = entries.filter { $0.value.expires > now }
      if entries.count >= Self.keysMax, let oldest = entries.min(by: { $0.value.expires < $1.value.expires }) {
        entries[oldest.key] = nil
      }
    }
    entries[key] = Entry(value: value, expires: now.advanced(byMs: ttlMs))
  }
}

extension LuaValue {
  /// Whether it may leave the machine that made it: no function, no object of the host.
  var isPlain: Bool {
    switch self {
    case .nilValue, .boolean, .integer, .number, .string: true
    case .array(let elements): elements.allSatisfy(\.isPlain)
    case .map(let entries): entries.allSatisfy { $0.key.isPlain && $0.value.isPlain }
    case .object(let object): object == BindingHost.null
    case .function, .opaque, .unsupported: false
    }
  }
}
