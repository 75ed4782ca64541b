import CLuaShim

/// One argument of a host call. Valid until the host returns; its bytes are Lua's own.
public struct LuaArgumentView {
  let raw: UnsafePointer<tide_value>

  public var isNil: Bool { Int(raw.pointee.type) == Int(TIDE_NIL.rawValue) }
  public var isTable: Bool { tag == TIDE_ARRAY || tag == TIDE_MAP }

  private var tag: LuaTag { LuaTag(UInt32(raw.pointee.type)) }

  public var boolean: Bool? { tag == TIDE_TRUE ? true : tag == TIDE_FALSE ? false : nil }

  /// A number with an exact integer value: 3.0 is 3.
  public var integer: Int64? {
    if tag == TIDE_INTEGER { return raw.pointee.integer }
    if tag == TIDE_NUMBER { return Int64(exactly: raw.pointee.number) }
    return nil
  }

  public var number: Double? {
    if tag == TIDE_NUMBER { return raw.pointee.number }
    if tag == TIDE_INTEGER { return Double(raw.pointee.integer) }
    return nil
  }

  /// The bytes of a string; numbers are not strings here.
  public var bytes: UnsafeRawBufferPointer? {
    guard tag == TIDE_STRING else { return nil }
    return UnsafeRawBufferPointer(start: raw.pointee.bytes, count: raw.pointee.length)
  }

  /// A string as text, invalid UTF-8 repaired.
  public var text: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

  public var object: LuaHandle? {
    guard tag == TIDE_OBJECT else { return nil }
    let value = raw.pointee
    return LuaHandle(kind: value.kind, slot: value.slot, generation: value.generation)
  }

  public var opaque: LuaOpaque? {
    guard tag == TIDE_OPAQUE else { return nil }
    return LuaOpaque(kind: raw.pointee.kind, id: raw.pointee.slot)
  }

  /// A function, kept until it is released; only where the registration says `takesFunctions`.
  public var function: LuaFunction? {
    guard tag == TIDE_FUNCTION else { return nil }
    return LuaFunction(reference: LuaRef(index: Int32(bitPattern: raw.pointee.slot)))
  }

  /// Lua's name of the type.
  public var typeName: String { value.typeName }

  /// A copy, tables included.
  public var value: LuaValue {
    switch tag {
    case TIDE_FALSE: return .boolean(false)
    case TIDE_TRUE: return .boolean(true)
    case TIDE_INTEGER: return .integer(raw.pointee.integer)
    case TIDE_NUMBER: return .number(raw.pointee.number)
    case TIDE_STRING: return .string(Array(UnsafeRawBufferPointer(start: raw.pointee.bytes, count: raw.pointee.length)))
    case TIDE_ARRAY, TIDE_MAP:
      var decoder = LuaDecoder(UnsafeRawBufferPointer(start: raw.pointee.bytes, count: raw.pointee.length))
      return decoder.value()
    case TIDE_FUNCTION: return function.map { .function($0) } ?? .nilValue
    case TIDE_OBJECT: return object.map { .object($0) } ?? .nilValue
    case TIDE_OPAQUE: return opaque.map { .opaque($0) } ?? .nilValue
    case TIDE_OTHER: return .unsupported(String(cString: tide_type_name(raw.pointee.kind)))
    default: return .nilValue
    }
  }
}
