import TideCore
import Testing

@testable import TideGateway

/// What `tidegate policy bench` measures, and what it says when it cannot. What things cost is no matter of tests.
struct PolicyBenchTests {
  @Test func whatCannotBeMeasuredSaysWhy() throws {
    let folder = PolicyTestFolder([
      "p.lua": "return { schema = { url = { type = 'url', required = true } }, on_log = function() end }"
    ])
    let bench = try PolicyBench(folder: folder.path)
    #expect(throws: Diagnostic(file: folder.path, message: "there is no policy pp", hint: "did you mean p?")) {
      try bench.check(["p", "pp"])
    }
    var told: [String] = []
    bench.prices(of: ["p"]) { if case .failure(let problem) = $0 { told.append("\(problem)") } }
    #expect(told.count == 1 && told.first?.contains("config.url is required") == true)
    #expect(told.first?.contains("tide.bench { gateway = { ... } } says in its test file") == true)
  }

  private func prices(_ files: [String: String], of names: [String] = []) throws -> (
    priced: [String], problems: [String]
  ) {
    let folder = PolicyTestFolder(files)
    var bench = try PolicyBench(folder: folder.path)
    bench.rounds = 1
    var priced: [String] = []
    var problems: [String] = []
    bench.prices(of: names) { result in
      switch result {
      case .success(let price): priced.append(price.name)
      case .failure(let diagnostic): problems.append(diagnostic.message)
      }
    }
    return (priced, problems)
  }

  private static let needy =
    "return { schema = { word = { type = 'string', required = true } }, on_token = function() end }"

  @Test func policiesAreBoundAsTheirTestsSay() throws {
    let found = try prices([
      "plain.lua": "return { on_request = function() end }", "needy.lua": Self.needy,
      "needy_test.lua":
        "tide.bench { gateway = { { use = 'needy', config = { word = 'x' } } }, chat = { text = 'hi' } }",
    ])
    #expect(found.priced.sorted() == ["needy", "plain"] && found.problems.isEmpty)
  }

  @Test func onePolicyAlone() throws {
    let found = try prices(["a.lua": "return {}", "b.lua": "return {}"], of: ["b"])
    #expect(found.priced == ["b"] && found.problems.isEmpty)
  }

  @Test(arguments: [
    ("", "word"),
    ("tide.bench { gatewy = {} }", "did you mean 'gateway'?"),
    ("tide.bench {} tide.bench {}", "once in a file"),
    (
      "tide.bench { gateway = { { use = 'needy', config = { word = 'x' } } }, chat = { txt = 'hi' } }",
      "unknown key 'txt'"
    ),
  ])
  func whatCannotBeMeasuredSaysWhy(_ test: String, _ message: String) throws {
    let found = try prices(["needy.lua": Self.needy, "needy_test.lua": test])
    #expect(found.priced.isEmpty)
    #expect(found.problems.count == 1 && found.problems[0].contains(message), "\(found.problems)")
  }

  @Test func testsWithABenchRunAsBefore() throws {
    let folder = PolicyTestFolder([
      "p.lua": "return {}", "p_test.lua": "tide.bench {}\ntide.test('one', function(t) t.eq(1, 1) end)",
    ])
    let report = try PolicyTests(folder: folder.path).run()
    #expect(report.testCount == 1 && report.failureCount == 0)
  }
}
