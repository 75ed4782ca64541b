/// What one value of a policy's configuration may be.
public struct SchemaField: Sendable {
  public indirect enum Kind: Sendable {
    case string, integer, number, boolean, url, duration, size, secret, pattern, file
    case array(SchemaField?)
    case map(SchemaField?)
    case object([PolicySchema.Member])
    case enumeration([PolicyValue])
    case oneOf([SchemaField])
  }

  public var kind: Kind
  public var isRequired = false
  /// As written in the manifest; checked like a user's value.
  public var defaultValue: PolicyValue?
  /// Bounds of numbers, durations (ms) and sizes (bytes).
  public var minimum: Double?
  public var maximum: Double?
  /// Bounds of a string's characters, a list's elements, a map's entries.
  public var minimumLength: Int?
  public var maximumLength: Int?
  public var doc = ""
  /// What to use instead; nil when the field is current.
  public var deprecated: String?

  public init(_ kind: Kind) { self.kind = kind }

  /// Whether `min` and `max` bound it.
  var isNumeric: Bool {
    switch kind {
    case .integer, .number, .duration, .size: true
    default: false
    }
  }

  /// Whether `min_len` and `max_len` bound it.
  var hasLength: Bool {
    switch kind {
    case .string, .secret, .array, .map: true
    default: false
    }
  }

  /// Whether a value of it is the content of a file, or holds such.
  var readsFiles: Bool {
    switch kind {
    case .file: true
    case .array(let element?), .map(let element?): element.readsFiles
    case .object(let members): members.contains { $0.field.readsFiles }
    case .oneOf(let fields): fields.contains(where: \.readsFiles)
    default: false
    }
  }

  /// The type's name in a schema.
  public var typeName: String {
    switch kind {
    case .string: "string"
    case .integer: "integer"
    case .number: "number"
    case .boolean: "boolean"
    case .url: "url"
    case .duration: "duration"
    case .size: "size"
    case .secret: "secret"
    case .pattern: "pattern"
    case .file: "file"
    case .array: "array"
    case .map: "map"
    case .object: "object"
    case .enumeration: "enum"
    case .oneOf: "one_of"
    }
  }

  /// What a message says was expected.
  var expectation: String {
    switch kind {
    case .string: "a string"
    case .integer: "an integer"
    case .number: "a number"
    case .boolean: "true or false"
    case .url: "an http or https URL"
    case .duration: "a duration such as 250ms, 10s or 5m"
    case .size: "a size such as 64KiB or 10MiB"
    case .secret: "a secret (a string, or file:path)"
    case .pattern: "a regular expression"
    case .file: "the name of a YAML or JSON file"
    case .array: "a list"
    case .map: "a map"
    case .object: "a map with its own keys"
    case .enumeration(let values): "one of " + values.map(Self.show).joined(separator: ", ")
    case .oneOf(let fields): fields.map(\.expectation).joined(separator: ", or ")
    }
  }

  static func show(_ value: PolicyValue) -> String {
    switch value {
    case .string(let text): text
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .boolean(let flag): "\(flag)"
    default: value.kind
    }
  }
}

/// The configuration that a policy takes: its fields by name.
public struct PolicySchema: Sendable {
  public struct Member: Sendable {
    public var name: String
    public var field: SchemaField
    public init(_ name: String, _ field: SchemaField) {
      self.name = name
      self.field = field
    }
  }

  /// Sorted by name: Lua's tables have no order.
  public var members: [Member]

  public init(_ members: [Member] = []) { self.members = members }
}
