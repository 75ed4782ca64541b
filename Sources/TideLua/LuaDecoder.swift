import CLuaShim

/// The tags of the flat form.
typealias LuaTag = TideTag

/// Reads values in the flat form that the shim writes. A buffer that ends early reads as nil.
struct LuaDecoder {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func value() -> LuaValue {
    switch LuaTag(UInt32(load(UInt8.self))) {
    case TIDE_FALSE: return .boolean(false)
    case TIDE_TRUE: return .boolean(true)
    case TIDE_INTEGER: return .integer(load(Int64.self))
    case TIDE_NUMBER: return .number(Double(bitPattern: load(UInt64.self)))
    case TIDE_STRING:
      let length = min(Int(load(UInt32.self)), bytes.count - position)
      defer { position += length }
      return .string(Array(UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])))
    case TIDE_ARRAY:
      let count = Int(load(UInt32.self))
      var values: [LuaValue] = []
      values.reserveCapacity(min(count, bytes.count - position))
      for _ in 0..<count where position < bytes.count { values.append(value()) }
      return .array(values)
    case TIDE_MAP:
      let count = Int(load(UInt32.self))
      var entries: [(key: LuaValue, value: LuaValue)] = []
      entries.reserveCapacity(min(count, bytes.count - position))
      for _ in 0..<count where position < bytes.count {
        let key = value()
        entries.append((key, value()))
      }
      return .map(entries)
    case TIDE_FUNCTION: return .function(LuaFunction(reference: LuaRef(index: load(Int32.self))))
    case TIDE_OBJECT:
      let kind = load(UInt16.self)
      let slot = load(UInt32.self)
      return .object(LuaHandle(kind: kind, slot: slot, generation: load(UInt32.self)))
    case TIDE_OPAQUE:
      let kind = load(UInt16.self)
      return .opaque(LuaOpaque(kind: kind, id: load(UInt32.self)))
    case TIDE_OTHER: return .unsupported(String(cString: tide_type_name(UInt16(load(UInt8.self)))))
    default: return .nilValue
    }
  }

  private mutating func load<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T {
    guard bytes.count - position >= MemoryLayout<T>.size else {
      position = bytes.count
      return 0
    }
    defer { position += MemoryLayout<T>.size }
    return bytes.loadUnaligned(fromByteOffset: position, as: T.self)
  }
}
