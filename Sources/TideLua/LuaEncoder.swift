import CLuaShim

/// Writes values in the flat form that the shim reads. The shim limits depth and size when it builds the tables.
struct LuaEncoder {
  let buffer: UnsafeMutablePointer<tide_buffer>

  func put(_ value: LuaValue) {
    switch value {
    case .nilValue, .unsupported: tag(TIDE_NIL)
    case .boolean(let value): tag(value ? TIDE_TRUE : TIDE_FALSE)
    case .integer(let value): tide_put_integer(buffer, value)
    case .number(let value): tide_put_number(buffer, value)
    case .string(let bytes): bytes.withUnsafeBytes { tide_put_string(buffer, $0.baseAddress, $0.count) }
    case .array(let values):
      word(TIDE_ARRAY, UInt32(clamping: values.count))
      for value in values { put(value) }
    case .map(let entries):
      word(TIDE_MAP, UInt32(clamping: entries.count))
      for entry in entries {
        put(entry.key)
        put(entry.value)
      }
    case .function(let function): word(TIDE_REFERENCE, UInt32(bitPattern: function.reference.index))
    case .opaque(let opaque): tide_put_opaque(buffer, opaque.kind, opaque.id)
    case .object(let object): tide_put_object(buffer, object.kind, object.slot, object.generation)
    }
  }

  func put(_ argument: LuaArgument) {
    switch argument {
    case .nilValue: tag(TIDE_NIL)
    case .boolean(let value): tag(value ? TIDE_TRUE : TIDE_FALSE)
    case .integer(let value): tide_put_integer(buffer, value)
    case .number(let value): tide_put_number(buffer, value)
    case .bytes(let bytes): tide_put_string(buffer, bytes.baseAddress, bytes.count)
    case .value(let value): put(value)
    case .object(let object): tide_put_object(buffer, object.kind, object.slot, object.generation)
    case .reference(let reference): word(TIDE_REFERENCE, UInt32(bitPattern: reference.index))
    case .opaque(let opaque): tide_put_opaque(buffer, opaque.kind, opaque.id)
    }
    buffer.pointee.count &+= 1
  }

  private func tag(_ tag: LuaTag) { tide_put_tag(buffer, UInt8(tag.rawValue)) }
  private func word(_ tag: LuaTag, _ value: UInt32) { tide_put_word(buffer, UInt8(tag.rawValue), value) }
}
