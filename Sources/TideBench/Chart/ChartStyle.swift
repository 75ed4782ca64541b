/// Colours, lines and marks. The picture has a ground of its own and a second set of colours for dark pages, so that it can be read on
/// any; colours differ in lightness and every line has its own mark, so that it can be read without seeing colours.
enum ChartStyle {
  private static let light = [
    "#0067a8", "#d0541b", "#00805a", "#8548b5", "#a87900", "#c23a77", "#4f6d7a", "#7a4b2a",
  ]
  private static let dark = [
    "#5bb4f0", "#ff9460", "#3ecf9f", "#c9a0f5", "#e8c14a", "#ff8fbc", "#a9c3cf", "#d3a27c",
  ]

  static let colorCount = light.count

  static var css: String {
    """
    text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 13px; fill: #3d4650; }
    .ground { fill: #ffffff; }
    .title { font-size: 19px; font-weight: 600; fill: #14191f; }
    .subtitle { fill: #5a6570; }
    .grid { stroke: #e3e7eb; stroke-width: 1; }
    .axis { stroke: #8b95a0; stroke-width: 1; }
    .value { font-size: 12px; font-weight: 600; }
    .curve { fill: none; stroke-width: 2.4; stroke-linejoin: round; stroke-linecap: round; }
    .dashed { stroke-width: 1.8; stroke-dasharray: 1.5 5; }
    .key { fill: none; stroke: #5a6570; stroke-width: 2.4; stroke-linecap: round; }
    .mark { stroke: #ffffff; stroke-width: 1.2; }
    \(rules(light))
    @media (prefers-color-scheme: dark) {
    text { fill: #c5ced8; }
    .ground { fill: #12171d; }
    .title { fill: #f1f4f7; }
    .subtitle { fill: #9aa6b2; }
    .grid { stroke: #2a323b; }
    .axis { stroke: #6b7681; }
    .key { stroke: #9aa6b2; }
    .mark { stroke: #12171d; }
    \(rules(dark))
    }
    """
  }

  private static func rules(_ colors: [String]) -> String {
    colors.enumerated().map { ".s\($0) { stroke: \($1); } .f\($0) { fill: \($1); }" }.joined(separator: "\n")
  }

  /// The outline of a mark: circle, square, triangle, diamond, and a triangle that points down.
  static func mark(_ index: Int, x: Double, y: Double) -> String {
    func at(_ dx: Double, _ dy: Double) -> String { "\(SVGWriter.number(x + dx)) \(SVGWriter.number(y + dy))" }
    switch index % 5 {
    case 0: return "M\(at(-4.2, 0)) a4.2 4.2 0 1 0 8.4 0 a4.2 4.2 0 1 0 -8.4 0 Z"
    case 1: return "M\(at(-3.9, -3.9)) h7.8 v7.8 h-7.8 Z"
    case 2: return "M\(at(0, -5)) L\(at(4.8, 3.8)) L\(at(-4.8, 3.8)) Z"
    case 3: return "M\(at(0, -5.4)) L\(at(5.4, 0)) L\(at(0, 5.4)) L\(at(-5.4, 0)) Z"
    default: return "M\(at(0, 5)) L\(at(4.8, -3.8)) L\(at(-4.8, -3.8)) Z"
    }
  }

  /// About how wide a text of the usual size is.
  static func width(of text: String, size: Double = 13) -> Double { Double(text.count) * size * 0.57 }
}
