import TideCore
import TideDialects
import TideLua

/// Phases of an answer.
extension PolicyRun {
  /// Whether any active binding has the hook: phases of an answer cost nothing where none does.
  public func has(_ hook: HookName) -> Bool {
    fixBindings()
    return active.contains { worker.machines[$0].binding.hooks.contains(hook) }
  }

  /// An attempt failed, and nothing was sent to the client yet.
  public func runUpstreamError(_ error: UpstreamError) -> PolicyOutcome {
    guard has(.onUpstreamError) else { return .proceed }
    return begin(.onUpstreamError, active.reversed(), extra: error.luaValue)
  }

  /// The upstream's head is known, and nothing was sent to the client yet.
  public func runResponseStart() -> PolicyOutcome {
    guard has(.onResponseStart) else { return .proceed }
    return begin(.onResponseStart, active.reversed())
  }

  /// A tool call is whole, and the client has nothing of it yet.
  public func runToolCall(_ call: ToolCall) -> PolicyOutcome {
    guard has(.onToolCall) else { return .tool(.pass) }
    chain = Chain(hook: .onToolCall, bindings: active.reversed(), extra: call.luaValue, call: call)
    return advance()
  }

  /// All lanes are drained, and the finish event was not sent yet.
  public func runResponseEnd() -> PolicyOutcome {
    guard has(.onResponseEnd) else { return .proceed }
    return begin(.onResponseEnd, active.reversed())
  }
}
