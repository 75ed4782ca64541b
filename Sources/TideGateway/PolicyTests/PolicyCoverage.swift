import TideCore
import TideLua
import TidePolicy

/// Which lines of policies their tests have run.
public struct PolicyCoverage: Sendable {
  public struct File: Sendable {
    public var path: String
    /// Lines that can run, from 1, in order.
    public var counted: [Int]
    /// Those among them that did not.
    public var missed: [Int]

    /// Missed lines; those between which no line can run are one range.
    public var missedRanges: [ClosedRange<Int>] {
      var ranges: [ClosedRange<Int>] = []
      var previous: Int?
      let isMissed = Set(missed)
      for line in counted {
        if isMissed.contains(line) {
          if let last = ranges.last, last.upperBound == previous {
            ranges[ranges.count - 1] = last.lowerBound...line
          } else {
            ranges.append(line...line)
          }
        }
        previous = line
      }
      return ranges
    }

    /// Rounded down: `100.0 %` only when every line ran.
    public var percentage: String {
      let permille = counted.isEmpty ? 1000 : (counted.count - missed.count) * 1000 / counted.count
      return "\(permille / 10).\(permille % 10) %"
    }
  }

  /// Each policy's main file and its modules.
  public var files: [File]

  init(_ sources: [PolicySource], _ lines: LuaLineRecord) {
    files = sources.flatMap { source in
      [(source.path, source.text)] + source.modules.values.map { ($0.path, $0.text) }.sorted { $0.0 < $1.0 }
    }.compactMap { path, text in
      CountedLines.of(text).map { counted in
        File(path: path, counted: counted, missed: counted.filter { !lines.hasRun(line: $0, of: path) })
      }
    }
  }

  /// A problem for each file of which fewer lines ran.
  public func problems(below percent: Int) -> [Diagnostic] {
    files.filter { ($0.counted.count - $0.missed.count) * 100 < percent * $0.counted.count }.map { file in
      Diagnostic(
        file: file.path, line: file.missed[0],
        message: "its tests run \(file.percentage) of its lines, and \(percent) % are wanted",
        hint: "this is the first line that no test runs")
    }
  }
}
