import Testing
import TideCore

@testable import TideConfig

@Suite("Where the configuration comes from")
struct ConfigurationLoaderTests {
  @Test("TIDEGATE_CONFIG, Config/tidegate.yaml, tidegate.yaml, built-in: in this order")
  func order() throws {
    let folder = try ConfigurationFolder()
    func load(_ environment: [String: String] = [:]) throws -> LoadedConfiguration {
      try ConfigurationLoader.loadDefault(environment: environment, folder: folder.path).get()
    }
    #expect(try load().source.hasPrefix("built-in default"))
    #expect(try load().files.isEmpty)
    try folder.write("workers: 2", to: "tidegate.yaml")
    #expect(try load().configuration.workers == .exactly(2))
    try folder.write("workers: 3", to: "Config/tidegate.yaml")
    #expect(try load().configuration.workers == .exactly(3))
    try folder.write("workers: 4", to: "other.yaml")
    let named = try load(["TIDEGATE_CONFIG": folder.path + "/other.yaml"])
    #expect(named.configuration.workers == .exactly(4) && named.source.contains("from TIDEGATE_CONFIG"))
    let missing = ConfigurationLoader.loadDefault(environment: ["TIDEGATE_CONFIG": "/none.yaml"], folder: folder.path)
    #expect(throws: ConfigurationFailure.self) { try missing.get() }
  }

  @Test("the built-in default binds the shipped policies that it finds")
  func builtIn() throws {
    let folder = try ConfigurationFolder(files: ["Plugins/word-filter.lua": "", "Plugins/rate-limit/policy.lua": ""])
    let loaded = try ConfigurationLoader.loadDefault(environment: [:], folder: folder.path).get()
    #expect(loaded.configuration.policies.map(\.policy) == ["rate-limit", "word-filter"])
    #expect(loaded.configuration.clusters == [.embeddedEngine])
    #expect(loaded.source.contains(folder.path + "/Plugins"))
  }

  @Test("a secret from a file is read, trimmed and watched")
  func secretFile() throws {
    let folder = try ConfigurationFolder(files: ["Config/secret": "s3cret\n"])
    let loaded = try folder.load(
      "clusters: [ { name: a, endpoints: [ { url: 'http://x' } ], credentials: { bearer: 'file:secret' } } ]\nmodels: []"
    ).get()
    #expect(loaded.configuration.clusters[0].credentials == .bearer(Secret("s3cret")))
    #expect(loaded.files.contains(folder.path + "/Config/secret"))
    #expect(loaded.warnings.map(\.message) == ["no `models`: a route by model answers 404 to every model"])
  }

  @Test("risky but legal settings are warned about")
  func warnings() throws {
    let folder = try ConfigurationFolder()
    let loaded = try folder.load(
      """
      admin: { address: '0.0.0.0:8081' }
      clusters: [ { name: a, endpoints: [ { url: 'https://x' } ], tls: { verify: false } } ]
      models: [ { id: m, cluster: a } ]
      """
    ).get()
    #expect(loaded.warnings.map(\.line).sorted() == [1, 2])
  }

  @Test(
    "durations and sizes",
    arguments: [
      ("250ms", 250), ("5s", 5_000), ("10m", 600_000), ("1.5h", 5_400_000), ("2d", 172_800_000), ("0.25s", 250),
    ])
  func durations(text: String, ms: Int) {
    #expect(DurationText.milliseconds(text) == ms)
  }

  @Test(
    "what is no duration",
    arguments: [
      "", "5", "ms", "-5s", "5 s", "5S", ".5s", "5.s", "1.2.3s", "1e3s", "99999999999999999999d", "9999999999999d",
      "٥s",
    ])
  func noDurations(text: String) {
    #expect(DurationText.milliseconds(text) == nil)
    #expect(SizeText.bytes(text) == nil)
  }

  @Test("sizes")
  func sizes() {
    #expect(SizeText.bytes("512B") == 512 && SizeText.bytes("64KiB") == 65_536 && SizeText.bytes("1.5GiB") == 3 << 29)
    #expect(SizeText.text(bytes: 10 << 20) == "10MiB" && SizeText.text(bytes: 1000) == "1000B")
    #expect(DurationText.text(ms: 90_000) == "90s" && DurationText.text(ms: 0) == "0ms")
  }

  @Test("addresses")
  func addresses() {
    #expect(ListenAddress(parsing: "[::1]:80") == ListenAddress(host: "::1", port: 80))
    #expect(ListenAddress(parsing: "[::1]:80")?.description == "[::1]:80")
    #expect(ListenAddress(parsing: "a.example:0")?.port == 0)
    for wrong in [
      "", ":", ":80", "a", "a:", "a:-1", "a:65536", "::1:80", "[::1]", "[x]:1", "300.0.0.1:1", "a b:1", "a:８",
    ] {
      #expect(ListenAddress(parsing: wrong) == nil, "\(wrong)")
    }
    #expect(ListenAddress(host: "127.9.9.9", port: 1).isLoopback && !ListenAddress(host: "0.0.0.0", port: 1).isLoopback)
    #expect(!ListenAddress(host: "127.evil.example", port: 1).isLoopback)
  }
}
