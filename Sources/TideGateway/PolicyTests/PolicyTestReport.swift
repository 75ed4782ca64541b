import TideCore

/// What came of a run of policies' tests.
public struct PolicyTestReport: Sendable {
  public struct Failure: Sendable {
    public var file: String
    public var line: Int
    public var message: String
    /// Innermost first.
    public var traceback: String
    var evidence = CaseEvidence()
  }

  public struct Test: Sendable {
    public var name: String
    public var milliseconds: Double
    /// Cases that invariants ran again.
    public var caseCount: Int
    public var failure: Failure?
    /// What the test printed.
    public var output: [String]
  }

  public struct File: Sendable {
    public var policy: String
    public var path: String
    public var tests: [Test] = []
    /// The policies that its gateways bound, or were to bind.
    var boundPolicies: Set<String> = []
    /// The file could not be loaded.
    public var problem: Diagnostic?

    var testFile: PolicyTestFile { PolicyTestFile(policy: policy, path: path) }
  }

  public var files: [File] = []
  /// Where the time of all tests together ended.
  var stop: TestStop?
  /// Nil unless it was asked for.
  public var coverage: PolicyCoverage?

  public init() {}

  public var testCount: Int { files.reduce(0) { $0 + $1.tests.count } }
  public var caseCount: Int { files.flatMap(\.tests).reduce(0) { $0 + $1.caseCount } }
  public var failureCount: Int {
    files.reduce(stop == nil ? 0 : 1) { sum, file in
      sum + file.tests.count { $0.failure != nil } + (file.problem == nil ? 0 : 1)
    }
  }

  /// Every failure as a problem of its file, for a reload that is refused.
  public var diagnostics: [Diagnostic] {
    files.flatMap { file in
      (file.problem.map { [$0] } ?? [])
        + file.tests.compactMap { test in
          test.failure.map {
            Diagnostic(file: $0.file, line: $0.line, message: "test '\(test.name)' failed: \($0.message)")
          }
        }
    } + (stop.map { [$0.diagnostic(doneCount: testCount)] } ?? [])
  }

  var passedCount: Int { files.flatMap(\.tests).count { $0.failure == nil } }
}
