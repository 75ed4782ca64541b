/// A Lua value copied out of a machine, or on its way in. For cold paths: manifests, configuration, verdict details.
///
/// Tables are read raw, without metamethods, to a depth of 64 and to 262,144 values; deeper, larger and cyclic ones are errors. A
/// table whose keys are exactly 1...n is an array; an empty one is `.array([])`.
public indirect enum LuaValue: Sendable {
  case nilValue
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  /// Bytes as Lua has them: not necessarily UTF-8.
  case string([UInt8])
  case array([LuaValue])
  case map([(key: LuaValue, value: LuaValue)])
  /// Only from a load or from a host function registered with `takesFunctions`; the receiver releases it.
  case function(LuaFunction)
  case opaque(LuaOpaque)
  case object(LuaHandle)
  /// A Lua value that cannot leave its machine, by the name of its type.
  case unsupported(String)
}

extension LuaValue {
  /// Text as a Lua string.
  public static func text(_ text: String) -> LuaValue { .string(Array(text.utf8)) }

  /// The type's name as Lua programmers know it.
  public var typeName: String {
    switch self {
    case .nilValue: "nil"
    case .boolean: "boolean"
    case .integer, .number: "number"
    case .string: "string"
    case .array, .map: "table"
    case .function: "function"
    case .opaque, .object: "userdata"
    case .unsupported(let name): name
    }
  }

  /// The string as text, invalid UTF-8 repaired; nil when this is no string.
  public var text: String? {
    guard case .string(let bytes) = self else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The number when it has an exact integer value: 429.0 is 429.
  public var integerValue: Int64? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int64(exactly: value)
    default: nil
    }
  }

  public var numberValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  public var booleanValue: Bool? {
    guard case .boolean(let value) = self else { return nil }
    return value
  }

  public var isNil: Bool {
    if case .nilValue = self { return true }
    return false
  }

  /// A table's entries; an array's come under integer keys from 1. Nil when this is no table.
  public var entries: [(key: LuaValue, value: LuaValue)]? {
    switch self {
    case .map(let entries): entries
    case .array(let values): values.enumerated().map { (.integer(Int64($0.offset) + 1), $0.element) }
    default: nil
    }
  }

  /// The value under a string key of a table.
  public subscript(key: String) -> LuaValue? {
    guard case .map(let entries) = self else { return nil }
    return entries.first { $0.key.isString(key) }?.value
  }

  private func isString(_ text: String) -> Bool {
    guard case .string(let bytes) = self else { return false }
    return bytes.elementsEqual(text.utf8)
  }
}

extension LuaValue: Equatable {
  /// Tables are equal when they hold equal entries in the same order; numbers compare as Lua compares them.
  public static func == (a: LuaValue, b: LuaValue) -> Bool {
    switch (a, b) {
    case (.nilValue, .nilValue): true
    case (.boolean(let x), .boolean(let y)): x == y
    case (.integer(let x), .integer(let y)): x == y
    case (.number(let x), .number(let y)): x == y
    case (.integer(let x), .number(let y)), (.number(let y), .integer(let x)): Int64(exactly: y) == x
    case (.string(let x), .string(let y)): x == y
    case (.array(let x), .array(let y)): x == y
    case (.map(let x), .map(let y)): x.elementsEqual(y) { $0.key == $1.key && $0.value == $1.value }
    case (.function(let x), .function(let y)): x == y
    case (.opaque(let x), .opaque(let y)): x == y
    case (.object(let x), .object(let y)): x == y
    case (.unsupported(let x), .unsupported(let y)): x == y
    default: false
    }
  }
}
