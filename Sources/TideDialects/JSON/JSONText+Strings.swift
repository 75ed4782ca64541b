/// Strings for the paths that are not hot: requests, and what leaves for the log.
extension JSONText {
  /// The text of a JSON string's content.
  public static func string(_ content: UnsafeRawBufferPointer) -> String {
    // Without an escape the text is its bytes.
    if !content.contains(UInt8(ascii: "\\")) { return String(decoding: content, as: UTF8.self) }
    return String(decoding: unescape(content), as: UTF8.self)
  }

  /// `text` as JSON, quotes included.
  public static func quoted(_ text: String) -> [UInt8] {
    var copy = text
    return copy.withUTF8 { quoted(UnsafeRawBufferPointer($0)) }
  }

  /// Appends `text` as JSON, quotes included.
  static func quote(_ text: String, into out: inout [UInt8]) {
    guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else {
      out += quoted(text)
      return
    }
    out.append(UInt8(ascii: "\""))
    out += text.utf8
    out.append(UInt8(ascii: "\""))
  }

  /// The text of `json` when that is a string; nil otherwise.
  public static func string(json: ArraySlice<UInt8>) -> String? {
    json.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer)
      guard scanner.peek() == .string, let text = scanner.string(), scanner.atEnd() else { return nil }
      return string(scanner.content(text))
    }
  }

  /// `json` when that is one whole number that an Int32 holds; nil otherwise.
  public static func integer(json: ArraySlice<UInt8>) -> Int32? {
    json.withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer)
      guard let range = scanner.number(), scanner.atEnd() else { return nil }
      return scanner.integer(range)
    }
  }

  /// True when `json` is one JSON value within the depth limit, in valid UTF-8.
  public static func isValue(_ json: [UInt8]) -> Bool { json.withUnsafeBytes { isValue($0) } }

  static func isValue(_ json: UnsafeRawBufferPointer) -> Bool {
    guard UTF8Text.validPrefix(json) == json.count else { return false }
    var scanner = JSONScanner(json)
    return scanner.skipValue() != nil && scanner.atEnd()
  }
}
