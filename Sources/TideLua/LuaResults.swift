import CLuaShim

/// What a host function returns: append values in order.
public struct LuaResults {
  let buffer: UnsafeMutablePointer<tide_buffer>

  public var count: Int { Int(buffer.pointee.count) }

  public mutating func appendNil() { put { tide_put_tag($0, UInt8(TIDE_NIL.rawValue)) } }
  public mutating func append(_ value: Bool) {
    put { tide_put_tag($0, UInt8(value ? TIDE_TRUE.rawValue : TIDE_FALSE.rawValue)) }
  }
  public mutating func append(_ value: Int64) { put { tide_put_integer($0, value) } }
  public mutating func append(_ value: Int) { append(Int64(value)) }
  public mutating func append(_ value: Double) { put { tide_put_number($0, value) } }
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    put { tide_put_string($0, bytes.baseAddress, bytes.count) }
  }
  public mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }
  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }
  /// A fresh userdata for a host object.
  public mutating func append(_ object: LuaHandle) {
    put { tide_put_object($0, object.kind, object.slot, object.generation) }
  }
  public mutating func append(_ opaque: LuaOpaque) { put { tide_put_opaque($0, opaque.kind, opaque.id) } }
  public mutating func append(_ reference: LuaRef) {
    put { tide_put_word($0, UInt8(TIDE_REFERENCE.rawValue), UInt32(bitPattern: reference.index)) }
  }
  /// A function that calls host function `id` with `object` put before its arguments: an iterator, for one.
  public mutating func append(function id: Int32, boundTo object: LuaHandle) {
    put {
      tide_put_word($0, UInt8(TIDE_CLOSURE.rawValue), UInt32(bitPattern: id))
      tide_put_object($0, object.kind, object.slot, object.generation)
    }
  }
  /// A copy of any value.
  public mutating func append(_ value: LuaValue) { put { LuaEncoder(buffer: $0).put(value) } }

  /// A copy of any value, whose tables refuse to be written: for what a script might take for the thing itself.
  public mutating func append(_ value: LuaValue, copyOf id: Int32) {
    put {
      tide_put_word($0, UInt8(TIDE_COPY.rawValue), UInt32(bitPattern: id))
      LuaEncoder(buffer: $0).put(value)
    }
  }

  @inline(__always) private mutating func put(_ write: (UnsafeMutablePointer<tide_buffer>) -> Void) {
    write(buffer)
    buffer.pointee.count &+= 1
  }
}
