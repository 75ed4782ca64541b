import TideCore

/// A plain value that passes between Lua, a configuration file and Swift: what a policy's configuration, a manifest or
/// a JSON text is made of. Immutable, so that one copy serves every worker.
public indirect enum PolicyValue: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public var key: String
    public var value: PolicyValue
    public init(_ key: String, _ value: PolicyValue) {
      self.key = key
      self.value = value
    }
  }

  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  /// Seen by the host only; Lua holds it without being able to read it.
  case secret(Secret)
  case array([PolicyValue])
  /// In the order in which it was written.
  case map([Entry])
  /// A Lua function, where a manifest may hold one; the host keeps no hold of it.
  case function

  /// The value under `key`, if this is a map that has it.
  public subscript(key: String) -> PolicyValue? {
    guard case .map(let entries) = self else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// What a message calls it.
  public var kind: String {
    switch self {
    case .null: "nothing"
    case .boolean: "a boolean"
    case .integer: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .secret: "a secret"
    case .array: "a list"
    case .map: "a map"
    case .function: "a function"
    }
  }

  var isScalar: Bool {
    switch self {
    case .string, .integer, .number, .boolean: true
    case .null, .secret, .array, .map, .function: false
    }
  }

  public var text: String? {
    if case .string(let text) = self { return text }
    return nil
  }

  /// The number, when it is one; whole floats are integers too.
  public var wholeNumber: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The elements of a list. Lua's empty table is an empty list and an empty map alike.
  public var elements: [PolicyValue]? {
    switch self {
    case .array(let elements): elements
    case .map(let entries) where entries.isEmpty: []
    default: nil
    }
  }

  public var entries: [Entry]? {
    switch self {
    case .map(let entries): entries
    case .array(let elements) where elements.isEmpty: []
    default: nil
    }
  }

  /// The value as a configuration node without a position, so that a schema's defaults pass the same checks as what a
  /// user writes.
  public var configNode: ConfigNode {
    switch self {
    case .null, .function, .secret: ConfigNode(.null)
    case .boolean(let value): ConfigNode(.boolean(value))
    case .integer(let value): ConfigNode(.integer(value))
    case .number(let value): ConfigNode(.number(value))
    case .string(let value): ConfigNode(.string(value))
    case .array(let elements): ConfigNode(.array(elements.map(\.configNode)))
    case .map(let entries):
      ConfigNode(.map(entries.map { ConfigNode.Entry(key: $0.key, value: $0.value.configNode) }))
    }
  }
}

extension ConfigNode {
  /// The node without its positions.
  public var policyValue: PolicyValue {
    switch value {
    case .null: .null
    case .boolean(let value): .boolean(value)
    case .integer(let value): .integer(value)
    case .number(let value): .number(value)
    case .string(let value): .string(value)
    case .array(let nodes): .array(nodes.map(\.policyValue))
    case .map(let entries): .map(entries.map { PolicyValue.Entry($0.key, $0.value.policyValue) })
    }
  }

  var kind: String { policyValue.kind }
}
