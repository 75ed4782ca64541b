/// The members of one JSON object, as ranges into the text that it stands in.
///
/// For the few objects that are read by name, all members of which must be kept. A name that comes twice is refused: a policy could judge
/// one value and the client use the other.
struct JSONMembers {
  struct Member {
    var name: String
    var value: Range<Int>
    var kind: JSONKind
  }

  let members: [Member]
  private let bytes: UnsafeRawBufferPointer

  /// - Returns: nil when `range` of `bytes` is not one JSON object.
  init?(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>? = nil) {
    let range = range ?? 0..<bytes.count
    var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[range]))
    guard scanner.peek() == .object, scanner.enterObject() else { return nil }
    var found: [Member] = []
    while let key = scanner.nextKey() {
      let kind = scanner.peek()
      guard let value = scanner.skipValue() else { return nil }
      let name = JSONText.string(scanner.content(key))
      guard !found.contains(where: { $0.name == name }) else { return nil }
      found.append(
        Member(
          name: name, value: value.lowerBound &+ range.lowerBound..<value.upperBound &+ range.lowerBound, kind: kind))
    }
    guard scanner.atEnd() else { return nil }
    members = found
    self.bytes = bytes
  }

  subscript(_ name: String) -> Member? { members.first { $0.name == name } }

  /// The value as JSON.
  func json(_ name: String) -> [UInt8]? { self[name].map { [UInt8](bytes[$0.value]) } }

  /// The value of a string; nil when it is none.
  func text(_ name: String) -> String? {
    guard let member = self[name], member.kind == .string else { return nil }
    return JSONText.string(json: ArraySlice(bytes[member.value]))
  }

  func integer(_ name: String) -> Int32? {
    guard let member = self[name], member.kind == .number else { return nil }
    return JSONText.integer(json: ArraySlice(bytes[member.value]))
  }

  func object(_ name: String) -> JSONMembers? {
    guard let member = self[name], member.kind == .object else { return nil }
    return JSONMembers(bytes, member.value)
  }

  /// The elements of an array; nil when it is none.
  func elements(_ name: String) -> [Range<Int>]? {
    guard let member = self[name], member.kind == .array else { return nil }
    return Self.elements(bytes, member.value)
  }

  static func elements(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> [Range<Int>]? {
    var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[range]))
    guard scanner.peek() == .array, scanner.enterArray() else { return nil }
    var found: [Range<Int>] = []
    while scanner.nextElement() {
      guard let value = scanner.skipValue() else { return nil }
      found.append(value.lowerBound &+ range.lowerBound..<value.upperBound &+ range.lowerBound)
    }
    return scanner.hasFailed ? nil : found
  }

  /// The object with members given other values, or left out where the value is nil; new names come last.
  func json(with changes: [(name: String, value: [UInt8]?)]) -> [UInt8] {
    var out = Array("{".utf8)
    func add(_ name: String, _ value: some Sequence<UInt8>) {
      if out.count > 1 { out.append(UInt8(ascii: ",")) }
      out += JSONText.quoted(name)
      out.append(UInt8(ascii: ":"))
      out += value
    }
    for member in members {
      if let change = changes.first(where: { $0.name == member.name }) {
        if let value = change.value { add(member.name, value) }
      } else {
        add(member.name, bytes[member.value])
      }
    }
    for change in changes where self[change.name] == nil {
      if let value = change.value { add(change.name, value) }
    }
    out.append(UInt8(ascii: "}"))
    return out
  }
}
