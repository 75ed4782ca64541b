/// Fields by their names.
extension HeaderList {
  public func name(at index: Int) -> String {
    withField(at: index) { name, _ in String(decoding: name, as: UTF8.self) }
  }

  public func value(at index: Int) -> String {
    withField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
  }

  /// The position of the first field called `name` (lower case), from `start` on.
  public func index(of name: String, from start: Int = 0) -> Int? {
    var name = name
    return name.withUTF8 { index(of: UnsafeRawBufferPointer($0), from: start) }
  }

  public func contains(_ name: String) -> Bool { index(of: name) != nil }

  /// The value of the first field called `name` (lower case).
  public subscript(name: String) -> String? { index(of: name).map { value(at: $0) } }

  /// Whether the first field called `name` (lower case) has a value that begins with `prefix` (lower case), in whatever case.
  public func begins(_ name: String, with prefix: StaticString) -> Bool {
    guard let index = index(of: name) else { return false }
    return withField(at: index) { _, value in value.beginsIgnoringCase(with: prefix) }
  }

  /// All values of `name`, joined with a comma and a space as RFC 9110 section 5.3 allows; nil when there is none.
  public func joined(_ name: String) -> String? {
    var result: String?
    var next = index(of: name)
    while let at = next {
      let one = value(at: at)
      result = result.map { $0 + ", " + one } ?? one
      next = index(of: name, from: at + 1)
    }
    return result
  }

  /// Replaces every field called `name` by one.
  public mutating func set(_ name: String, _ value: String) {
    remove(name)
    append(name, value)
  }
}
