/// Builds one line, field by field. Names come from the program, values from anywhere.
struct LogFields {
  private let style: LogStyle
  private var line: [UInt8]
  private var isFirst = true

  /// - Parameter line: what the line is appended to.
  init(style: LogStyle, line: [UInt8] = []) {
    self.style = style
    self.line = line
    if style == .json { self.line.append(UInt8(ascii: "{")) }
  }

  private mutating func key(_ name: String) {
    if !isFirst { line.append(style == .json ? UInt8(ascii: ",") : UInt8(ascii: " ")) }
    isFirst = false
    if style == .json {
      LogText.appendJSON(name, to: &line)
      line.append(UInt8(ascii: ":"))
    } else {
      line.append(contentsOf: name.utf8)
      line.append(UInt8(ascii: "="))
    }
  }

  mutating func add(_ name: String, _ text: String, isQuoted: Bool = true) {
    key(name)
    switch style {
    case .json where isQuoted: LogText.appendJSON(text, to: &line)
    case .json: line.append(contentsOf: text.utf8)
    case .text: LogText.appendValue(text, to: &line)
    }
  }

  /// Left out when empty; cut when long.
  mutating func addText(_ name: String, _ text: String) {
    if !text.isEmpty { add(name, LogText.truncated(text, toBytes: AccessRecord.textByteLimit)) }
  }

  mutating func add(_ name: String, _ number: UInt64) {
    key(name)
    line.append(contentsOf: String(number).utf8)
  }

  mutating func add(_ name: String, _ time: UTCTimestamp) {
    // The time opens a line for people without a name.
    if style == .json {
      key(name)
      line.append(UInt8(ascii: "\""))
      time.append(to: &line)
      line.append(UInt8(ascii: "\""))
    } else {
      time.append(to: &line)
      isFirst = false
    }
  }

  consuming func finish() -> [UInt8] {
    var line = line
    if style == .json { line.append(UInt8(ascii: "}")) }
    line.append(UInt8(ascii: "\n"))
    return line
  }
}
