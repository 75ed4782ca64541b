import TidePolicy

/// What the log says of tests that a generation must pass.
enum TestNotice {
  /// Names that are listed.
  private static let namesMax = 8

  /// - Parameter unchangedCount: policies that are not tested again.
  static func begin(_ policies: [String], unchangedCount: Int) -> String {
    var names = policies.prefix(namesMax).joined(separator: ", ")
    if policies.count > namesMax { names += " and \(policies.count - namesMax) more" }
    let others = unchangedCount == 1 ? "1 policy has" : "\(unchangedCount) policies have"
    return "testing the next generation: \(names)"
      + (unchangedCount > 0 ? "; \(others) passed before and not changed" : "")
  }

  static func end(_ result: Result<PolicyTestReport, PolicyLoadFailure>, after nanoseconds: UInt64) -> String {
    let tenths = (nanoseconds + 50_000_000) / 100_000_000
    let time = "\(tenths / 10).\(tenths % 10) s"
    guard case .success(let report) = result else { return "tested the next generation: broken off after \(time)" }
    let tests = "\(report.testCount) test\(report.testCount == 1 ? "" : "s") in \(time)"
    if report.stop != nil {
      return "tested the next generation: out of time after \(tests), \(report.passedCount) passed"
    }
    return "tested the next generation: \(tests), "
      + (report.failureCount == 0 ? "all passed" : "\(report.failureCount) failed")
  }
}
