/// How a call ended.
public enum LuaOutcome {
  /// The hook's first result; `.nilValue` both for `return nil` and for no result at all.
  case returned(LuaValue)
  /// The coroutine waits for the host.
  case yielded(LuaToken)
  case failed(LuaFailure)
}
