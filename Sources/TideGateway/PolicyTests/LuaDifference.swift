import TideLua

/// Where two values of a test differ, in words.
enum LuaDifference {
  /// - Returns: nil when the values are equal; maps are equal whatever the order of their keys.
  static func between(_ came: LuaValue, _ expected: LuaValue, path: String = "") -> String? {
    switch (came, expected) {
    case (.string(let a), .string(let b)): a == b ? nil : strings(a, b, path)
    case (.array(let a), .array(let b)): arrays(a, b, path)
    case (.map, .map), (.map, .array), (.array, .map): maps(came, expected, path)
    default: came == expected ? nil : plain(came, expected, path)
    }
  }

  private static func arrays(_ a: [LuaValue], _ b: [LuaValue], _ path: String) -> String? {
    for (index, pair) in zip(a, b).enumerated() {
      if let difference = between(pair.0, pair.1, path: "\(path)[\(index + 1)]") { return difference }
    }
    guard a.count != b.count else { return nil }
    let next = "\(path)[\(min(a.count, b.count) + 1)]"
    return a.count > b.count
      ? plain(a[b.count], .nilValue, next) : plain(.nilValue, b[a.count], next)
  }

  private static func maps(_ came: LuaValue, _ expected: LuaValue, _ path: String) -> String? {
    let a = came.entries ?? []
    let b = expected.entries ?? []
    for (key, value) in b {
      let own = a.first { $0.key == key }?.value ?? .nilValue
      if let difference = between(own, value, path: "\(path)\(member(key))") { return difference }
    }
    for (key, value) in a where !b.contains(where: { $0.key == key }) {
      return plain(value, .nilValue, "\(path)\(member(key))")
    }
    return nil
  }

  private static func member(_ key: LuaValue) -> String {
    if let text = key.text, !text.isEmpty,
      text.utf8.allSatisfy({ $0 == 0x5F || $0 &- 0x30 < 10 || $0 | 0x20 &- 0x61 < 26 })
    {
      return "." + text
    }
    return "[\(shown(key))]"
  }

  private static func plain(_ came: LuaValue, _ expected: LuaValue, _ path: String) -> String {
    "\(place(path))expected \(shown(expected))\n  but came \(shown(came))"
  }

  private static func place(_ path: String) -> String {
    path.isEmpty ? "" : "at \(path.hasPrefix(".") ? String(path.dropFirst()) : path):\n  "
  }

  /// Both texts one above the other, and a mark under the first byte that differs.
  static func strings(_ came: [UInt8], _ expected: [UInt8], _ path: String = "") -> String {
    let common = zip(came, expected).prefix { $0 == $1 }.count
    let start = max(0, common - 40)
    let lead = start > 0 ? "..." : ""
    let head = lead + quoted(came[start..<common])
    func line(_ bytes: [UInt8]) -> String {
      let end = min(bytes.count, common + 60)
      return "\"\(head)\(quoted(bytes[common..<max(common, end)]))\(end < bytes.count ? "..." : "")\""
    }
    let mark = String(repeating: " ", count: head.count + 1) + "^ byte \(common + 1)"
    return "\(place(path))expected \(line(expected))\n  but came \(line(came))\n           \(mark)"
  }

  static func quoted(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self).replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
      .replacing("\r", with: "\\r").replacing("\t", with: "\\t").replacing("\"", with: "\\\"")
  }

  /// A value on one line, as Lua would write it.
  static func shown(_ value: LuaValue, depth: Int = 0) -> String {
    switch value {
    case .nilValue: return "nil"
    case .boolean(let flag): return "\(flag)"
    case .integer(let number): return "\(number)"
    case .number(let number): return "\(number)"
    case .string(let bytes): return "\"\(quoted(bytes[...].prefix(200)))\(bytes.count > 200 ? "..." : "")\""
    case .array(let elements):
      guard depth < 4 else { return "{...}" }
      return elements.isEmpty
        ? "{}" : "{ " + elements.prefix(20).map { shown($0, depth: depth + 1) }.joined(separator: ", ") + " }"
    case .map(let entries):
      guard depth < 4 else { return "{...}" }
      let members = entries.prefix(20).map { key, value in
        let name = member(key)
        return (name.hasPrefix(".") ? String(name.dropFirst()) : name) + " = " + shown(value, depth: depth + 1)
      }
      return "{ " + members.sorted().joined(separator: ", ") + " }"
    case .function, .opaque, .object, .unsupported: return "a \(value.typeName)"
    }
  }
}
