import TideCore
import TideLua
import Testing

@testable import TideGateway

/// Which lines the tests of policies run.
@Suite struct PolicyCoverageTests {
  private static let policy = """
    local function unused(a)
      local b = a

      return b
    end

    return {
      version = "1", api = 1,
      schema = { bad = { type = "boolean", default = false } },
      on_load = function(cfg)
        if cfg.bad then
          error("bad")
        end
      end,
      on_token = function(s, text)
        if text == "x" then
          return "y"
        end
        return text
      end,
    }
    """

  private func coverage(_ test: String, _ files: [String: String] = [:], filter: String? = nil) throws
    -> [PolicyCoverage.File]
  {
    let folder = PolicyTestFolder(
      files.merging(["p.lua": Self.policy, "p_test.lua": test], uniquingKeysWith: { $1 }))
    let options = PolicyTests.Options(filter: filter, wantsCoverage: true)
    let report = try PolicyTests(folder: folder.path, options: options).run()
    #expect(report.failureCount == 0, "\(report.diagnostics)")
    return try #require(report.coverage).files.map { file in
      var file = file
      file.path = String(file.path.dropFirst(folder.path.count + 1))
      return file
    }
  }

  @Test func linesThatNoTestRunsAreTold() throws {
    let test = "tide.test('it', function(t) t.gateway { { use = 'p' } }:chat { upstream = 'x' } end)\n"
    let file = try #require(try coverage(test).first)
    #expect(file.path == "p.lua")
    #expect(file.counted == [2, 4, 7, 8, 9, 11, 12, 16, 17, 19])
    #expect(file.missed == [2, 4, 12, 19])
    #expect(file.missedRanges == [2...4, 12...12, 19...19])
    #expect(file.percentage == "60.0 %")
  }

  @Test func whatRefusesAConfigurationAndWhatReplaysRunCounts() throws {
    let test = """
      tide.test('it', function(t)
        t.raises(function() t.gateway { { use = 'p', config = { bad = true } } } end, "bad")
        t.invariant(t.gateway { { use = 'p' } }:chat { upstream = 'a' }, { only = { "whole" } })
      end)
      """
    #expect(try coverage(test).first?.missed == [2, 4, 17])
  }

  @Test func textThatATestBringsIsNotTheFiles() throws {
    let test = """
      tide.test('it', function(t)
        local g = t.gateway { { use = 'p', source = [[return { version = "1", api = 1,
          on_token = function(s, text)


            return text
          end }]] } }
        g:chat { upstream = 'a' }
      end)
      """
    let file = try #require(try coverage(test).first)
    #expect(file.missed == file.counted)
    #expect(file.percentage == "0.0 %")
  }

  @Test func aPolicyWithoutTestsIsInTheListUnlessAPartIsAskedFor() throws {
    let test = "tide.test('it', function(t) end)\n"
    let other = ["other.lua": "return {\n  version = '1', api = 1,\n}\n"]
    #expect(try coverage(test, other).map(\.path) == ["other.lua", "p.lua"])
    #expect(try coverage(test, other, filter: "it").map(\.path) == ["p.lua"])
  }

  @Test func aMinimumNamesTheFileAndItsFirstLine() throws {
    var all = PolicyCoverage([], LuaLineRecord())
    all.files = [
      PolicyCoverage.File(path: "a.lua", counted: [1, 2, 3], missed: [3]),
      PolicyCoverage.File(path: "b.lua", counted: [1, 2], missed: []),
      PolicyCoverage.File(path: "c.lua", counted: [], missed: []),
    ]
    #expect(all.problems(below: 66).isEmpty)
    let problems = all.problems(below: 67)
    #expect(problems.map { "\($0.file):\($0.line)" } == ["a.lua:3"])
    #expect(problems[0].message == "its tests run 66.6 % of its lines, and 67 % are wanted")
    #expect(all.problems(below: 100).count == 1)
  }
}
