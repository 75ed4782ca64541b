import TideCore
import TideLua
import TidePolicy

/// `tidegate policy test`: runs the tests of a folder of policies, each in the machine, the exchange and the dialects of a real gateway.
public struct PolicyTests {
  public struct Options: Sendable {
    /// Only tests whose name, or whose policy's name, contains this.
    public var filter: String?
    /// Of everything random.
    public var seed: UInt64
    /// Whether the report says which lines of the policies ran.
    public var wantsCoverage: Bool
    /// Only tests that stand beside these policies.
    var policies: Set<String>?
    var deadline = TestDeadline()

    public init(filter: String? = nil, seed: UInt64 = 1, wantsCoverage: Bool = false) {
      self.filter = filter
      self.seed = seed
      self.wantsCoverage = wantsCoverage
    }
  }

  private let folder: PolicyFolder
  private let options: Options
  private let surroundings: RehearsalGateway.Surroundings

  /// - Throws: what keeps tests from running at all.
  public init(folder path: String, options: Options = Options()) throws(Diagnostic) {
    try self.init(PolicyFolder(path: path), options: options)
  }

  init(_ folder: PolicyFolder, options: Options) throws(Diagnostic) {
    self.folder = folder
    if let problem = folder.problems.first(where: { $0.file == folder.path }) { throw problem }
    self.options = options
    do {
      surroundings = try RehearsalGateway.Surroundings(lines: options.wantsCoverage ? LuaLineRecord() : nil)
    } catch {
      throw error as? Diagnostic ?? Diagnostic(file: "", message: "\(error)")
    }
    PolicyWorker.prepareThread()
  }

  /// - Parameter onFile: told of each file as soon as its tests have run.
  public func run(onFile: (PolicyTestReport.File) -> Void = { _ in }) -> PolicyTestReport {
    defer { surroundings.log.close() }
    var report = PolicyTestReport()
    for file in PolicyTestFile.find(in: folder.path) where options.policies?.contains(file.policy) ?? true {
      let done = run(file)
      if done.tests.isEmpty, done.problem == nil, options.filter != nil { continue }
      report.files.append(done)
      onFile(done)
      // Whoever was stopped says so, once.
      if options.deadline.hasPassed, report.failureCount > 0 { break }
    }
    if let lines = surroundings.lines {
      // Of a part of the tests, only what they stand beside can be judged.
      let judged = options.filter == nil ? nil : Set(report.files.map(\.policy))
      report.coverage = PolicyCoverage(folder.sources.filter { judged?.contains($0.name) ?? true }, lines)
    }
    return report
  }

  private func run(_ file: PolicyTestFile) -> PolicyTestReport.File {
    var result = PolicyTestReport.File(policy: file.policy, path: file.path)
    let loaded: LoadedTestFile
    do {
      loaded = try LoadedTestFile(
        file, in: folder, seed: options.seed, budgetNs: min(10_000_000_000, options.deadline.callNs))
    } catch {
      result.problem = error
      return result
    }
    let (machine, host) = (loaded.machine, loaded.host)
    for declared in host.declared where isWanted(declared.name, file.policy) {
      guard !options.deadline.hasPassed else {
        if result.tests.last?.failure == nil {
          result.problem = Diagnostic(
            file: file.path, message: "\(options.deadline.problem.message), and '\(declared.name)' was yet to run")
        }
        break
      }
      let began = MonotonicTime.now()
      let run = PolicyTestRun(
        machine: machine, host: host, helpers: loaded.helpers, folder: folder, file: file.path, seed: options.seed,
        surroundings: surroundings, deadline: options.deadline)
      let failed = run.run(declared.function)
      machine.collect()
      result.tests.append(
        PolicyTestReport.Test(
          name: declared.name, milliseconds: Double(MonotonicTime.now().nanoseconds(since: began)) / 1e6,
          caseCount: run.caseCount,
          failure: failed.map { failure, evidence in
            PolicyTestReport.Failure(
              file: failure.file.isEmpty ? file.path : failure.file, line: failure.line, message: failure.message,
              traceback: failure.traceback, evidence: evidence)
          }, output: host.takePrinted()))
    }
    return result
  }

  private func isWanted(_ test: String, _ policy: String) -> Bool {
    guard let filter = options.filter else { return true }
    return test.contains(filter) || policy.contains(filter)
  }
}
