import Testing
import TideCore
import TidePolicy

@testable import TideGateway

/// `lint` of `plugins`: what the sources of bound policies show is told before they serve.
@Suite struct BoundLintTests {
  private static let typo = "return {\n  on_request = function(ctx)\n    return ctx.promt\n  end,\n}\n"
  private static let finding = "p.lua:3: error: there is no ctx.promt [ctx-field] (did you mean ctx.prompt?)"

  private struct Project {
    let files: PolicyTestFolder
    let builder: GenerationBuilder

    init(_ files: [String: String], plugins: String = "") {
      self.files = PolicyTestFolder(files)
      self.files.write(
        "tidegate.yaml",
        """
        listeners: [ { address: "127.0.0.1:8080" } ]
        plugins: { folder: ".", auto: true\(plugins) }
        clusters: [ { name: c, endpoints: [ { url: "http://127.0.0.1:1" } ] } ]
        routes: [ { name: r, cluster: c } ]
        policies: [ { use: p } ]
        """)
      builder = GenerationBuilder(
        configPath: self.files.path + "/tidegate.yaml", environment: [:], services: .gateway(log: PolicyLogRelay()))
    }

    func shown(_ diagnostics: [Diagnostic]) -> [String] {
      diagnostics.map { "\($0)".replacing(files.path + "/", with: "") }
    }

    /// What refuses the generation.
    func problems() -> [String] {
      if case .failure(let failure) = builder.build() { return shown(failure.diagnostics) }
      return []
    }

    func warnings() throws -> [String] { shown(try builder.build().get().warnings) }
  }

  @Test func aTypoInABoundPolicyRefusesTheGeneration() throws {
    let project = Project(["p.lua": Self.typo])
    #expect(project.problems() == [Self.finding])
    let report = ConfigurationCheck.run(configPath: project.files.path + "/tidegate.yaml", environment: [:])
    #expect(!report.isValid)
    #expect(project.shown(report.diagnostics) == [Self.finding])
    // Mended, it serves; broken again, the next one is refused.
    project.files.write("p.lua", Self.typo.replacing("promt", with: "prompt"))
    #expect(project.problems() == [])
    project.files.write("p.lua", "return { on_request = function(ctx) tide.deny(413) end }")
    #expect(
      project.problems() == ["p.lua:1: error: tide.deny does nothing by itself [unused] (write return tide.deny)"])
  }

  @Test func policiesThatBindThemselvesAreBound() {
    let project = Project([
      "p.lua": "return {}", "q.lua": Self.typo.replacing("return {\n", with: "return { auto = true,\n"),
    ])
    #expect(project.problems() == [Self.finding.replacing("p.lua", with: "q.lua")])
  }

  /// What another file of the folder does wrong concerns nobody as long as it is not bound.
  @Test func onlyBoundPoliciesAreLookedThrough() {
    #expect(Project(["p.lua": "return {}", "q.lua": Self.typo]).problems() == [])
  }

  @Test func warnSaysItAndServes() throws {
    let project = Project(["p.lua": Self.typo], plugins: ", lint: warn")
    #expect(try project.warnings().contains(Self.finding.replacing("error", with: "warning")))
  }

  @Test func offSaysNothing() throws {
    let project = Project(["p.lua": Self.typo], plugins: ", lint: off")
    #expect(try !project.warnings().contains { $0.contains("p.lua") })
  }

  @Test func whatIsAllowedIsNoFinding() {
    let allowed = Self.typo.replacing("ctx.promt", with: "ctx.promt -- tide: allow ctx-field")
    #expect(Project(["p.lua": allowed]).problems() == [])
  }

  @Test func warningsStandInPolicies() throws {
    let project = Project(["p.lua": "return {} -- tide: allow globl\n"])
    let built = try project.builder.build().get()
    let state = GatewayState(
      generation: built.generation, source: "test.yaml", warnings: built.warnings, version: "1", stores: SharedStore())
    let text = state.policiesJSON([])
    #expect(text.contains("\"message\":\"there is no rule globl to allow [allow]\",\"hint\":\"did you mean global?\""))
    #expect(text.hasPrefix("{\"generation\":1,") && text.contains("\"reload_failure\":null,\"warnings\":[{"))
  }

  @Test func anotherWordIsRefused() {
    let problems = Project(["p.lua": "return {}"], plugins: ", lint: reject").problems()
    #expect(problems.count == 1 && problems[0].contains("`lint` of `plugins` cannot be `reject`"), "\(problems)")
  }
}
