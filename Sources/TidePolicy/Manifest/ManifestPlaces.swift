/// Where the keys of a policy's table stand in its source. Lua's values do not know; the text does.
struct ManifestPlaces {
  private let parts: PolicyParts?

  init(_ source: [UInt8]) {
    parts = (try? SyntaxParser.parse(source)).map { PolicyParts($0) }
  }

  /// The line of the innermost of the keys that the text shows; 1 where it shows none.
  func line(of keys: [String]) -> Int {
    guard let first = keys.first, let top = parts?.values.last(where: { $0.key == first }) else { return 1 }
    var line = top.line
    var value = top.value
    for key in keys.dropFirst() {
      guard case .table(let fields) = value, let field = fields.last(where: { $0.name == key }) else { break }
      line = field.line
      value = field.value
    }
    return line
  }
}
