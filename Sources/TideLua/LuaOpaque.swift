/// A value that Lua can carry but neither make nor read, such as a verdict. `id` finds it in the host.
public struct LuaOpaque: Sendable, Hashable, BitwiseCopyable {
  public var kind: UInt16
  public var id: UInt32

  public init(kind: UInt16, id: UInt32) {
    self.kind = kind
    self.id = id
  }
}
