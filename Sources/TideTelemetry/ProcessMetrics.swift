import Synchronization

/// What is counted once a process: generations and reloads. Any thread may change and read it.
public final class ProcessMetrics: Sendable {
  private let generationNumber = Atomic<UInt64>(0)
  private let aliveCount = Atomic<UInt64>(0)
  private let reloadCount = Atomic<UInt64>(0)
  private let failureCount = Atomic<UInt64>(0)
  /// Seconds since 1970.
  public let startTime: UInt64
  public let version: String

  public init(version: String, startTime: UInt64) {
    self.version = version
    self.startTime = startTime
  }

  /// The generation that new exchanges follow.
  public func setGeneration(_ number: UInt64) { generationNumber.store(number, ordering: .relaxed) }
  /// How many generations still have exchanges, the current one included.
  public func setGenerationsAlive(_ count: UInt64) { aliveCount.store(count, ordering: .relaxed) }
  public func recordReload() { reloadCount.add(1, ordering: .relaxed) }
  public func recordReloadFailure() { failureCount.add(1, ordering: .relaxed) }

  public var generation: UInt64 { generationNumber.load(ordering: .relaxed) }
  public var generationsAlive: UInt64 { aliveCount.load(ordering: .relaxed) }
  public var reloads: UInt64 { reloadCount.load(ordering: .relaxed) }
  public var reloadFailures: UInt64 { failureCount.load(ordering: .relaxed) }
}
