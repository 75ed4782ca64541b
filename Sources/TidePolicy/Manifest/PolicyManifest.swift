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
  /// `on_segment` is a coroutine, and its stream is held while it waits.
  public var segmentWaits = false
  public var budgets: HookBudgets
  public var failure: [HookName: PolicyBinding.FailureAction]
  public var hooks: HookSet
  /// How much text its filters may hold, and for how long.
  public var hold = FilterHold()
  /// Hosts that the file itself calls: `host`, or `host:port`.
  public var net: Set<String> = []
  public var timers: [PolicyTimer] = []
  /// Its hooks get the answer's text when it has ended.
  public var keepsText = false

  /// Whether host functions that wait are legal in the hook.
  func mayWait(_ hook: HookName) -> Bool { hook.mayWait || hook == .onSegment && segmentWaits }

  /// What a hook's error does when neither the operator nor the policy says: the hooks that can say "no" fail closed.
  static func defaultFailure(_ hook: HookName) -> PolicyBinding.FailureAction {
    switch hook {
    case .onAuth, .onRequest, .onLoad, .onResponseStart, .onToolCall: .deny
    case .onRoute, .onUpstreamError, .onLog, .timers: .skip
    case .onLane, .filters, .onToken, .onSegment, .onLaneEnd, .onResponseEnd: .cut
    }
  }
}

/// How much of the processor and of memory a policy may use.
public struct HookBudgets: Sendable, Equatable {
  /// Bytes of one binding in one worker.
  public var memory = 4 << 20
  /// Thread CPU time in nanoseconds of one call of a hook.
  private var cpuNs: [HookName: UInt64] = [:]
  private var wallMs: [HookName: Int] = [:]

  public init() {}

  /// The hook's CPU budget in nanoseconds. For lane hooks it is that of a KiB of text.
  public func cpu(_ hook: HookName) -> UInt64 {
    if let ns = cpuNs[hook] { return ns }
    return switch hook {
    case .onLoad: 100_000_000
    case .onAuth, .onRequest, .onRoute, .onUpstreamError, .onResponseStart, .onToolCall, .onResponseEnd, .onLog,
      .timers:
      5_000_000
    case .onLane, .filters, .onToken, .onSegment, .onLaneEnd: 50_000
    }
  }

  /// How long one call of the hook may take with all its waiting, in milliseconds.
  public func wall(_ hook: HookName) -> Int {
    wallMs[hook] ?? (hook == .onLog || hook == .timers ? 30_000 : 10_000)
  }

  /// Allows every hook `factor` times as much of the processor, up to a second.
  mutating func relaxCPU(by factor: UInt64) {
    for hook in HookName.allCases { cpuNs[hook] = max(cpu(hook), min(cpu(hook) &* factor, 1_000_000_000)) }
  }

  mutating func setWall(_ hook: HookName, ms: Int) { wallMs[hook] = ms }

  mutating func setCPU(_ hook: HookName, ms: Int) { cpuNs[hook] = UInt64(clamping: ms) * 1_000_000 }
}

/// One of `timers`: its name, and how often its function runs.
public struct PolicyTimer: Sendable, Equatable {
  public var name: String
  public var everyMs: Int
}
