/// Questions about the keys of a configuration.
extension PolicySchema {
  /// Whether fields of the schema's own stand under these keys; data does under those of lists and maps.
  func isGroup(_ keys: [String]) -> Bool {
    var members = members
    for key in keys {
      guard case .object(let inner)? = members.first(where: { $0.name == key })?.field.kind else { return false }
      members = inner
    }
    return true
  }

  /// The dotted keys under which a URL may stand.
  var urlKeys: [String] { members.flatMap { Self.urlKeys($0.field, $0.name) } }

  private static func urlKeys(_ field: SchemaField, _ path: String) -> [String] {
    switch field.kind {
    case .url: [path]
    case .array(let element?): urlKeys(element, path + "[]")
    case .map(let value?): urlKeys(value, path + ".*")
    case .object(let members): members.flatMap { urlKeys($0.field, path + "." + $0.name) }
    case .oneOf(let fields): fields.flatMap { urlKeys($0, path) }
    default: []
    }
  }
}
