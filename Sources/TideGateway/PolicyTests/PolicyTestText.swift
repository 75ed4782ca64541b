/// A run of tests for people to read.
public enum PolicyTestText {
  /// A line a test, and below it what failed.
  public static func lines(of file: PolicyTestReport.File) -> [String] {
    var lines = [file.path]
    if let problem = file.problem { lines += ["  FAIL  \(problem)"] }
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

  private static func indented(_ message: String) -> String { message.replacing("\n", with: "\n        ") }
}
