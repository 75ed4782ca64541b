import TideConfig
import TideCore
import TideEngine
import TideHTTP
import TideIO
import TidePolicy

/// Builds generations on the control thread: reads the configuration, compiles the policies, loads certificates, starts embedded
/// engines. All of it succeeds or nothing changes.
final class GenerationBuilder {
  private let configPath: String?
  private let environment: [String: String]
  private let services: PolicyHostServices
  /// Engines by the settings that matter, kept over reloads.
  private var engines: [EngineKey: (engine: Engine, address: SocketAddress)] = [:]
  private var nextNumber = 1
  /// Kept over reloads.
  private var fetchTLS: TLSClientContext?
  /// What the last configuration that could be read consisted of.
  private var knownFiles: [String] = []
  private let requiredTests = RequiredTests()
  private let onTests: (String, GatewayConfiguration) -> Void
  /// Readable when a run of tests is not worth waiting for any more.
  private let interrupt: Int32?

  private struct EngineKey: Hashable {
    var cluster: String
    var mode: String
    var intervalMs: Int
  }

  /// What a generation is made of.
  struct Checked {
    var loaded: LoadedConfiguration
    var blueprint: PolicyBlueprint
    /// Tests of its policies that passed; nil where none are required.
    var testCount: Int?
  }

  /// A generation with what came along on the way to it.
  struct Built {
    var generation: Generation
    var loaded: LoadedConfiguration
    var testCount: Int?

    /// What the operator should know of it, though it may serve.
    var warnings: [Diagnostic] { loaded.warnings + generation.policies.warnings }
  }

  struct Failure: Error {
    var diagnostics: [Diagnostic]
    /// What should be watched all the same, so that mending the file is seen.
    var files: [String]
    var folder: String?
  }

  /// - Parameters:
  ///   - interrupt: a descriptor that is readable when the builder should not be waited for any more.
  ///   - onTests: gets a line for the log when policies' tests begin and when they have ended, and what will be configured.
  init(
    configPath: String?, environment: [String: String], services: PolicyHostServices, interrupt: Int32? = nil,
    onTests: @escaping (String, GatewayConfiguration) -> Void = { _, _ in }
  ) {
    self.configPath = configPath
    self.environment = environment
    self.services = services
    self.interrupt = interrupt
    self.onTests = onTests
  }

  /// Reads and checks everything that `run` would, without opening a port or starting an engine.
  func check() -> Result<Checked, Failure> {
    let loaded: LoadedConfiguration
    switch load() {
    case .success(let value): loaded = value
    case .failure(let failure):
      // Without `--config` only the last good one tells which file it was.
      let files = Set(knownFiles).union(configPath.map { [$0] } ?? [])
      return .failure(Failure(diagnostics: failure.diagnostics, files: Array(files), folder: nil))
    }
    knownFiles = loaded.files
    let plugins = loaded.configuration.plugins
    let folder = plugins.folder.map { PolicyFolder(path: $0) } ?? PolicyFolder()
    return compile(loaded, folder).flatMap { blueprint -> Result<Checked, PolicyLoadFailure> in
      guard plugins.requiresTests else { return .success(Checked(loaded: loaded, blueprint: blueprint)) }
      return requiredTests.pass(
        folder, blueprint.descriptions, limitMs: plugins.testTimeoutMs, interrupt: interrupt,
        tell: { onTests($0, loaded.configuration) }
      ).map { Checked(loaded: loaded, blueprint: blueprint, testCount: $0) }
    }.mapError { Failure(diagnostics: $0.diagnostics, files: loaded.files, folder: plugins.folder) }
  }

  /// Builds the next generation.
  func build() -> Result<Built, Failure> {
    check().flatMap { checked in
      let (loaded, blueprint) = (checked.loaded, checked.blueprint)
      let configuration = loaded.configuration
      var clusters: [String: Cluster] = [:]
      do {
        if blueprint.callsSecureHosts, fetchTLS == nil {
          fetchTLS = try TLSClientContext(verify: true, ca: .system, protocols: [.h2, .http11])
        }
        for cluster in configuration.clusters { clusters[cluster.name] = try makeCluster(cluster) }
        for listener in configuration.listeners { _ = try makeTLS(listener, ticketKeys: TLSTicketKeys()) }
      } catch {
        let diagnostic = error as? Diagnostic ?? Diagnostic(file: loaded.source, message: "\(error)")
        return .failure(
          Failure(diagnostics: [diagnostic], files: loaded.files, folder: configuration.plugins.folder))
      }
      let generation = Generation(
        number: nextNumber, configuration: configuration, policies: blueprint, clusters: clusters,
        fetchTLS: fetchTLS)
      nextNumber += 1
      return .success(Built(generation: generation, loaded: loaded, testCount: checked.testCount))
    }
  }

  func stopEngines() {
    for (engine, _) in engines.values { engine.stop() }
    engines = [:]
  }

  /// A listener's TLS context; nil for cleartext.
  func makeTLS(_ listener: ListenerConfiguration, ticketKeys: TLSTicketKeys) throws -> TLSServerContext? {
    guard let tls = listener.tls else { return nil }
    return try TLSServerContext(
      certificates: tls.certificates.map {
        TLSCertificate(certificatePath: $0.certificate, keyPath: $0.key, names: $0.names)
      },
      protocols: listener.protocols.compactMap {
        switch $0 {
        case .h2: .h2
        case .http11: .http11
        case .h2c: nil
        }
      },
      clientCA: tls.clientCA, ticketKeys: ticketKeys)
  }

  private func load() -> Result<LoadedConfiguration, ConfigurationFailure> {
    if let configPath { return ConfigurationLoader.load(path: configPath, environment: environment) }
    return ConfigurationLoader.loadDefault(environment: environment)
  }

  private func compile(
    _ loaded: LoadedConfiguration, _ folder: PolicyFolder
  ) -> Result<PolicyBlueprint, PolicyLoadFailure> {
    let configuration = loaded.configuration
    let routes = configuration.routes
    return PolicyCompiler.compile(
      folder: folder, bindings: configuration.policies,
      routeBindings: Dictionary(routes.map { ($0.name, $0.policies) }, uniquingKeysWith: { first, _ in first }),
      without: Dictionary(routes.map { ($0.name, Set($0.without)) }, uniquingKeysWith: { first, _ in first }),
      anonymousRoutes: Set(routes.filter(\.anonymous).map(\.name)), auto: configuration.plugins.auto,
      configDirectory: loaded.directory, lint: configuration.plugins.lint, services: services,
      loadFile: PolicyDataFile.load)
  }

  /// What is wrong with the listeners' certificates, if anything.
  func checkTLS(_ configuration: GatewayConfiguration) -> Diagnostic? {
    do {
      for listener in configuration.listeners { _ = try makeTLS(listener, ticketKeys: TLSTicketKeys()) }
      return nil
    } catch {
      return error as? Diagnostic ?? Diagnostic(file: "", message: "\(error)")
    }
  }

  private func makeCluster(_ cluster: ClusterConfiguration) throws -> Cluster {
    if let engine = cluster.engine {
      let address = try engineAddress(cluster.name, engine)
      let endpoint = Endpoint(
        cluster: cluster.name, host: address.host, port: Int(address.port), authority: address.description,
        isSecure: false, choice: .http2, pathPrefix: "", weight: 1, serverName: address.host, trust: "",
        maxConnections: cluster.maxConnections, connectTimeoutMs: cluster.timeouts.connectMs)
      return Cluster(configuration: cluster, endpoints: [endpoint], tls: nil)
    }
    let endpoints = cluster.endpoints.map { endpoint in
      Endpoint(
        cluster: cluster.name, host: endpoint.host, port: endpoint.port, authority: endpoint.authority,
        isSecure: endpoint.scheme == .https, choice: choice(of: endpoint), pathPrefix: endpoint.pathPrefix,
        weight: endpoint.weight, serverName: cluster.tls.serverName ?? endpoint.host, trust: "\(cluster.tls)",
        maxConnections: cluster.maxConnections, connectTimeoutMs: cluster.timeouts.connectMs)
    }
    guard endpoints.contains(where: \.isSecure) else {
      return Cluster(configuration: cluster, endpoints: endpoints, tls: nil)
    }
    let protocols: [ApplicationProtocol] =
      endpoints.allSatisfy { $0.choice == .http1 }
      ? [.http11] : endpoints.allSatisfy { $0.choice == .http2 } ? [.h2] : [.h2, .http11]
    let authority: TLSAuthority =
      switch cluster.tls.ca {
      case .system: .system
      case .file(let path): .file(path)
      }
    let tls = try TLSClientContext(verify: cluster.tls.verify, ca: authority, protocols: protocols)
    return Cluster(configuration: cluster, endpoints: endpoints, tls: tls)
  }

  private func choice(of endpoint: EndpointConfiguration) -> HTTPVersionChoice {
    switch endpoint.transport {
    case .automatic: endpoint.scheme == .https ? .negotiate : .http1
    case .http11: .http1
    case .h2, .h2c: .http2
    }
  }

  private func engineAddress(_ cluster: String, _ configuration: EngineConfiguration) throws -> SocketAddress {
    let key = EngineKey(
      cluster: cluster, mode: configuration.mode.rawValue, intervalMs: configuration.intervalMs)
    if let running = engines[key] { return running.address }
    var settings = EngineSettings()
    settings.mode =
      switch configuration.mode {
      case .echo: .echo
      case .script: .scripted
      case .lorem: .lorem
      }
    settings.intervalMicroseconds = configuration.intervalMs * 1000
    let engine = Engine(settings)
    let address = try engine.start()
    engines[key] = (engine, address)
    return address
  }
}
