import Synchronization
import TidePolicy

/// What policies get in a rehearsal: the gateway's digests, the rehearsal's clock, and a log that is kept instead of written.
final class RehearsalServices: Sendable {
  let clock: RehearsalClock
  private let entries = Mutex<[PolicyLogEntry]>([])

  init(clock: RehearsalClock) { self.clock = clock }

  /// Forgets all, for another run.
  func restart() {
    clock.restart(elapsedNs: 0)
    entries.withLock { $0.removeAll() }
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
    services.scriptClockNs = { [clock] in clock.wallNs }
    return services
  }
}
