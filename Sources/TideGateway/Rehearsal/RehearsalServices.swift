import Synchronization
import TideCore
import TideLua
import TidePolicy

/// What policies get in a rehearsal: the gateway's digests, the rehearsal's clock and numbers, and a log that is kept instead of written.
final class RehearsalServices: Sendable {
  let clock: RehearsalClock
  /// A run must come out the same on a machine that has little time, and under observation, which slows code down many times.
  static let cpuFactor: UInt64 = 100

  private let entries = Mutex<[PolicyLogEntry]>([])
  private let seed: UInt64
  private let numbers: Mutex<SeededNumbers>
  private let lines: LuaLineRecord?
  private let measures = Atomic(false)

  /// - Parameter lines: gets the lines of policies that run.
  init(clock: RehearsalClock, seed: UInt64, lines: LuaLineRecord? = nil) {
    self.clock = clock
    self.seed = seed
    self.lines = lines
    numbers = Mutex(SeededNumbers(seed: seed))
  }

  /// Forgets all, for another run.
  func restart() {
    clock.restart(elapsedNs: 0)
    entries.withLock { $0.removeAll() }
    numbers.withLock { $0 = SeededNumbers(seed: seed) }
  }

  /// Whether machines that are made from now on count what they cost.
  var isMeasured: Bool {
    get { measures.load(ordering: .relaxed) }
    set { measures.store(newValue, ordering: .relaxed) }
  }

  private var observation: LuaObservation? {
    isMeasured || lines != nil ? LuaObservation(isMeasured: isMeasured, lines: lines) : nil
  }

  /// What was logged so far, in order.
  var log: [PolicyLogEntry] { entries.withLock { $0 } }

  func log(of exchangeID: String) -> [PolicyLogEntry] {
    entries.withLock { $0.filter { $0.exchangeID == exchangeID } }
  }

  var services: PolicyHostServices {
    var services = PolicyHostServices.gateway(log: PolicyLogRelay())
    services.log = { entry in self.entries.withLock { $0.append(entry) } }
    services.now = { [clock] in clock.now }
    services.wallClockMs = { [clock] in Double(clock.wallNs / 1_000_000) }
    services.random = { self.numbers.withLock { $0.next() } }
    services.scriptClockNs = { [clock] in clock.wallNs }
    services.observation = { self.observation }
    services.cpuFactor = Self.cpuFactor
    return services
  }
}
