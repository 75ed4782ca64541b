import TideDialects

/// A JSON text as a tree, for tests to look into; nil where something is not there.
indirect enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  init?(_ text: String) {
    var text = text
    let value: JSONValue? = text.withUTF8 { bytes in
      var scanner = JSONScanner(UnsafeRawBufferPointer(bytes))
      let value = Self.read(&scanner, UnsafeRawBufferPointer(bytes))
      return scanner.atEnd() ? value : nil
    }
    guard let value else { return nil }
    self = value
  }

  private static func read(_ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer) -> JSONValue? {
    switch scanner.peek() {
    case .object:
      guard scanner.enterObject() else { return nil }
      var members: [String: JSONValue] = [:]
      while let key = scanner.nextKey() {
        guard let value = read(&scanner, bytes) else { return nil }
        members[String(decoding: JSONText.unescape(scanner.content(key)), as: UTF8.self)] = value
      }
      return scanner.hasFailed ? nil : .object(members)
    case .array:
      guard scanner.enterArray() else { return nil }
      var elements: [JSONValue] = []
      while scanner.nextElement() {
        guard let value = read(&scanner, bytes) else { return nil }
        elements.append(value)
      }
      return scanner.hasFailed ? nil : .array(elements)
    case .string:
      guard let text = scanner.string() else { return nil }
      return .string(String(decoding: JSONText.unescape(scanner.content(text)), as: UTF8.self))
    case .number: return scanner.number().map { .number(String(decoding: bytes[$0], as: UTF8.self)) }
    case .bool: return scanner.bool().map { .bool($0) }
    case .null: return scanner.skipValue().map { _ in .null }
    case .invalid: return nil
    }
  }

  subscript(key: String) -> JSONValue? {
    if case .object(let members) = self { return members[key] }
    return nil
  }

  subscript(index: Int) -> JSONValue? {
    if case .array(let elements) = self, elements.indices.contains(index) { return elements[index] }
    return nil
  }

  var string: String? {
    if case .string(let text) = self { return text }
    return nil
  }

  var integer: Int? {
    if case .number(let text) = self { return Int(text) }
    return nil
  }

  var count: Int {
    if case .array(let elements) = self { return elements.count }
    return 0
  }
}
