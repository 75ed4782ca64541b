/// Writes SVG elements, one a line.
struct SVGWriter {
  private(set) var text: String
  private let height: Int

  /// - Parameters:
  ///   - label: what a reader hears who does not see the picture.
  ///   - style: CSS.
  init(width: Int, height: Int, label: String, style: String) {
    self.height = height
    text = """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
      role="img" aria-label="\(Self.escaped(label))">
      <title>\(Self.escaped(label))</title>
      <style>
      \(style)
      </style>

      """
  }

  mutating func rectangle(x: Double, y: Double, width: Double, height: Double, class name: String) {
    text +=
      "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\" "
      + "height=\"\(Self.number(height))\" class=\"\(name)\"/>\n"
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, class name: String) {
    text +=
      "<line x1=\"\(Self.number(x1))\" y1=\"\(Self.number(y1))\" x2=\"\(Self.number(x2))\" y2=\"\(Self.number(y2))\" "
      + "class=\"\(name)\"/>\n"
  }

  mutating func path(_ commands: String, class name: String) {
    text += "<path d=\"\(commands)\" class=\"\(name)\"/>\n"
  }

  /// - Parameter anchor: start, middle or end.
  mutating func label(
    _ words: String, x: Double, y: Double, anchor: String = "start", class name: String, quarterTurn: Bool = false
  ) {
    let turn = quarterTurn ? " transform=\"rotate(-90 \(Self.number(x)) \(Self.number(y)))\"" : ""
    text +=
      "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor)\" class=\"\(name)\"\(turn)>"
      + "\(Self.escaped(words))</text>\n"
  }

  /// The whole document.
  func finished() -> String { text + "</svg>\n" }

  static func number(_ value: Double) -> String { Figure.text(value, 1) }

  static func escaped(_ words: String) -> String {
    var result = ""
    for scalar in words.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // XML 1.0 knows no other control characters, not even escaped.
      case _ where scalar.value < 0x20: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
