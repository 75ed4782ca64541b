/// A slot of one machine that keeps one Lua value alive. Slots are pooled: releasing one makes room for the next.
public struct LuaRef: Sendable, Hashable, BitwiseCopyable {
  let index: Int32
}
