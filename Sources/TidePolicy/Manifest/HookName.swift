/// A point of an exchange's life where a policy runs. In the order of that life, which is what `ContextField` compares.
public enum HookName: UInt8, Sendable, BitwiseCopyable, CaseIterable, Comparable {
  case onLoad, onAuth, onRequest, onRoute, onUpstreamError, onResponseStart, onLane
  /// The compiled filters, and `on_match` of those that ask.
  case filters
  case onToken, onSegment, onLaneEnd, onToolCall, onResponseEnd, onLog
  /// Belongs to no exchange.
  case timers

  /// The name in Lua, YAML, logs and metrics.
  public var name: String {
    switch self {
    case .onLoad: "on_load"
    case .onAuth: "on_auth"
    case .onRequest: "on_request"
    case .onRoute: "on_route"
    case .onUpstreamError: "on_upstream_error"
    case .onResponseStart: "on_response_start"
    case .onLane: "on_lane"
    case .filters: "filters"
    case .onToken: "on_token"
    case .onSegment: "on_segment"
    case .onLaneEnd: "on_lane_end"
    case .onToolCall: "on_tool_call"
    case .onResponseEnd: "on_response_end"
    case .onLog: "on_log"
    case .timers: "timers"
    }
  }

  public init?(name: String) {
    guard let hook = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = hook
  }

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  /// Runs as a coroutine, so that host functions that wait are legal in it. `on_segment` does so where the policy asks for it.
  public var mayWait: Bool {
    switch self {
    case .onAuth, .onRequest, .onUpstreamError, .onResponseStart, .onToolCall, .onResponseEnd, .onLog, .timers: true
    case .onLoad, .onRoute, .onLane, .filters, .onToken, .onSegment, .onLaneEnd: false
    }
  }

  /// Sees the text of lanes.
  public var isLaneHook: Bool { self >= .onLane && self <= .onLaneEnd }
}

/// A set of hooks: those that a policy has.
public struct HookSet: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public let rawValue: UInt16

  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public init(_ hook: HookName) { rawValue = 1 << UInt16(hook.rawValue) }

  @inline(__always)
  public func contains(_ hook: HookName) -> Bool { rawValue & (1 << UInt16(hook.rawValue)) != 0 }

  /// Functions that see the text of lanes.
  public static let texts: HookSet = [
    HookSet(.onLane), HookSet(.onToken), HookSet(.onSegment), HookSet(.onLaneEnd),
  ]

  /// Whatever sees the text of lanes.
  public static let lanes: HookSet = [.texts, HookSet(.filters)]

  /// Hooks that get a `ctx` whose prompt is there.
  public static let prompts: HookSet = [
    HookSet(.onRequest), HookSet(.onRoute), HookSet(.onUpstreamError), HookSet(.onResponseStart), HookSet(.onLane),
    HookSet(.onToolCall), HookSet(.onResponseEnd), HookSet(.onLog),
  ]

  /// In the order of an exchange's life.
  public var hooks: [HookName] { HookName.allCases.filter { contains($0) } }
}
