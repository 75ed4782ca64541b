import Glibc
import TideCore
import TideIO
import Testing

@testable import TideGateway

/// `require_tests`: a generation whose policies do not pass their tests is not built.
@Suite struct RequiredTestsTests {
  private static let policy = "return { version = '1', api = 1, on_token = function(s, text) return text:upper() end }"

  /// A test of the policy `p`, which calls itself "it shouts" and expects `text`.
  private static func test(_ text: String) -> String {
    "tide.test('it shouts', function(t)\n  t.eq(t.gateway { { use = 'p' } }:chat { upstream = 'hi' }.text, '\(text)')\nend)\n"
  }

  /// A folder with a configuration that binds `p`, and the builder that reads it.
  private final class Project {
    let files: PolicyTestFolder
    let builder: GenerationBuilder
    private let lines: Locked<[String]>
    /// What the log was told.
    var told: [String] { lines.withLock { $0 } }

    init(_ files: [String: String], bindings: [String] = ["p"], plugins: String = "", interrupt: Int32? = nil) {
      let folder = PolicyTestFolder(files)
      self.files = folder
      folder.write(
        "tidegate.yaml",
        """
        plugins: { folder: "\(folder.path)", auto: false, require_tests: true\(plugins.isEmpty ? "" : ", " + plugins) }
        clusters: [ { name: c, endpoints: [ { url: "http://127.0.0.1:9" } ] } ]
        routes: [ { name: r, cluster: c } ]
        policies: [ \(bindings.map { "{ use: \($0) }" }.joined(separator: ", ")) ]
        """)
      let lines = Locked<[String]>([])
      self.lines = lines
      builder = GenerationBuilder(
        configPath: folder.path + "/tidegate.yaml", environment: [:], services: .gateway(log: PolicyLogRelay()),
        interrupt: interrupt
      ) { line, _ in lines.withLock { $0.append(line) } }
    }

    /// What each run tested, and what it left out.
    var begun: [String] {
      let head = "testing the next generation: "
      return told.filter { $0.hasPrefix(head) }.map { String($0.dropFirst(head.count)) }
    }

    /// How many tests the generation passed.
    func pass() throws -> Int? { try builder.build().get().testCount }

    /// What refuses the generation, its files by their names alone.
    func problems() throws -> [String] {
      switch builder.build() {
      case .success:
        Issue.record("the generation was built")
        return []
      case .failure(let failure):
        return failure.diagnostics.map { "\($0)".replacing(files.path + "/", with: "") }
      }
    }
  }

  @Test func passingTestsLetTheGenerationThrough() throws {
    let project = Project(["p.lua": Self.policy, "p_test.lua": Self.test("HI")])
    #expect(try project.pass() == 1)
  }

  @Test func aFailingTestRefusesTheGenerationWithItsNameAndPlace() throws {
    let project = Project(["p.lua": Self.policy, "p_test.lua": Self.test("hi")])
    let problems = try project.problems()
    #expect(problems.count == 1)
    #expect(problems.first?.hasPrefix("p_test.lua:2: error: test 'it shouts' failed: ") == true, "\(problems)")
    // The number that the refused one would have had is the next one's.
    project.files.write("p_test.lua", Self.test("HI"))
    let built = try project.builder.build().get()
    #expect(built.generation.number == 1)
  }

  @Test func aPolicyWithoutTestsIsRefused() throws {
    let message = "the policy p has no tests, and `require_tests` of `plugins` asks for them (write p_test.lua)"
    #expect(try Project(["p.lua": Self.policy]).problems() == ["p.lua: error: \(message)"])
    let empty = try Project(["p.lua": Self.policy, "p_test.lua": "-- later\n"]).problems()
    #expect(empty.count == 1 && empty[0].hasPrefix("p_test.lua: error: declares no test"))
  }

  @Test func aTestFileThatDoesNotLoadIsRefusedWhereItIsWrong() throws {
    let problems = try Project(["p.lua": Self.policy, "p_test.lua": "\n\ntide.tst()\n"]).problems()
    #expect(problems.count == 1 && problems[0].hasPrefix("p_test.lua:3: error: "), "\(problems)")
  }

  /// What another file of the folder does wrong concerns nobody as long as it is not bound.
  @Test func onlyBoundPoliciesAreTested() throws {
    let project = Project([
      "p.lua": Self.policy, "p_test.lua": Self.test("HI"), "other.lua": Self.policy, "other_test.lua": "error('no')",
    ])
    #expect(try project.pass() == 1)
  }

  @Test func whatPassedIsTestedAgainOnlyWhenItChanged() throws {
    let project = Project(["p.lua": Self.policy, "p_test.lua": Self.test("HI")])
    #expect(try project.pass() == 1)
    #expect(try project.pass() == 1)
    #expect(project.begun == ["p"])
    project.files.write("p.lua", Self.policy + "\n")
    #expect(try project.pass() == 1)
    #expect(project.begun == ["p", "p"])
    project.files.write("p_test.lua", Self.test("hi"))
    #expect(try project.problems().count == 1)
    #expect(try project.problems().count == 1)
    #expect(project.begun == ["p", "p", "p", "p"])
    project.files.write("p_test.lua", "")
    #expect(try project.problems().count == 1)
  }

  @Test func twoTestFilesOfOnePolicyAreRememberedEachByItself() throws {
    let project = Project(["p.lua": Self.policy, "p_test.lua": Self.test("HI")])
    #expect(mkdir(project.files.path + "/p", 0o700) == 0)
    project.files.write("p/policy_test.lua", Self.test("HI"))
    #expect(try project.pass() == 2)
    let begun = project.begun
    #expect(try project.pass() == 2)
    #expect(project.begun == begun)
  }

  /// A policy's tests may bind others: they are what is tested, too.
  @Test func onlyWhatATestBindsIsTestedAgain() throws {
    let whisper = "return { on_token = function(s, text) return text:lower() end }"
    func test(_ bindings: String) -> String {
      "tide.test('it answers', function(t) t.gateway { \(bindings) }:chat { upstream = 'hi' } end)\n"
    }
    let project = Project(
      [
        "p.lua": Self.policy, "p_test.lua": Self.test("HI"), "q.lua": whisper, "q_test.lua": test("{ use = 'q' }"),
        "r.lua": whisper, "r_test.lua": test("{ use = 'r' }, { use = 'q' }"),
      ], bindings: ["p", "q", "r"])
    #expect(try project.pass() == 3)
    #expect(project.begun == ["p, q, r"])
    project.files.write("p_test.lua", Self.test("HI") + "-- a comment\n")
    #expect(try project.pass() == 3)
    #expect(project.begun.last == "p; 2 policies have passed before and not changed")
    project.files.write("q.lua", whisper + "\n")
    #expect(try project.pass() == 3)
    #expect(project.begun.last == "q, r; 1 policy has passed before and not changed")
    // What passes beside what fails has passed.
    project.files.write("p.lua", whisper)
    project.files.write("r.lua", whisper + "\n")
    #expect(try project.problems().count == 1)
    #expect(project.begun.last == "p, r; 1 policy has passed before and not changed")
    project.files.write("p.lua", Self.policy)
    #expect(try project.pass() == 3)
    #expect(project.begun.last == "p; 2 policies have passed before and not changed")
  }

  /// A gateway that a test expects to be refused is made when its policy comes.
  @Test func aPolicyThatATestBindsInVainCountsToo() throws {
    let test =
      "tide.test('none', function(t) t.raises(function() t.gateway { { use = 'q' } } end, 'no policy q') end)\n"
    let project = Project(["p.lua": Self.policy, "p_test.lua": test])
    #expect(try project.pass() == 1)
    project.files.write("q.lua", Self.policy)
    #expect(try project.problems().count == 1)
  }

  @Test func theLogSaysWhenTestsRunAndHowLong() throws {
    let project = Project(["p.lua": Self.policy, "p_test.lua": Self.test("HI")])
    #expect(try project.pass() == 1)
    #expect(project.told.count == 2 && project.told[0] == "testing the next generation: p")
    #expect(project.told.last?.wholeMatch(of: /tested the next generation: 1 test in \d+\.\d s, all passed/) != nil)
    project.files.write("p_test.lua", Self.test("hi"))
    #expect(try project.problems().count == 1)
    #expect(project.told.last?.wholeMatch(of: /tested the next generation: 1 test in \d+\.\d s, 1 failed/) != nil)
  }

  /// That the time is over says nothing against the test that runs.
  @Test func theEndOfTheTimeNamesWhatRanAndWhatToDo() throws {
    let test =
      Self.test("HI") + "tide.test('it takes long', function(t) while true do end end)\ntide.test('more', print)\n"
    let project = Project(["p.lua": Self.policy, "p_test.lua": test], plugins: "test_timeout: 1s")
    let problems = try project.problems()
    #expect(
      problems == [
        "p_test.lua: error: the policies' tests ran out of time while testing 'it takes long' of p, after 1 test: all together they may take 1 s (raise `test_timeout` of `plugins`, unless this test does not end)"
      ])
    #expect(project.told.last?.hasPrefix("tested the next generation: ") == true, "\(project.told)")
  }

  @Test(arguments: [
    "while true do end", "while true do pcall(function() while true do end end) end",
    "while true do t.gateway { { use = 'p' } }:chat {} end", "while true do pcall(t.advance, '1h') end",
    "local g = t.gateway { { use = 'p' } } while true do pcall(g.chat, g, {}) end",
    "local r = t.gateway { { use = 'p' } }:chat {} while true do t.invariant(r) end",
    "while true do t.raises(function() t.advance('1ms') error('x') end) end",
    "t.concurrent(2, function() while true do t.advance('1ms') end end)",
    // The end of the time is no error that a test may wait for.
    "t.raises(function() while true do end end)",
    "pcall(t.raises, function() while true do t.advance('1ms') end end)",
  ])
  func aTestWithoutEndIsStopped(_ body: String) throws {
    let test = "tide.test('it ends', function(t)\n  \(body)\nend)\n"
    let project = Project(["p.lua": Self.policy, "p_test.lua": test], plugins: "test_timeout: 1s")
    let problems = try project.problems()
    #expect(problems.count == 1)
    // Who runs the tests names the one that goes on; so does who ends them from outside, where they get no processor.
    #expect(
      problems.first?.contains("ran out of time while testing 'it ends' of p, after 0 tests") == true, "\(problems)")
    #expect(problems.first?.contains("may take 1 s") == true, "\(problems)")
  }

  @Test func nobodyWaitsForTestsOnceTheyAreInterrupted() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let test = "tide.test('it ends', function(t) while true do end end)\n"
    let project = Project(["p.lua": Self.policy, "p_test.lua": test], plugins: "test_timeout: 5s", interrupt: ends[0])
    _ = write(ends[1], "x", 1)
    let problems = try project.problems()
    #expect(problems.count == 1 && problems[0].contains("a signal broke off the policies' tests"), "\(problems)")
  }
}
