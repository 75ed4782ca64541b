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
    /// Told what is about to be done: of a test file, its reading (nil) and each of its tests.
    var onTest: @Sendable (PolicyTestFile, _ test: String?) -> Void = { _, _ in }

    public init(filter: String? = nil, seed: UInt64 = 1, wantsCoverage: Bool = false) {
      self.filter = filter
      self.seed = seed
      self.wantsCoverage = wantsCoverage
    }
  }

  /// Times what a hook may take of the processor when it serves: what tests allow it.
  public static var cpuFactor: UInt64 { RehearsalServices.cpuFactor }

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
      let done = run(file, &report.stop)
      if done.tests.isEmpty, done.problem == nil, options.filter != nil { continue }
      report.files.append(done)
      onFile(done)
      if report.stop != nil { break }
    }
    if let lines = surroundings.lines {
      // Of a part of the tests, only what they stand beside can be judged.
      let judged = options.filter == nil ? nil : Set(report.files.map(\.policy))
      report.coverage = PolicyCoverage(folder.sources.filter { judged?.contains($0.name) ?? true }, lines)
    }
    return report
  }

  /// - Parameter stop: set where the time of all tests together ended.
  private func run(_ file: PolicyTestFile, _ stop: inout TestStop?) -> PolicyTestReport.File {
    var result = PolicyTestReport.File(policy: file.policy, path: file.path, boundPolicies: [file.policy])
    let deadline = options.deadline
    func stopped(at test: String?) -> TestStop? {
      deadline.limit.map { TestStop(policy: file.policy, path: file.path, test: test, limit: $0) }
    }
    let loaded: LoadedTestFile
    options.onTest(file, nil)
    do {
      loaded = try LoadedTestFile(file, in: folder, seed: options.seed, budgetNs: min(10_000_000_000, deadline.callNs))
    } catch {
      if deadline.hasPassed { stop = stopped(at: nil) }
      if stop == nil { result.problem = error }
      return result
    }
    let (machine, host) = (loaded.machine, loaded.host)
    for declared in host.declared where isWanted(declared.name, file.policy) {
      guard !deadline.hasPassed else {
        stop = stopped(at: declared.name)
        break
      }
      options.onTest(file, declared.name)
      let began = MonotonicTime.now()
      let run = PolicyTestRun(
        machine: machine, host: host, helpers: loaded.helpers, folder: folder, file: file.path, seed: options.seed,
        surroundings: surroundings, deadline: deadline)
      let failed = run.run(declared.function)
      machine.collect()
      result.boundPolicies.formUnion(run.boundPolicies)
      // A test that expects an error may have taken the end of its time for it.
      if failed.map({ deadline.hasStopped($0.0) }) ?? deadline.hasPassed {
        stop = stopped(at: declared.name)
        break
      }
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
