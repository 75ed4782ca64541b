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

  /// Runs that were made: a set of files that passed is not tested again.
  private(set) var runCount = 0
  /// What passed last.
  private var passed: (hash: UInt64, testCount: Int)?

  /// - Parameters:
  ///   - folder: what the generation was compiled from.
  ///   - policies: those that it binds.
  ///   - limitMs: for all tests together.
  ///   - interrupt: readable when nobody wants to wait any more.
  /// - Returns: how many tests passed.
  func pass(
    _ folder: PolicyFolder, _ policies: [PolicyDescription], limitMs: Int, interrupt: Int32?
  ) -> Result<Int, PolicyLoadFailure> {
    let files = PolicyTestFile.find(in: folder.path)
    let names = Set(policies.map(\.policy))
    let tested = files.filter { names.contains($0.policy) }
    var problems = names.subtracting(tested.map(\.policy)).sorted().compactMap { name in
      policies.first { $0.policy == name }.map(Self.missing)
    }
    let hash = Self.hash(folder, tested)
    if !tested.isEmpty, passed?.hash != hash {
      runCount += 1
      switch run(folder, names, limitMs, interrupt) {
      case .failure(let failure): problems += failure.diagnostics
      case .success(let report):
        problems += report.diagnostics
        problems += report.files.filter { $0.tests.isEmpty && $0.problem == nil }.map { Self.empty($0.path) }
        if problems.isEmpty { passed = (hash, report.testCount) }
      }
    }
    guard problems.isEmpty else { return .failure(PolicyLoadFailure(problems)) }
    return .success(tested.isEmpty ? 0 : passed?.testCount ?? 0)
  }

  private func run(
    _ folder: PolicyFolder, _ names: Set<String>, _ limitMs: Int, _ interrupt: Int32?
  ) -> Result<PolicyTestReport, PolicyLoadFailure> {
    let deadline = TestDeadline(limitMs: limitMs)
    let outcome = Locked<Result<PolicyTestReport, PolicyLoadFailure>?>(nil)
    let thread = SideThread.start("tide-tests") {
      var options = PolicyTests.Options()
      options.policies = names
      options.deadline = deadline
      let result: Result<PolicyTestReport, PolicyLoadFailure>
      do throws(Diagnostic) {
        result = .success(try PolicyTests(folder, options: options).run())
      } catch {
        result = .failure(PolicyLoadFailure([error]))
      }
      outcome.withLock { $0 = result }
    }
    func failure(_ message: String, _ hint: String = "") -> Result<PolicyTestReport, PolicyLoadFailure> {
      .failure(PolicyLoadFailure([Diagnostic(file: folder.path, message: message, hint: hint)]))
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
        return failure(
          "the policies' tests do not end: they may take \(limitMs) ms together",
          "look for a test that loops, or raise `test_timeout` of `plugins`")
      }
    }
  }

  /// Over what the tests consist of and what they may load.
  private static func hash(_ folder: PolicyFolder, _ tests: [PolicyTestFile]) -> UInt64 {
    var hash = ContentHash()
    hash.add(folder.hash)
    for file in tests {
      hash.add(Array(file.path.utf8))
      hash.add(FileReader.read(file.path) ?? [])
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
      hint: "begin with tide.test(\"what it does\", function(t) ... end)")
  }
}
