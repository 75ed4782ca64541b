import Testing
import TideCore

@testable import TideConfig

@Suite("Variables")
struct VariableExpansionTests {
  private func expand(_ text: String, _ environment: [String: String] = [:]) -> (String, [String]) {
    var expansion = VariableExpansion(environment: environment)
    var text = text
    expansion.expand(&text, file: "f", line: 1, column: 1)
    return (text, expansion.diagnostics.map(\.message))
  }

  @Test("values, defaults and literals")
  func values() {
    let environment = ["A": "x", "EMPTY": "", "CURLY": "${A}"]
    #expect(expand("${A}-${A}", environment).0 == "x-x")
    #expect(expand("${B:-y}${A:-z}", environment).0 == "yx")
    #expect(expand("${EMPTY:-d}[${EMPTY}]", environment).0 == "d[]")
    #expect(expand("$${A} $A $ {A}", environment).0 == "${A} $A $ {A}")
    #expect(expand("${CURLY}", environment).0 == "${A}", "a value is not expanded again")
    #expect(expand("${A:-}", [:]).0.isEmpty && expand("${A:-}", [:]).1.isEmpty)
    #expect(expand("${A} ${B}", [:]).1.count == 2)
  }

  @Test("a value cannot add structure; a plain scalar gets its type after it")
  func structure() throws {
    let folder = try ConfigurationFolder()
    let environment = ["N": "4", "EVIL": "x\nworkers: 9", "NAME": "a"]
    let configuration = try folder.load(
      "workers: ${N}\nclusters: [ { name: \"${NAME}\", engine: {} } ]", environment: environment
    ).get().configuration
    #expect(configuration.workers == .exactly(4))
    #expect(configuration.clusters[0].name == "a")
    #expect(folder.errors("workers: ${EVIL}", environment: environment).count == 1)
    #expect(folder.errors("workers: \"${N}\"", environment: environment).count == 1, "quoted is a string")
    #expect(folder.errors("# ${UNSET}\nworkers: 1").isEmpty, "comments are not values")
  }
}
