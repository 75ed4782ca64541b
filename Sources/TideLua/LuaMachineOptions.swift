/// Limits and manner of one machine.
public struct LuaMachineOptions: Sendable {
  public enum Mode: Sendable {
    /// No cost while healthy: a thread of the process watches the CPU clock and signals the worker of a hook that is too old.
    case watchdog
    /// Checks the clock every 1,000 instructions: for tenants that are not trusted, and for sanitizer builds.
    case counted
  }

  /// Bytes above which the running hook is stopped, unless a collection helps. 4 MiB for each binding.
  public var memorySoftLimit: Int
  /// Bytes above which the allocator says no.
  public var memoryHardLimit: Int
  /// The largest single allocation, and so roughly the longest string.
  public var singleBlockLimit: Int
  public var randomSeed: UInt64
  public var mode: Mode
  /// Matching steps that the patterns of one call may take; 0 leaves it to the time budget.
  public var patternStepLimit: UInt64
  /// Nil, for machines that serve.
  public var observation: LuaObservation?

  public init(
    memorySoftLimit: Int = 4 << 20, memoryHardLimit: Int? = nil, singleBlockLimit: Int = 4 << 20,
    randomSeed: UInt64 = 0,
    mode: Mode = .watchdog, patternStepLimit: UInt64 = 5_000_000, observation: LuaObservation? = nil
  ) {
    self.memorySoftLimit = memorySoftLimit
    self.memoryHardLimit = memoryHardLimit ?? max(memorySoftLimit &* 4, 32 << 20)
    self.singleBlockLimit = singleBlockLimit
    self.randomSeed = randomSeed
    self.mode = mode
    self.patternStepLimit = patternStepLimit
    self.observation = observation
  }
}
