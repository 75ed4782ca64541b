/// What a call passes to Lua.
public enum LuaArgument {
  case nilValue
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  /// Bytes that need to live only until the call has begun.
  case bytes(UnsafeRawBufferPointer)
  /// A copy of a value, tables included.
  case value(LuaValue)
  /// A fresh userdata for a host object. For objects passed often, reference one instead.
  case object(LuaHandle)
  /// The value that a reference holds: no copy, no allocation.
  case reference(LuaRef)
  case opaque(LuaOpaque)
}
