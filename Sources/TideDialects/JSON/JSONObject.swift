import TideCore

/// A JSON object from outside, with the places of its members and the edits made to them.
///
/// Bytes that nobody edits leave as they came: white space, order and unknown members included.
struct JSONObject {
  struct Member {
    var name: String
    /// The key's opening quote.
    var start: Int
    var value: Range<Int>
    /// The new value; nil while it stays as it is.
    var replacement: [UInt8]?
    var isRemoved = false
  }

  let bytes: [UInt8]
  private(set) var members: [Member] = []
  /// Where each member is, once there are more than a search would soon go through.
  private var places: [String: Int] = [:]
  private static let searchedCount = 24
  /// Members that were added, in order.
  private(set) var added: [(name: String, value: [UInt8])] = []
  private(set) var isEdited = false
  private(set) var closingBrace = 0

  /// Reads `bytes`, checking all of it: UTF-8, syntax, depth, and that no member comes twice.
  ///
  /// A key that comes twice would let a policy judge one value and the engine use the other. Since some engines match keys
  /// without regard to case, the keys in `strict` may not come twice even in different case.
  static func parse(_ bytes: [UInt8], strict: [String]) -> Result<JSONObject, RequestProblem> {
    guard bytes.withUnsafeBytes({ UTF8Text.validPrefix($0) }) == bytes.count else {
      return .failure(RequestProblem(message: "The request body is not valid UTF-8.", code: "invalid_body"))
    }
    var object = JSONObject(bytes: bytes)
    let problem = bytes.withUnsafeBytes { object.read($0, strict: strict) }
    if let problem { return .failure(problem) }
    return .success(object)
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func read(_ buffer: UnsafeRawBufferPointer, strict: [String]) -> RequestProblem? {
    var scanner = JSONScanner(buffer)
    guard scanner.peek() == .object, scanner.enterObject() else {
      return RequestProblem(message: "The request body must be a JSON object.", code: "invalid_body")
    }
    members.reserveCapacity(8)
    // One bit for each of `strict` that has come.
    var seen: UInt64 = 0
    while let key = scanner.nextKey() {
      guard let value = scanner.skipValue() else { break }
      let name = JSONText.string(scanner.content(key))
      if place(of: name) != nil { return Self.duplicate(name) }
      if let index = strict.firstIndex(of: name) ?? strict.firstIndex(of: name.lowercased()) {
        if seen & 1 << UInt64(index) != 0 { return Self.duplicate(name) }
        seen |= 1 << UInt64(index)
      }
      members.append(Member(name: name, start: key.start - 1, value: value))
      if members.count > Self.searchedCount {
        if places.isEmpty {
          for (index, member) in members.enumerated() { places[member.name] = index }
        } else {
          places[name] = members.count - 1
        }
      }
    }
    closingBrace = scanner.offset - 1
    if scanner.failure == .tooDeep {
      return RequestProblem(
        message: "The request body is nested deeper than \(JSONScanner.depthLimit) levels.", code: "invalid_body")
    }
    guard scanner.atEnd() else {
      return RequestProblem(message: "The request body is not valid JSON.", code: "invalid_body")
    }
    return nil
  }

  private func place(of name: String) -> Int? {
    places.isEmpty ? members.firstIndex { $0.name == name } : places[name]
  }

  static func duplicate(_ name: String) -> RequestProblem {
    RequestProblem(
      message: "The key '\(name.prefix(64))' appears more than once.", param: String(name.prefix(64)),
      code: "duplicate_key")
  }

  /// The value of `name` as JSON; nil when there is none.
  func value(_ name: String) -> ArraySlice<UInt8>? {
    if let place = place(of: name) {
      if members[place].isRemoved { return nil }
      return members[place].replacement.map { $0[...] } ?? bytes[members[place].value]
    }
    return added.first { $0.name == name }?.value[...]
  }

  /// Where `name`'s value stands in `bytes`; nil when it is absent or edited.
  func originalRange(_ name: String) -> Range<Int>? {
    guard let place = place(of: name), members[place].replacement == nil, !members[place].isRemoved else { return nil }
    return members[place].value
  }

  /// Sets, adds or (with nil) removes a member. A value equal to the present one is no edit.
  mutating func set(_ name: String, _ value: [UInt8]?) {
    if let present = self.value(name), let value, present.elementsEqual(value) { return }
    if let place = place(of: name) {
      members[place].replacement = value
      members[place].isRemoved = value == nil
    } else if let place = added.firstIndex(where: { $0.name == name }) {
      if let value { added[place].value = value } else { added.remove(at: place) }
    } else if let value {
      added.append((name, value))
    } else {
      return
    }
    isEdited = true
  }

  /// The object with its edits.
  func body() -> [UInt8] {
    guard isEdited else { return bytes }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count + 256)
    var cursor = 0
    var kept = 0
    for (place, member) in members.enumerated() {
      if member.isRemoved {
        // With a member kept before it, its comma goes with it; else the comma behind it does.
        let next = place + 1 < members.count ? members[place + 1].start : member.value.upperBound
        let from = kept > 0 ? members[place - 1].value.upperBound : member.start
        out += bytes[cursor..<max(cursor, from)]
        cursor = kept > 0 ? member.value.upperBound : next
        continue
      }
      kept += 1
      guard let replacement = member.replacement else { continue }
      out += bytes[cursor..<member.value.lowerBound]
      out += replacement
      cursor = member.value.upperBound
    }
    // Additions follow the last member directly, so that white space before the brace stays before it.
    let lastEnd = max(cursor, kept > 0 ? members[members.count - 1].value.upperBound : closingBrace)
    out += bytes[cursor..<lastEnd]
    for (name, value) in added {
      if kept > 0 { out.append(UInt8(ascii: ",")) }
      kept += 1
      JSONText.quote(name, into: &out)
      out.append(UInt8(ascii: ":"))
      out += value
    }
    out += bytes[lastEnd...]
    return out
  }
}
