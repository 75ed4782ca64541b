import TideCore

/// Reads the `schema` table of a manifest. Collects every mistake, each named by the path of its field.
struct SchemaReader {
  private(set) var problems: [ManifestProblem] = []
  /// The field in hand, by the keys under which it stands.
  private var place = ["schema"]

  private mutating func report(_ message: String) { problems.append(ManifestProblem(message: message, keys: place)) }

  mutating func schema(_ value: PolicyValue) -> PolicySchema {
    PolicySchema(members(value, path: "schema"))
  }

  private mutating func members(_ value: PolicyValue, path: String) -> [PolicySchema.Member] {
    guard let entries = value.entries else {
      report("\(path) must be a table of fields, not \(value.kind)")
      return []
    }
    return entries.sorted { $0.key < $1.key }.compactMap { entry in
      field(entry.value, path: "\(path).\(entry.key)").map { PolicySchema.Member(entry.key, $0) }
    }
  }

  private mutating func field(_ value: PolicyValue, path: String) -> SchemaField? {
    let outer = place
    place = path.split(separator: ".").map(String.init)
    defer { place = outer }
    guard let entries = value.entries, !entries.isEmpty else {
      report("\(path) must be a table such as { type = \"string\" }")
      return nil
    }
    for entry in entries where SchemaOption(rawValue: entry.key) == nil {
      report("\(path): unknown option \(entry.key)" + Self.suggestion(entry.key, SchemaOption.names))
    }
    guard let kind = kind(value, path: path) else { return nil }
    var field = SchemaField(kind)
    if case .boolean(let flag)? = value["required"] { field.isRequired = flag }
    field.defaultValue = value["default"]
    field.minimum = bound(value["min"], kind)
    field.maximum = bound(value["max"], kind)
    field.minimumLength = value["min_len"]?.wholeNumber
    field.maximumLength = value["max_len"]?.wholeNumber
    field.doc = value["doc"]?.text ?? ""
    switch value["deprecated"] {
    case .string(let text)?: field.deprecated = text
    case .boolean(true)?: field.deprecated = ""
    default: break
    }
    return field
  }

  private mutating func kind(_ value: PolicyValue, path: String) -> SchemaField.Kind? {
    if let choices = value["one_of"] {
      let fields = (choices.elements ?? []).enumerated().compactMap { index, choice in
        field(choice, path: "\(path).one_of[\(index + 1)]")
      }
      if fields.isEmpty { report("\(path).one_of must be a list of fields") }
      return fields.isEmpty ? nil : .oneOf(fields)
    }
    if let values = value["enum"] {
      guard let values = values.elements, !values.isEmpty else {
        report("\(path).enum must be a list of values")
        return nil
      }
      return .enumeration(values)
    }
    guard let type = value["type"]?.text else {
      report("\(path) needs a type")
      return nil
    }
    switch SchemaType(rawValue: type) {
    case .string: return .string
    case .integer: return .integer
    case .number: return .number
    case .boolean: return .boolean
    case .url: return .url
    case .duration: return .duration
    case .size: return .size
    case .secret: return .secret
    case .pattern: return .pattern
    case .file: return .file
    case .array: return .array(value["items"].flatMap { field($0, path: path + ".items") })
    case .map: return .map(value["values"].flatMap { field($0, path: path + ".values") })
    case .object: return .object(members(value["fields"] ?? .map([]), path: path + ".fields"))
    case .enumeration:
      report("\(path): the type enum needs enum = { ... }")
    case nil:
      report("\(path): unknown type \(type)" + Self.suggestion(type, SchemaType.names))
    }
    return nil
  }

  /// A bound may be written in the unit of its type.
  private func bound(_ value: PolicyValue?, _ kind: SchemaField.Kind) -> Double? {
    guard let value else { return nil }
    if let number = value.double { return number }
    guard let text = value.text else { return nil }
    return switch kind {
    case .duration: UnitText.milliseconds(text).map(Double.init)
    case .size: UnitText.byteCount(text).map(Double.init)
    default: nil
    }
  }

  static func suggestion(_ name: String, _ known: some Sequence<String>) -> String {
    nearestName(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
  }
}
