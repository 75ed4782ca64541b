/// JSON for scripts: `tide.json.encode` and `tide.json.decode`, bounded in bytes and depth.
enum JSONText {
  static let byteCountMax = 1 << 20
  static let depthMax = 64

  /// - Parameter emptyIsMap: Lua cannot tell an empty list from an empty map; false writes `[]`.
  static func encode(_ value: PolicyValue, emptyIsMap: Bool = false) throws(HostError) -> String {
    var out: [UInt8] = []
    try write(value, depth: 0, emptyIsMap: emptyIsMap, into: &out)
    return String(decoding: out, as: UTF8.self)
  }

  static func decode(_ text: UnsafeRawBufferPointer) throws(HostError) -> PolicyValue {
    guard text.count <= byteCountMax else { throw HostError("tide.json: the text is longer than 1 MiB") }
    var parser = JSONTextParser(text)
    return try parser.document()
  }

  private static func write(
    _ value: PolicyValue, depth: Int, emptyIsMap: Bool, into out: inout [UInt8]
  ) throws(HostError) {
    guard depth <= depthMax else { throw HostError("tide.json: nested deeper than 64") }
    guard out.count <= byteCountMax else { throw HostError("tide.json: the text would be longer than 1 MiB") }
    switch value {
    case .null: out += "null".utf8
    case .boolean(let flag): out += (flag ? "true" : "false").utf8
    case .integer(let number): out += "\(number)".utf8
    case .number(let number):
      guard number.isFinite else { throw HostError("tide.json: \(number) is not a number of JSON") }
      out += "\(number)".utf8
    case .string(let text): quote(text, into: &out)
    case .secret: throw HostError("tide.json: a secret cannot be written")
    case .function: throw HostError("tide.json: a function cannot be written")
    case .array(let elements):
      if elements.isEmpty && emptyIsMap {
        out += "{}".utf8
        return
      }
      out.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        try write(element, depth: depth + 1, emptyIsMap: emptyIsMap, into: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .map(let entries):
      if entries.isEmpty && !emptyIsMap {
        out += "[]".utf8
        return
      }
      out.append(UInt8(ascii: "{"))
      for (index, entry) in entries.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        quote(entry.key, into: &out)
        out.append(UInt8(ascii: ":"))
        try write(entry.value, depth: depth + 1, emptyIsMap: emptyIsMap, into: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  private static let hexDigits = Array("0123456789abcdef".utf8)

  private static func quote(_ text: String, into out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): out += "\\\"".utf8
      case UInt8(ascii: "\\"): out += "\\\\".utf8
      case 0x0A: out += "\\n".utf8
      case 0x0D: out += "\\r".utf8
      case 0x09: out += "\\t".utf8
      case 0..<0x20:
        out += "\\u00".utf8
        out.append(hexDigits[Int(byte >> 4)])
        out.append(hexDigits[Int(byte & 15)])
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}
