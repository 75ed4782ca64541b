/// What is wrong with a test, in words for its author; raised where the test asked for it.
struct TestProblem: Error {
  var message: String
  /// Of the case that went wrong; nil where it is that of the test itself.
  var evidence: CaseEvidence?

  init(_ message: String, _ evidence: CaseEvidence? = nil) {
    self.message = message
    self.evidence = evidence
  }
}
