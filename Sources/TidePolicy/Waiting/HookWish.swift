import TideLua

/// What a coroutine asked for when it yielded.
enum HookWish {
  case sleep(ms: Int)
  case fetch(FetchRequest)
  /// The results of all of them, each its own coroutine.
  case all([LuaFunction])
  /// The result of one function under a key, run once however many ask for it.
  case once(key: String, ttlMs: Int, LuaFunction)
  /// The answer of a store that gateways share.
  case limit(LimitWish)

  /// Functions that the host holds for it.
  var functions: [LuaFunction] {
    switch self {
    case .sleep, .fetch, .limit: []
    case .all(let functions): functions
    case .once(_, _, let function): [function]
    }
  }
}

/// What a binding's host knows of one hook: set aside while the hook waits and others run.
struct HookFrame {
  var hook: HookName
  var context: ExchangeContext?
  var variables: LuaRef?
  var verdicts: [(id: UInt32, verdict: Verdict)]
  var loopHandles: [LuaHandle]
  var partHandles: [LuaHandle]
  var searchHandles: [LuaHandle]
  var searchBytes: Int
}

extension BindingHost {
  /// Sets the hook that yielded aside. Its context lives as long as the frame.
  func suspend() -> HookFrame {
    let frame = HookFrame(
      hook: hook, context: current, variables: variables, verdicts: verdicts, loopHandles: loopHandles,
      partHandles: partHandles, searchHandles: searchHandles, searchBytes: searchBytes)
    verdicts = []
    loopHandles = []
    partHandles = []
    searchHandles = []
    searchBytes = 0
    current = nil
    variables = nil
    return frame
  }

  /// Goes on with a hook that was set aside.
  func restore(_ frame: HookFrame) {
    hook = frame.hook
    current = frame.context
    variables = frame.variables
    verdicts = frame.verdicts
    loopHandles = frame.loopHandles
    partHandles = frame.partHandles
    searchHandles = frame.searchHandles
    searchBytes = frame.searchBytes
  }

  /// A host function said that it waits, and then could not.
  func forgetWish() {
    for function in wanted?.functions ?? [] { machine?.release(function) }
    wanted = nil
  }
}
