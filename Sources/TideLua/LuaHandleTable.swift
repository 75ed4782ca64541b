/// Where the objects stand that Lua knows by handle. Removing one ends its generation, so that a handle kept by a script finds
/// nothing, even when its slot has a new tenant.
public struct LuaHandleTable<Object> {
  private struct Slot {
    var object: Object?
    var generation: UInt32
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []
  public let kind: UInt16

  public init(kind: UInt16) { self.kind = kind }

  /// How many slots were ever needed at once.
  public var capacity: Int { slots.count }

  public mutating func insert(_ object: Object) -> LuaHandle {
    if let slot = free.popLast() {
      slots[Int(slot)].object = object
      return LuaHandle(kind: kind, slot: slot, generation: slots[Int(slot)].generation)
    }
    slots.append(Slot(object: object, generation: 1))
    return LuaHandle(kind: kind, slot: UInt32(truncatingIfNeeded: slots.count - 1), generation: 1)
  }

  /// The object, or nil when its owner ended.
  public subscript(handle: LuaHandle) -> Object? {
    guard handle.kind == kind, Int(handle.slot) < slots.count else { return nil }
    let slot = slots[Int(handle.slot)]
    return slot.generation == handle.generation ? slot.object : nil
  }

  /// Puts another object under a live handle; false when its owner ended.
  @discardableResult
  public mutating func replace(_ handle: LuaHandle, with object: Object) -> Bool {
    guard self[handle] != nil else { return false }
    slots[Int(handle.slot)].object = object
    return true
  }

  @discardableResult
  public mutating func remove(_ handle: LuaHandle) -> Object? {
    guard let object = self[handle] else { return nil }
    slots[Int(handle.slot)].object = nil
    slots[Int(handle.slot)].generation &+= 1
    free.append(handle.slot)
    return object
  }
}
