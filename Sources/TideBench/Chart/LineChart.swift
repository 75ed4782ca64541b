/// Lines over a logarithmic axis of counts.
struct LineChart {
  struct Line {
    var name: String
    /// Lines of one colour belong together; also the mark's shape.
    var color: Int
    /// Drawn lighter and without marks, named with its system only.
    var isDashed = false
    /// In the order of x.
    var points: [(x: Double, y: Double)]
  }

  private static let width = 880.0
  private static let plotHeight = 330.0
  private static let left = 84.0
  private static let right = 78.0
  private static let legendRow = 22.0

  var title: String
  var subtitle: String
  var xTitle: String
  var yTitle: String
  var lines: [Line]
  /// What solid and dashed lines are, when some are dashed.
  var solidName = ""
  var dashedName = ""

  /// The whole SVG document.
  func svg() -> String {
    let rows = legendRows()
    let top = (subtitle.isEmpty ? 50 : 72) + Double(rows.count) * Self.legendRow + 12
    let height = top + Self.plotHeight + 64
    let bottom = top + Self.plotHeight
    var writer = SVGWriter(
      width: Int(Self.width), height: Int(height.rounded(.up)), label: "\(title): \(yTitle) against \(xTitle)",
      style: ChartStyle.css)
    writer.rectangle(x: 0, y: 0, width: Self.width, height: height.rounded(.up), class: "ground")
    writer.label(title, x: 24, y: 36, class: "title")
    if !subtitle.isEmpty { writer.label(subtitle, x: 24, y: 58, class: "subtitle") }
    drawLegend(rows, top: subtitle.isEmpty ? 56 : 78, &writer)
    let x = ChartScale.counts(lines.flatMap { $0.points.map(\.x) }, range: (Self.left, Self.width - Self.right))
    let y = ChartScale.fitting(lines.flatMap { $0.points.map(\.y) }, range: (bottom, top))
    drawAxes(x, y, top: top, bottom: bottom, &writer)
    // What is drawn later lies above: marks on all lines, the first system above the others.
    for line in lines.reversed() { drawCurve(line, x, y, &writer) }
    for line in lines.reversed() where !line.isDashed || line.points.count == 1 { drawMarks(line, x, y, &writer) }
    drawLastValues(x, y, top: top, bottom: bottom, &writer)
    return writer.finished()
  }

  // MARK: Axes

  private func drawAxes(
    _ x: ChartScale, _ y: ChartScale, top: Double, bottom: Double, _ writer: inout SVGWriter
  ) {
    let right = Self.width - Self.right
    for tick in y.ticks {
      let position = y.position(tick)
      writer.line(Self.left, position, right, position, class: "grid")
      writer.label(Figure.grouped(tick), x: Self.left - 10, y: position + 4.5, anchor: "end", class: "tick")
    }
    for (value, isNamed) in countTicks(x) {
      let position = x.position(value)
      writer.line(position, top, position, bottom, class: "grid")
      if isNamed {
        writer.line(position, bottom, position, bottom + 5, class: "axis")
        writer.label(Figure.grouped(value), x: position, y: bottom + 21, anchor: "middle", class: "tick")
      }
    }
    writer.line(Self.left, bottom, right, bottom, class: "axis")
    writer.line(Self.left, top, Self.left, bottom, class: "axis")
    writer.label(xTitle, x: (Self.left + right) / 2, y: bottom + 46, anchor: "middle", class: "name")
    writer.label(yTitle, x: 26, y: (top + bottom) / 2, anchor: "middle", class: "name", quarterTurn: true)
  }

  /// The measured counts themselves, named where there is room. The last ones matter most.
  private func countTicks(_ x: ChartScale) -> [(Double, Bool)] {
    var ticks: [(Double, Bool)] = []
    var free = Double.infinity
    for value in Set(lines.flatMap { $0.points.map(\.x) }).sorted(by: >) {
      let half = ChartStyle.width(of: Figure.grouped(value)) / 2
      let isNamed = x.position(value) + half + 8 < free
      if isNamed { free = x.position(value) - half }
      ticks.append((value, isNamed))
    }
    return ticks
  }

  // MARK: Lines

  private func drawCurve(_ line: Line, _ x: ChartScale, _ y: ChartScale, _ writer: inout SVGWriter) {
    guard line.points.count > 1 else { return }
    let path = line.points.enumerated().map { index, point in
      (index == 0 ? "M" : "L") + "\(SVGWriter.number(x.position(point.x))) \(SVGWriter.number(y.position(point.y)))"
    }.joined(separator: " ")
    writer.path(path, class: "curve s\(line.color % ChartStyle.colorCount)" + (line.isDashed ? " dashed" : ""))
  }

  private func drawMarks(_ line: Line, _ x: ChartScale, _ y: ChartScale, _ writer: inout SVGWriter) {
    for point in line.points {
      writer.path(
        ChartStyle.mark(line.color, x: x.position(point.x), y: y.position(point.y)),
        class: "mark f\(line.color % ChartStyle.colorCount)")
    }
  }

  /// The value of each line's last point beside it, moved apart where they would overlap.
  private func drawLastValues(
    _ x: ChartScale, _ y: ChartScale, top: Double, bottom: Double, _ writer: inout SVGWriter
  ) {
    let spacing = 15.0
    var labels = lines.filter { !$0.isDashed }.compactMap { line in
      line.points.last.map { (line: line, point: $0, y: y.position($0.y)) }
    }.sorted { $0.y < $1.y }
    guard !labels.isEmpty else { return }
    for index in labels.indices.dropFirst() { labels[index].y = max(labels[index].y, labels[index - 1].y + spacing) }
    labels[labels.count - 1].y = min(labels[labels.count - 1].y, bottom)
    for index in labels.indices.dropLast().reversed() {
      labels[index].y = min(labels[index].y, labels[index + 1].y - spacing)
    }
    for label in labels {
      writer.label(
        Self.value(label.point.y), x: x.position(label.point.x) + 11, y: label.y + 4.5,
        class: "value f\(label.line.color % ChartStyle.colorCount)")
    }
  }

  private static func value(_ value: Double) -> String {
    value < 100 ? Figure.text(value, value < 10 ? 2 : 1) : Figure.grouped(value.rounded())
  }

  // MARK: Legend

  private struct Entry {
    var name: String
    /// Nil for an entry that explains a kind of line.
    var color: Int?
    var isDashed = false

    var width: Double { 44 + ChartStyle.width(of: name) + 14 }
  }

  /// What the legend names, in as many rows as it needs.
  private func legendRows() -> [[Entry]] {
    var entries = lines.filter { !$0.isDashed }.map { Entry(name: $0.name, color: $0.color) }
    if lines.contains(where: \.isDashed) {
      entries += [Entry(name: solidName, color: nil), Entry(name: dashedName, color: nil, isDashed: true)]
    }
    var rows: [[Entry]] = []
    var used = Double.infinity
    for entry in entries {
      if used + entry.width > Self.width - 48 {
        rows.append([])
        used = 0
      }
      rows[rows.count - 1].append(entry)
      used += entry.width
    }
    return rows
  }

  private func drawLegend(_ rows: [[Entry]], top: Double, _ writer: inout SVGWriter) {
    for (row, entries) in rows.enumerated() {
      var x = 24.0
      let y = top + Double(row) * Self.legendRow + 8
      for entry in entries {
        let style =
          entry.color.map { "curve s\($0 % ChartStyle.colorCount)" } ?? "key" + (entry.isDashed ? " dashed" : "")
        writer.path("M\(SVGWriter.number(x)) \(SVGWriter.number(y)) h30", class: style)
        if let color = entry.color {
          writer.path(
            ChartStyle.mark(color, x: x + 15, y: y), class: "mark f\(color % ChartStyle.colorCount)")
        }
        writer.label(entry.name, x: x + 40, y: y + 4.5, class: "name")
        x += entry.width
      }
    }
  }
}
