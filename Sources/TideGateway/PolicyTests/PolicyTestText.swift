/// A run of tests for people to read.
public enum PolicyTestText {
  /// A line a test, and below it what failed: the assertion, what policies logged, what travelled.
  ///
  /// - Parameter isVerbose: all that was logged and all that travelled, instead of the errors and a dozen lines.
  public static func lines(of file: PolicyTestReport.File, isVerbose: Bool = false) -> [String] {
    var lines = [file.path]
    if let problem = file.problem { lines += ["  FAIL  \(problem)"] }
    if file.tests.isEmpty, file.problem == nil { lines += ["  declares no test; " + PolicyTestFile.beginning] }
    for test in file.tests {
      var line = "  \(test.failure == nil ? "ok  " : "FAIL")  \(test.name)"
      if test.caseCount > 0 { line += " (\(test.caseCount) cases)" }
      lines.append(line)
      for text in test.output { lines.append("        | " + text) }
      guard let failure = test.failure else { continue }
      lines.append("        \(failure.file):\(failure.line): " + indented(failure.message))
      // The innermost frame is the line above.
      for frame in failure.traceback.split(separator: "\n").dropFirst() where !frame.hasPrefix("tide.t:") {
        lines.append("        called at \(frame)")
      }
      let evidence = failure.evidence
      let more = evidence.logLines(isWhole: isVerbose) + evidence.transcript(isWhole: isVerbose)
      lines += more.map { "          " + $0.replacing("\n", with: "\n          ") }
    }
    return lines
  }

  public static func summary(_ report: PolicyTestReport) -> String {
    let failed = report.failureCount
    let tests =
      "\(report.testCount) test\(report.testCount == 1 ? "" : "s") in \(report.files.count) file\(report.files.count == 1 ? "" : "s")"
    let cases = report.caseCount > 0 ? ", \(report.caseCount) cases of invariants" : ""
    return "\(failed == 0 ? "passed" : "FAILED"): \(tests)\(cases), \(failed) failed"
  }

  /// A line a file: how many of its lines ran, and which did not.
  public static func lines(of coverage: PolicyCoverage) -> [String] {
    let width = coverage.files.map(\.path.count).max() ?? 0
    return ["coverage: lines that ran, of those that can"]
      + coverage.files.map { file in
        var line = "  " + file.path + String(repeating: " ", count: width - file.path.count)
        line += String(repeating: " ", count: 9 - file.percentage.count) + file.percentage
        line += "  \(file.counted.count - file.missed.count) of \(file.counted.count)"
        let missed = file.missedRanges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return missed.isEmpty ? line : line + "; not: " + missed.joined(separator: ", ")
      }
  }

  private static func indented(_ message: String) -> String { message.replacing("\n", with: "\n        ") }
}
