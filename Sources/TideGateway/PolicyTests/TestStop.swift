import TideCore

/// Where the time of all tests together ended, which says nothing against the test that ran just then.
struct TestStop: Sendable {
  var policy: String
  var path: String
  /// What ran or was about to; nil while the file was read.
  var test: String?
  /// What all tests together may take, for people to read.
  var limit: String

  /// - Parameter doneCount: tests that had ended before.
  func diagnostic(doneCount: Int) -> Diagnostic {
    let place = test.map { "testing '\($0)' of \(policy)" } ?? "reading the tests of \(policy)"
    return Diagnostic(
      file: path,
      message: "the policies' tests ran out of time while \(place), after \(doneCount) "
        + "test\(doneCount == 1 ? "" : "s"): all together they may take \(limit)",
      hint: "raise `test_timeout` of `plugins`, unless this test does not end")
  }
}
