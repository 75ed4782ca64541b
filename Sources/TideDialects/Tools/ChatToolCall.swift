import TideCore

/// A tool call of Chat Completions, as its deltas make it.
struct ChatToolCall {
  let index: Int32
  private(set) var id = ""
  private(set) var name = ""
  /// What came of its arguments, whole characters.
  private var arguments: [UInt8] = []
  /// A character may be cut between two deltas.
  private var decoder = LaneText()
  /// The first delta, whose other members the client gets too.
  private var first: [UInt8]
  /// `function` or `custom`, and the member in it that has the arguments.
  private var kind = "function"
  private var argumentsName: String { kind == "custom" ? "input" : "arguments" }

  /// - Parameter json: a delta of the call, or all of it.
  /// - Returns: nil when it cannot be read.
  init?(_ json: [UInt8], index: Int32) {
    self.index = index
    first = json
    guard append(json) else { return nil }
  }

  /// Takes a further delta. False when it cannot be read.
  mutating func append(_ json: [UInt8]) -> Bool {
    json.withUnsafeBytes { bytes in
      guard let call = JSONMembers(bytes) else { return false }
      if id.isEmpty, let text = call.text("id") { id = text }
      if call["custom"] != nil, call["custom"]?.kind != .null { kind = "custom" }
      guard let member = call[kind], member.kind != .null else { return true }
      guard let function = call.object(kind) else { return false }
      // Some backends repeat the name with every delta.
      if let text = function.text("name"), text != name { name += text }
      guard let member = function[argumentsName], member.kind != .null else { return true }
      if member.kind == .string {
        var decoded = ByteQueue()
        let content = member.value.dropFirst().dropLast()
        decoder.append(UnsafeRawBufferPointer(rebasing: bytes[content]), into: &decoded)
        arguments += decoded.readableBytes
      } else {
        arguments += bytes[member.value]
      }
      return true
    }
  }

  func call(choice: Int32, ordinal: Int) -> ToolCall {
    var end = ByteQueue()
    var decoder = decoder
    decoder.end(into: &end)
    return ToolCall(
      choice: choice, index: ordinal, id: id, name: name,
      arguments: String(decoding: arguments + end.readableBytes, as: UTF8.self), takesJSON: kind == "function")
  }

  /// The whole call as one element of `tool_calls`.
  ///
  /// - Parameter index: its place among those that the client gets; nil in a whole answer, which does not number them.
  func json(index: Int?, name: String, arguments: String) -> [UInt8] {
    first.withUnsafeBytes { bytes in
      guard let call = JSONMembers(bytes) else { return [] }
      let change: [(name: String, value: [UInt8]?)] = [
        ("name", JSONText.quoted(name)), (argumentsName, JSONText.quoted(arguments)),
      ]
      let function = call.object(kind)?.json(with: change) ?? Self.object(change)
      var changes: [(name: String, value: [UInt8]?)] = [
        ("id", JSONText.quoted(id)), ("type", JSONText.quoted(kind)), (kind, function),
      ]
      if let index { changes.insert(("index", Array("\(index)".utf8)), at: 0) }
      return call.json(with: changes)
    }
  }

  private static func object(_ members: [(name: String, value: [UInt8]?)]) -> [UInt8] {
    let inner = members.map { JSONText.quoted($0.name) + [UInt8(ascii: ":")] + ($0.value ?? []) }
    return [UInt8(ascii: "{")] + inner.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")]
  }
}
