import Glibc
import TideCore
import TideIO
import TidePolicy

/// The tests of the policies that a generation binds, as a step on the way to it: what `require_tests` asks for.
///
/// They run on a thread of their own, at a low priority and for a bounded time. Used by the control thread alone, which waits.
final class RequiredTests {
  /// How much longer than it may take a run is waited for: the processor's time ends a loop in Lua, and others may have it.
  private static let graceMs = 2_000

  /// A policy's tests that have passed, and over what.
  private struct Pass {
    /// The policies that its tests bind, its own among them.
    var boundPolicies: Set<String>
    /// Over the tests and the sources of those.
    var hash: UInt64
    var testCount: Int
  }

  /// By test file: what passed is not tested again while all that its tests consist of is as it was.
  private var passes: [String: Pass] = [:]

  /// - Parameters:
  ///   - folder: what the generation was compiled from.
  ///   - policies: those that it binds.
  ///   - limitMs: for all tests together.
  ///   - interrupt: readable when nobody wants to wait any more.
  ///   - tell: gets a line for the log when a run begins, and when it has ended.
  /// - Returns: how many tests passed, now or before.
  func pass(
    _ folder: PolicyFolder, _ policies: [PolicyDescription], limitMs: Int, interrupt: Int32?,
    tell: (String) -> Void
  ) -> Result<Int, PolicyLoadFailure> {
    let names = Set(policies.map(\.policy))
    let tested = PolicyTestFile.find(in: folder.path).filter { names.contains($0.policy) }
    var problems = names.subtracting(tested.map(\.policy)).sorted().compactMap { name in
      policies.first { $0.policy == name }.map(Self.missing)
    }
    let changed = tested.filter { file in
      guard let pass = passes[file.path] else { return true }
      return Self.hash(folder, file, pass.boundPolicies) != pass.hash
    }
    if !changed.isEmpty {
      let began = MonotonicTime.now()
      tell(TestNotice.begin(changed.map(\.policy), unchangedCount: tested.count - changed.count))
      let result = run(folder, changed, limitMs, interrupt)
      tell(TestNotice.end(result, after: MonotonicTime.now().nanoseconds(since: began)))
      switch result {
      case .failure(let failure): problems += failure.diagnostics
      case .success(let report):
        problems += report.diagnostics
        problems += report.files.filter { $0.tests.isEmpty && $0.problem == nil && report.stop?.path != $0.path }
          .map { Self.empty($0.path) }
        for file in changed {
          passes[file.path] = report.files.first { $0.path == file.path }.flatMap { pass(of: $0, folder, report) }
        }
      }
    }
    guard problems.isEmpty else { return .failure(PolicyLoadFailure(problems)) }
    return .success(tested.reduce(0) { $0 + (passes[$1.path]?.testCount ?? 0) })
  }

  /// What is remembered of a file's tests; nil unless all of them ran and passed.
  private func pass(of file: PolicyTestReport.File, _ folder: PolicyFolder, _ report: PolicyTestReport) -> Pass? {
    guard file.problem == nil, !file.tests.isEmpty, file.tests.allSatisfy({ $0.failure == nil }),
      report.stop?.path != file.path
    else { return nil }
    return Pass(
      boundPolicies: file.boundPolicies, hash: Self.hash(folder, file.testFile, file.boundPolicies),
      testCount: file.tests.count)
  }

  private func run(
    _ folder: PolicyFolder, _ files: [PolicyTestFile], _ limitMs: Int, _ interrupt: Int32?
  ) -> Result<PolicyTestReport, PolicyLoadFailure> {
    let deadline = TestDeadline(limitMs: limitMs)
    let outcome = Locked<Result<PolicyTestReport, PolicyLoadFailure>?>(nil)
    // What runs, and how many ran before it.
    let place = Locked<(stop: TestStop, count: Int)?>(nil)
    let thread = SideThread.start("tide-tests") {
      var options = PolicyTests.Options()
      options.policies = Set(files.map(\.policy))
      options.deadline = deadline
      options.onTest = { file, test in
        place.withLock { place in
          let count = place.map { $0.count + ($0.stop.test == nil ? 0 : 1) } ?? 0
          place = (TestStop(policy: file.policy, path: file.path, test: test, limit: deadline.limit ?? ""), count)
        }
      }
      let result: Result<PolicyTestReport, PolicyLoadFailure>
      do throws(Diagnostic) {
        result = .success(try PolicyTests(folder, options: options).run())
      } catch {
        result = .failure(PolicyLoadFailure([error]))
      }
      outcome.withLock { $0 = result }
    }
    func failure(_ message: String) -> Result<PolicyTestReport, PolicyLoadFailure> {
      .failure(PolicyLoadFailure([Diagnostic(file: folder.path, message: message)]))
    }
    guard let thread else { return failure("the policies' tests cannot run: the system gives no thread") }
    var watched = [pollfd(fd: thread.descriptor, events: Int16(POLLIN), revents: 0)]
    if let interrupt { watched.append(pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0)) }
    let ends = MonotonicTime.now().advanced(byMs: limitMs + Self.graceMs)
    while true {
      let left = ends.milliseconds(since: .now())
      _ = poll(&watched, UInt(watched.count), Int32(clamping: left))
      if let result = outcome.withLock({ $0 }) { return result }
      if watched.count > 1, watched[1].revents != 0 {
        deadline.callOff()
        return failure("a signal broke off the policies' tests")
      }
      if left == 0 {
        guard let (stop, count) = place.withLock({ $0 }) else {
          return failure("the policies' tests ran out of time before the first of them began: the machine is too busy")
        }
        return .failure(PolicyLoadFailure([stop.diagnostic(doneCount: count)]))
      }
    }
  }

  /// Over what the tests of a file consist of and what they may load.
  private static func hash(_ folder: PolicyFolder, _ file: PolicyTestFile, _ policies: Set<String>) -> UInt64 {
    var hash = ContentHash()
    hash.add(Array(file.path.utf8))
    hash.add(FileReader.read(file.path) ?? [])
    for name in policies.sorted() {
      hash.add(Array(name.utf8))
      // One that is not there is bound in vain, which a test may expect.
      if let source = folder.sources.first(where: { $0.name == name }) { hash.add(source.hash) }
    }
    return hash.value
  }

  private static func missing(_ policy: PolicyDescription) -> Diagnostic {
    let main = "/policy.lua"
    let beside =
      policy.file.hasSuffix(main)
      ? policy.file.dropLast(main.count) + "/policy_test.lua" : policy.file.dropLast(4) + "_test.lua"
    return Diagnostic(
      file: policy.file,
      message: "the policy \(policy.policy) has no tests, and `require_tests` of `plugins` asks for them",
      hint: "write \(beside)")
  }

  private static func empty(_ path: String) -> Diagnostic {
    Diagnostic(
      file: path, message: "declares no test, and `require_tests` of `plugins` asks for them",
      hint: PolicyTestFile.beginning)
  }
}
