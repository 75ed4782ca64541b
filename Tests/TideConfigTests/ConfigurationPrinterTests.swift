import Foundation
import Testing
import TideCore

@testable import TideConfig

@Suite("Showing a configuration")
struct ConfigurationPrinterTests {
  private func configuration(_ folder: ConfigurationFolder) throws -> GatewayConfiguration {
    try folder.load(
      SampleConfiguration.text.replacing(
        "words: { colour: color }",
        with:
          "token: \"${OPENAI_API_KEY}x\", api_key: literal-one, keep: '${HOME}', max_tokens: 5, nested: { password: [literal-two] }"
      ),
      environment: ["OPENAI_API_KEY": "sk-visible", "HOME": "expanded-value"]
    ).get().configuration
  }

  @Test("no secret is shown, neither in YAML nor in JSON")
  func secrets() throws {
    let configuration = try configuration(ConfigurationFolder(files: SampleConfiguration.files))
    for text in [ConfigurationPrinter.yaml(configuration), ConfigurationPrinter.json(configuration)] {
      for secret in ["sk-visible", "abc\"", "literal-one", "literal-two", "expanded-value"] {
        #expect(!text.contains(secret), "\(secret)")
      }
      #expect(text.contains("<hidden>") && text.contains("${HOME}") && text.contains("max_tokens"))
    }
  }

  @Test("the YAML is one that loads, with the same effect")
  func roundTrip() throws {
    let folder = try ConfigurationFolder(files: SampleConfiguration.files)
    let configuration = try configuration(folder)
    let printed = ConfigurationPrinter.yaml(configuration).replacing("${HOME}", with: "home")
    let again = try folder.load(printed).get().configuration
    #expect(again.listeners == configuration.listeners && again.models == configuration.models)
    #expect(again.clusters.map(\.endpoints) == configuration.clusters.map(\.endpoints))
    #expect(again.clusters.map(\.timeouts) == configuration.clusters.map(\.timeouts))
    #expect(
      again.limits == configuration.limits && again.log == configuration.log && again.drain == configuration.drain)
    #expect(again.routes.map(\.match) == configuration.routes.map(\.match))
    #expect(again.allPolicies.map(\.name) == configuration.allPolicies.map(\.name))
  }

  @Test("the JSON is JSON")
  func json() throws {
    let text = ConfigurationPrinter.json(try configuration(ConfigurationFolder(files: SampleConfiguration.files)))
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    #expect(object?["workers"] as? Int == 3)
    #expect(object?["worker_cores"] as? String == "own")
    #expect(object?["io_uring"] as? String == "off")
    #expect((object?["clusters"] as? [[String: Any]])?.count == 3)
  }
}
