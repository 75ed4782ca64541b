/// A Lua function that the host keeps: call it through the machine it came from, and release it there.
public struct LuaFunction: Sendable, Hashable, BitwiseCopyable {
  /// The slot that holds it.
  public let reference: LuaRef
}
