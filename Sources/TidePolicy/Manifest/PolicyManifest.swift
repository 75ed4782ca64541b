import TideCore
import TideDialects

/// What a policy's table says besides its functions, checked.
public struct PolicyManifest: Sendable {
  public var name: String
  public var version: String
  public var auto: Bool
  public var schema: PolicySchema
  public var channels: ChannelSet
  public var segment: Segmenter.Unit?
  public var budgets: HookBudgets
  public var failure: [HookName: PolicyBinding.FailureAction]
  public var hooks: HookSet
  /// How much text its filters may hold, and for how long.
  public var hold = FilterHold()

  /// What a hook's error does when neither the operator nor the policy says: the hooks that can say "no" fail closed.
  static func defaultFailure(_ hook: HookName) -> PolicyBinding.FailureAction {
    switch hook {
    case .onAuth, .onRequest, .onLoad: .deny
    case .onRoute, .onLog: .skip
    case .onLane, .filters, .onToken, .onSegment, .onLaneEnd: .cut
    }
  }
}

/// How much of the processor and of memory a policy may use.
public struct HookBudgets: Sendable, Equatable {
  /// Bytes of one binding in one worker.
  public var memory = 4 << 20
  /// Thread CPU time in nanoseconds of one call of a hook.
  private var cpuNs: [HookName: UInt64] = [:]

  public init() {}

  /// The hook's CPU budget in nanoseconds. For lane hooks it is that of a KiB of text.
  public func cpu(_ hook: HookName) -> UInt64 {
    if let ns = cpuNs[hook] { return ns }
    return switch hook {
    case .onLoad: 100_000_000
    case .onAuth, .onRequest, .onRoute, .onLog: 5_000_000
    case .onLane, .filters, .onToken, .onSegment, .onLaneEnd: 50_000
    }
  }

  mutating func setCPU(_ hook: HookName, ms: Int) { cpuNs[hook] = UInt64(clamping: ms) * 1_000_000 }
}
