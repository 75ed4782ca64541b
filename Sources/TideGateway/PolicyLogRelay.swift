import Logging
import Synchronization
import TideCore
import TideIO
import TidePolicy

/// Carries what policies log to the gateway's log, which is made after the first policies are loaded; lines that come before wait.
final class PolicyLogRelay: Sendable {
  private struct Inner {
    var log: GatewayLog?
    var waiting: [PolicyLogEntry] = []
  }

  private static let waitingMax = 1_000
  private let inner = Mutex(Inner())

  func connect(_ log: GatewayLog) {
    let waiting = inner.withLock { inner in
      inner.log = log
      defer { inner.waiting = [] }
      return inner.waiting
    }
    for entry in waiting { write(entry, to: log) }
  }

  func take(_ entry: PolicyLogEntry) {
    let log = inner.withLock { inner in
      if inner.log == nil, inner.waiting.count < Self.waitingMax { inner.waiting.append(entry) }
      return inner.log
    }
    if let log { write(entry, to: log) }
  }

  private func write(_ entry: PolicyLogEntry, to log: GatewayLog) {
    var metadata: Logger.Metadata = [:]
    for field in entry.fields { metadata[field.name] = "\(field.value)" }
    // Who says it is not the policy's to say.
    metadata["policy"] = "\(entry.binding)"
    if !entry.hook.isEmpty { metadata["hook"] = "\(entry.hook)" }
    if !entry.exchangeID.isEmpty { metadata["exchange"] = "\(entry.exchangeID)" }
    let level: Logger.Level =
      switch entry.level {
      case .debug: .debug
      case .info: .info
      case .warning: .warning
      case .error: .error
      }
    log.log(level, entry.message, metadata)
  }
}

extension PolicyHostServices {
  /// What policies get in a running gateway: OpenSSL's digests, this log, the machine's clocks.
  static func gateway(log: PolicyLogRelay) -> PolicyHostServices {
    PolicyHostServices(
      sha256: { Digest.sha256($0) }, hmac: { Digest.hmacSHA256(key: $0, $1) },
      signatureKey: { material in
        do throws(KeyProblem) { return .success(try OpenSSLKey.make(material)) } catch { return .failure(error) }
      },
      log: { log.take($0) }, now: { MonotonicTime.now() }, wallClockMs: { Double(WallClock.milliseconds()) })
  }
}
