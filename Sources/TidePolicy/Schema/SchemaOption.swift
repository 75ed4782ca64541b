/// What a field of a policy's `schema` may say of itself: the one list behind reading, annotations and reference.
enum SchemaOption: String, CaseIterable {
  case type, required, `default`
  case minimum = "min"
  case maximum = "max"
  case minimumLength = "min_len"
  case maximumLength = "max_len"
  case items, values, fields
  case enumeration = "enum"
  case oneOf = "one_of"
  case doc, deprecated

  static var names: [String] { allCases.map(\.rawValue) }

  /// As annotations write it.
  var annotation: String {
    switch self {
    case .type: SchemaType.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: "|")
    case .required: "boolean"
    case .default: "any"
    case .minimum, .maximum: "number|string"
    case .minimumLength, .maximumLength: "integer"
    case .items, .values: "tide.SchemaField"
    case .fields: "table<string, tide.SchemaField>"
    case .enumeration: "any[]"
    case .oneOf: "tide.SchemaField[]"
    case .doc: "string"
    case .deprecated: "string|boolean"
    }
  }

  var meaning: String {
    switch self {
    case .type: "one of the types below; not beside `enum` and `one_of`"
    case .required: "a configuration without it is refused"
    case .default: "stands in for what is not written; checked like it"
    case .minimum, .maximum: "bounds of a number, a duration (`\"5s\"`) or a size (`\"1MiB\"`)"
    case .minimumLength, .maximumLength: "bounds of a text's characters, a list's elements, a map's entries"
    case .items: "what each element of an array is"
    case .values: "what each value of a map is"
    case .fields: "the fields of an object"
    case .enumeration: "the values that it may have"
    case .oneOf: "fields, of which the first that fits counts"
    case .doc: "a line for who configures it; messages repeat it"
    case .deprecated: "what to use instead; a warning says so"
    }
  }
}

/// The types of a schema's fields.
enum SchemaType: String, CaseIterable {
  case string, integer, number, boolean, array, map, object
  case enumeration = "enum"
  case url, duration, size, secret, pattern, file

  static var names: [String] { allCases.map(\.rawValue) }

  /// What is written, and what `cfg` has of it.
  var meaning: String {
    switch self {
    case .string: "a text"
    case .integer: "a whole number"
    case .number: "a number"
    case .boolean: "`true` or `false`"
    case .array: "a list, of what `items` says"
    case .map: "keys that the operator chooses, to what `values` says"
    case .object: "keys that `fields` lists"
    case .enumeration: "one of the values that `enum` lists"
    case .url: "an http or https URL; `tide.http` may call its host, a private one too"
    case .duration:
      "`250ms`, `5s`, `10m`, `1h`, `7d`; milliseconds in `cfg`. A number without a unit is refused in YAML"
    case .size: "`512B`, `64KiB`, `10MiB`, or a number of bytes; bytes in `cfg`"
    case .secret:
      "a text that scripts cannot read: for `auth` and headers of `tide.http`, and for the keys of `tide.hmac` and `tide.jwt.verify`"
    case .pattern: "a regular expression, as `tide.re` takes it"
    case .file: "the name of a YAML or JSON file beside the configuration; `cfg` has its content, and a change reloads"
    }
  }
}
