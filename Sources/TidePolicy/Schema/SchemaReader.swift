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
    switch value["required"] {
    case nil: break
    case .boolean(let flag)?: field.isRequired = flag
    case let other?: report("\(path).required must be true or false, not \(other.kind)")
    }
    checkFit(entries, field, path)
    field.minimum = bound("min", value, field, path)
    field.maximum = bound("max", value, field, path)
    field.minimumLength = length("min_len", value, field, path)
    field.maximumLength = length("max_len", value, field, path)
    if let least = field.minimum, let most = field.maximum, least > most {
      report("\(path): nothing is from min to max")
    }
    if let least = field.minimumLength, let most = field.maximumLength, least > most {
      report("\(path): nothing is from min_len to max_len")
    }
    switch value["doc"] {
    case nil: break
    case .string(let text)?: field.doc = text
    case let other?: report("\(path).doc must be a string, not \(other.kind)")
    }
    switch value["deprecated"] {
    case .string(let text)?: field.deprecated = text
    case .boolean(let flag)?: field.deprecated = flag ? "" : nil
    case nil: break
    case let other?: report("\(path).deprecated must be what to use instead, or true, not \(other.kind)")
    }
    field.defaultValue = value["default"]
    if problems.isEmpty {
      for problem in ConfigChecker.problems(ofDefault: field, path: path + ".default") { report(problem) }
    }
    return field
  }

  /// Options that say nothing about the field's type are mistakes.
  private mutating func checkFit(_ entries: [PolicyValue.Entry], _ field: SchemaField, _ path: String) {
    for entry in entries {
      let isFitting: Bool
      switch entry.key {
      case "items": if case .array = field.kind { isFitting = true } else { isFitting = false }
      case "values": if case .map = field.kind { isFitting = true } else { isFitting = false }
      case "fields": if case .object = field.kind { isFitting = true } else { isFitting = false }
      case "min", "max": isFitting = field.isNumeric
      case "min_len", "max_len": isFitting = field.hasLength
      default: isFitting = true
      }
      if !isFitting { report("\(path): \(entry.key) says nothing about the type \(field.typeName)") }
    }
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
      guard let values = values.elements, !values.isEmpty, values.allSatisfy(\.isScalar) else {
        report("\(path).enum must be a list of strings, numbers or booleans")
        return nil
      }
      if let type = value["type"]?.text, !["enum", "string", "integer", "number", "boolean"].contains(type) {
        report("\(path): enum says nothing about the type \(type)")
      }
      return .enumeration(values)
    }
    guard let type = value["type"]?.text else {
      report("\(path) needs a type: one of " + SchemaType.names.joined(separator: ", "))
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
  private mutating func bound(
    _ name: String, _ options: PolicyValue, _ field: SchemaField, _ path: String
  ) -> Double? {
    guard let value = options[name], field.isNumeric else { return nil }
    if let number = value.double { return number }
    let scaled: Double? =
      switch field.kind {
      case .duration: value.text.flatMap(UnitText.milliseconds).map(Double.init)
      case .size: value.text.flatMap(UnitText.byteCount).map(Double.init)
      default: nil
      }
    if scaled == nil { report("\(path).\(name) must be \(field.expectation)") }
    return scaled
  }

  private mutating func length(
    _ name: String, _ options: PolicyValue, _ field: SchemaField, _ path: String
  ) -> Int? {
    guard let value = options[name], field.hasLength else { return nil }
    if let count = value.wholeNumber, count >= 0 { return count }
    report("\(path).\(name) must be a whole number from 0")
    return nil
  }

  static func suggestion(_ name: String, _ known: some Sequence<String>) -> String {
    nearestName(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
  }
}
