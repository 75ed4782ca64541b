/// Appends text from outside to a log line so that it can neither end the line nor look like another field.
///
/// Control characters (C0, DEL, C1), line separators and bidirectional overrides are escaped: a terminal would obey or be fooled by them.
enum LogText {
  static func appendJSON(_ text: String, to line: inout [UInt8]) {
    line.append(UInt8(ascii: "\""))
    appendEscaped(text, to: &line)
    line.append(UInt8(ascii: "\""))
  }

  /// Bare when it holds nothing but harmless ASCII, quoted otherwise.
  static func appendValue(_ text: String, to line: inout [UInt8]) {
    let isBare =
      !text.isEmpty
      && text.utf8.allSatisfy { byte in
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=")
          && byte != UInt8(ascii: "\\")
      }
    if isBare { line.append(contentsOf: text.utf8) } else { appendJSON(text, to: &line) }
  }

  /// A message for people: its quotes stay as they are, what could harm is escaped.
  static func appendMessage(_ text: String, to line: inout [UInt8]) {
    for scalar in text.unicodeScalars {
      if isDangerous(scalar.value) {
        appendEscaped(String(scalar), to: &line)
      } else {
        line.append(contentsOf: Character(scalar).utf8)
      }
    }
  }

  /// The inside of a JSON string.
  static func appendEscaped(_ text: String, to line: inout [UInt8]) {
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "\"")])
      case "\\": line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "\\")])
      case "\n": line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
      case "\r": line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
      case "\t": line.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
      default:
        if isDangerous(scalar.value) {
          let hex = String(scalar.value, radix: 16)
          line.append(contentsOf: "\\u".utf8)
          line.append(contentsOf: String(repeating: "0", count: max(0, 4 - hex.count)).utf8)
          line.append(contentsOf: hex.utf8)
        } else {
          line.append(contentsOf: Character(scalar).utf8)
        }
      }
    }
  }

  private static func isDangerous(_ value: UInt32) -> Bool {
    value < 0x20 || (0x7F...0x9F).contains(value) || (0x2028...0x202E).contains(value)
      || (0x2066...0x2069).contains(value) || value == 0x200E || value == 0x200F || value == 0x061C || value == 0xFEFF
  }

  /// The longest beginning of at most `byteCount` bytes that ends between two characters.
  static func truncated(_ text: String, toBytes byteCount: Int) -> String {
    guard text.utf8.count > byteCount else { return text }
    var end = text.utf8.index(text.utf8.startIndex, offsetBy: byteCount)
    while end > text.startIndex, end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
    return String(text[..<end])
  }
}
