/// A coroutine that waits for its host. Resume or cancel it exactly once; a token that was used is refused.
public struct LuaToken: Sendable, Hashable, BitwiseCopyable {
  let raw: UInt64
}
