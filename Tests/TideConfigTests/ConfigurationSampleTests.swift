import Testing
import TideCore

@testable import TideConfig

@Suite("Configuration: every key of the contract")
struct ConfigurationSampleTests {
  @Test("the sample's values arrive")
  func sample() throws {
    let folder = try ConfigurationFolder(files: SampleConfiguration.files)
    let loaded = try folder.load(SampleConfiguration.text, environment: ["OPENAI_API_KEY": "sk-1"]).get()
    let configuration = loaded.configuration
    let base = folder.path + "/Config"

    #expect(configuration.listeners[0] == ConfigurationReader.defaultListener)
    let secure = configuration.listeners[1]
    #expect(secure.address == ListenAddress(host: "0.0.0.0", port: 8443))
    #expect(
      secure.tls?.certificates == [
        CertificateConfiguration(
          certificate: base + "/certs/server.pem", key: base + "/certs/server.key", names: ["api.example.com"])
      ])
    #expect(secure.tls?.clientCA == base + "/certs/clients.pem")
    #expect(secure.protocols == [.h2, .http11])
    #expect(configuration.admin.address.description == "127.0.0.1:8081")
    #expect(configuration.workers == .exactly(3))
    #expect(configuration.workerCores == .own)
    #expect(configuration.ioUring == .off)

    let openAI = try #require(configuration.cluster(named: "openai"))
    #expect(
      openAI.endpoints == [
        EndpointConfiguration(scheme: .https, host: "api.openai.com", port: 443, weight: 2)
      ])
    #expect(openAI.credentials?.header().name == "authorization")
    #expect(openAI.credentials?.header().value.reveal() == "Bearer sk-1")
    #expect(openAI.timeouts.connectMs == 4_000 && openAI.timeouts.firstByteMs == 61_000)
    #expect(openAI.timeouts.idleMs == 62_000 && openAI.timeouts.totalMs == 1_860_000)
    #expect(openAI.maxConnections == 128)
    #expect(openAI.tls.ca == .system && openAI.tls.serverName == "api.openai.com" && openAI.tls.verify)
    let local = try #require(configuration.cluster(named: "local"))
    #expect(local.endpoints[0].pathPrefix == "/base" && local.endpoints[0].transport == .h2c)
    #expect(local.credentials == .header(name: "x-api-key", value: Secret("abc")))
    let engine = try #require(configuration.cluster(named: "engine"))
    #expect(engine.engine?.mode == .lorem && engine.engine?.intervalMs == 5 && engine.endpoints.isEmpty)

    #expect(
      configuration.models == [
        ModelEntry(
          id: Glob("fast"),
          targets: [.init(cluster: "local", model: "llama-3.1-8b"), .init(cluster: "openai", model: "gpt-4o-mini")]),
        ModelEntry(id: Glob("gpt-*"), targets: [.init(cluster: "openai", model: nil)]),
        ModelEntry(id: Glob("echo"), targets: [.init(cluster: "engine", model: nil)]),
      ])
    #expect(
      configuration.plugins
        == PluginsConfiguration(
          folder: folder.path + "/Plugins", auto: false, requiresTests: true, testTimeoutMs: 90_000,
          lint: .warn))
    #expect(configuration.limits.connections == 1000 && configuration.limits.isConnectionsExplicit)
    #expect(configuration.limits.requestBody == 11 << 20 && configuration.limits.responseBody == 33 << 20)
    #expect(configuration.limits.decodedBody == 12 << 20)
    #expect(configuration.limits.headerList == 16 << 10 && configuration.limits.streamBuffer == 32 << 10)
    #expect(configuration.limits.policyMemory == 512 << 20)
    #expect(configuration.store == .memory)
    #expect(configuration.log.level == .debug && configuration.log.format == .json)
    #expect(configuration.log.access == .file(base + "/access.log"))
    #expect(configuration.drain.timeoutMs == 540_000)
    #expect(loaded.files.first == base + "/tidegate.yaml" && loaded.files.count == 4)
    #expect(loaded.warnings.isEmpty)
  }

  @Test("policies and routes arrive")
  func policiesAndRoutes() throws {
    let folder = try ConfigurationFolder(files: SampleConfiguration.files)
    let configuration = try folder.load(SampleConfiguration.text, environment: ["OPENAI_API_KEY": "k"]).get()
      .configuration
    #expect(configuration.policies.map(\.name) == ["api-keys", "house-style"])
    let filter = configuration.policies[1]
    #expect(filter.policy == "word-filter" && filter.share == "words" && filter.failure == ["on_segment": .skip])
    #expect(filter.line == 43 && filter.column == 5)
    #expect(filter.when?.globs[.tenant]?.map(\.pattern) == ["acme", "initech"])
    #expect(filter.when?.not?.headers["x-raw"]?.map(\.pattern) == ["1"])
    guard case .string("color")? = filter.config["words"]?["colour"]?.value else {
      Issue.record("the policy's configuration did not arrive")
      return
    }
    let chat = configuration.routes[0]
    #expect(chat.name == "chat" && chat.cluster == .byModel && chat.defaultCluster == "local")
    #expect(chat.match.path == [Glob("/v1/*")] && chat.match.method == [Glob("POST")])
    #expect(chat.match.host == [Glob("*")] && chat.match.model == [Glob("*")])
    #expect(chat.policies.map(\.name) == ["rate-limit"] && chat.without == ["house-style"])
    #expect(chat.anonymous && chat.unparsed == .relay && chat.onDisconnect == .cancel)
    #expect(configuration.routes[1].cluster == .cluster("local"))
  }

  @Test("an empty file is the default, and says nothing is wrong")
  func defaults() throws {
    let folder = try ConfigurationFolder()
    for text in ["", "# nothing\n", "---\n", "{}"] {
      let configuration = try folder.load(text).get().configuration
      #expect(configuration.listeners == [ConfigurationReader.defaultListener])
      #expect(configuration.admin.address.description == "127.0.0.1:8081")
      #expect(configuration.workers == .automatic)
      #expect(configuration.clusters == [.embeddedEngine])
      #expect(configuration.models == ModelEntry.embedded)
      #expect(configuration.routes.map(\.name) == ["default"] && configuration.routes[0].cluster == .byModel)
      #expect(configuration.limits == LimitsConfiguration() && !configuration.limits.isConnectionsExplicit)
      #expect(configuration.plugins == PluginsConfiguration(folder: folder.path + "/Plugins", auto: true))
      #expect(configuration.log == LogConfiguration() && configuration.drain.timeoutMs == 600_000)
    }
  }

  @Test("every known key, misspelt, is refused where it stands and the right one is suggested")
  func misspeltKeys() throws {
    let folder = try ConfigurationFolder(files: SampleConfiguration.files)
    let lines = SampleConfiguration.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    // Words before a colon; those of a map whose keys are free are left out.
    let free: Set<String> = ["colour", "X-Raw", "words", "rate", "per", "keys"]
    var tried = 0
    for (index, line) in lines.enumerated() {
      for match in line.matches(of: #/([A-Za-z_-]+):(?:\s|$)/#) {
        let key = String(match.1)
        guard !free.contains(key), !line.contains("config:") || key == "config" || key == "use" else { continue }
        var changed = lines
        changed[index] = line.replacingCharacters(in: match.1.startIndex..<match.1.endIndex, with: key + "x")
        let errors = folder.errors(changed.joined(separator: "\n"), environment: ["OPENAI_API_KEY": "k"])
        let column = line.distance(from: line.startIndex, to: match.1.startIndex) + 1
        let expected = "\(index + 1):\(column) unknown key `\(key)x`"
        #expect(
          errors.contains {
            $0.hasPrefix(expected) && $0.contains("did you mean `\(key)`?") && $0.contains("allowed here:")
          },
          "\(expected): \(errors)")
        tried += 1
      }
    }
    #expect(tried > 60)
  }

  @Test("what the repository ships is right")
  func shipped() throws {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let text = try FileText.read("/" + root + "/Config/tidegate.yaml").get()
    let folder = try ConfigurationFolder()
    let loaded = try folder.load(text).get()
    #expect(loaded.warnings.isEmpty)
    #expect(
      loaded.configuration.policies.map(\.policy)
        == ["api-keys", "rate-limit", "model-router", "prompt-template", "word-filter"])
    #expect(loaded.configuration.policies.map(\.policy) == BuiltInPolicies.configurations.map(\.name))
    #expect(
      Set(loaded.configuration.models.map(\.id)) == Set(ModelEntry.embedded.map(\.id)),
      "the built-in default is the same")
    let keys = try YAMLDocument.parse(FileText.read("/" + root + "/Config/keys.yaml").get(), file: "keys.yaml")
    guard case .array(let entries) = keys.value, case .string(let hash)? = entries.first?["hash"]?.value
    else {
      Issue.record("keys.yaml has no entries")
      return
    }
    #expect(hash == "e7aab4b439baa8c615eb31e352f5b4259085813fbcd95a65a5a346a6bdfb1bb3")
  }
}
