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

  mutating func add(_ name: String, _ text: String) {
    key(name)
    if style == .json { LogText.appendJSON(text, to: &line) } else { LogText.appendValue(text, to: &line) }
  }

  /// Left out when there is none; cut when long.
  mutating func addText(_ name: String, _ text: String?, limit: Int = AccessRecord.textByteLimit) {
    if let text, !text.isEmpty { add(name, LogText.truncated(text, toBytes: limit)) }
  }

  mutating func add(_ name: String, _ number: some BinaryInteger) {
    key(name)
    line.append(contentsOf: String(number).utf8)
  }

  mutating func add(_ name: String, _ flag: Bool) {
    key(name)
    line.append(contentsOf: (flag ? "true" : "false").utf8)
  }

  /// Milliseconds with three decimals; 0 for what is not a length of time.
  mutating func add(_ name: String, ms: Double) {
    key(name)
    let microseconds = ms > 0 && ms < 1e12 ? UInt64((ms * 1000).rounded()) : 0
    let decimals = String(microseconds % 1000)
    line.append(contentsOf: "\(microseconds / 1000).".utf8)
    line.append(contentsOf: String(repeating: "0", count: 3 - decimals.utf8.count).utf8)
    line.append(contentsOf: decimals.utf8)
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
