/// The strict `_ENV` that a policy's files share. Writing a global or reading an unknown name in it raises.
public struct LuaEnvironment: Sendable, Hashable, BitwiseCopyable {
  /// The number that `LuaHost.module(named:environment:)` is asked with.
  public let id: Int32
  let reference: LuaRef
}
