/// Rows of figures under names, for a terminal or for Markdown.
struct TextTable {
  var names: [String]
  var rows: [[String]] = []

  /// The names in a line, each column as wide as it will need.
  ///
  /// - Parameter widths: see `widths`.
  static func line(_ cells: [String], _ widths: [Int]) -> String {
    zip(cells, widths).map { cell, width in
      String(repeating: " ", count: max(0, width - cell.count)) + cell
    }.joined(separator: "  ")
  }

  /// How wide each column is that holds its name and figures of `figureWidth`.
  static func widths(_ names: [String], figureWidth: Int) -> [Int] { names.map { max($0.count, figureWidth) } }

  /// A table of Markdown; figures stand to the right.
  var markdown: String {
    let header = "| \(names.joined(separator: " | ")) |"
    let rule = "|" + names.map { _ in "---:|" }.joined()
    let lines = rows.map { "| \($0.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |" }
    return ([header, rule] + lines).joined(separator: "\n")
  }
}
