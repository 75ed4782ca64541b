/// Names an object of the host inside Lua: what it is, where it stands, and which tenant of that place it was.
///
/// Lua holds only these ten bytes, so that a script that keeps `ctx` after its exchange ended holds nothing; the host checks the
/// generation at each access.
public struct LuaHandle: Sendable, Hashable, BitwiseCopyable {
  public var kind: UInt16
  public var slot: UInt32
  public var generation: UInt32

  public init(kind: UInt16, slot: UInt32, generation: UInt32) {
    self.kind = kind
    self.slot = slot
    self.generation = generation
  }
}
