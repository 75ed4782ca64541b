import Glibc
import TideConfig
import TideCore
import TideLua
import TidePolicy

/// A gateway of a test: what it is made of, the rehearsal that runs, and what was done with it, so that a case can be run again.
final class TestGateway {
  static let keys = ["models", "clusters", "routes", "anonymous", "limits", "files"]
  private static let bindingKeys = ["use", "as", "when", "config", "failure", "share", "source"]

  /// Something done to a gateway, and when.
  struct Event {
    enum Deed {
      case chat(ChatCase)
      case reload(Generation)
    }

    var elapsedNs: UInt64
    var deed: Deed
  }

  let surroundings: RehearsalGateway.Surroundings
  private(set) var folder: PolicyFolder
  private let root: ConfigNode
  private let files: [String: LoadedFile]
  private(set) var configuration: GatewayConfiguration
  let seed: UInt64
  /// Among the gateways of its test, from 0.
  private let number: Int
  private(set) var live: RehearsalGateway
  private(set) var history: [Event] = []
  /// The generation that each replay begins with, compiled with the clock and log of replays.
  private var first: (generation: Generation, services: RehearsalServices)?
  private let firstFolder: PolicyFolder
  private var generationNumber = 1
  /// Names of the policies that are bound.
  private(set) var policyNames: [String] = []

  init(
    _ value: LuaValue, folder: PolicyFolder, file: String, services: RehearsalServices, seed: UInt64,
    number: Int = 0, surroundings: RehearsalGateway.Surroundings
  ) throws(TestProblem) {
    self.surroundings = surroundings
    self.seed = seed
    self.number = number
    if value["use"] != nil {
      throw TestProblem("gateway: bindings stand in a list, each in braces of its own: t.gateway { { use = ... } }")
    }
    let table = try TestTable(value, "gateway", allowed: Self.keys)
    var folder = folder
    var bindings: [ConfigNode] = []
    for (index, binding) in table.elements.enumerated() {
      let fields = try TestTable(binding, "binding \(index + 1) of the gateway", allowed: Self.bindingKeys)
      guard let name = try fields.text("use") else {
        throw TestProblem("binding \(index + 1) of the gateway needs a 'use': the policy's name")
      }
      policyNames.append(name)
      if let source = try fields.text("source") {
        folder.replace(name, with: Array(source.utf8), file: name + ".lua")
      } else if !folder.sources.contains(where: { $0.name == name }) {
        let names = folder.sources.map(\.name)
        let hint = nearestName(to: name, among: names).map { "did you mean \($0)?" }
        throw TestProblem(
          "there is no policy \(name) in \(folder.path) (\(hint ?? "policies there: " + names.joined(separator: ", ")))"
        )
      }
      bindings.append(Self.binding(PolicyValue(binding)))
    }
    self.folder = folder.keeping(Set(policyNames))
    firstFolder = self.folder
    files = Dictionary(
      try (table.map("files") ?? []).map { name, content in
        (name, LoadedFile(content: PolicyValue(content).configNode, hash: 0))
      }, uniquingKeysWith: { $1 })
    root = Self.root(table, bindings, folder: Self.absolute(folder.path))
    switch ConfigurationLoader.load(root, file: file) {
    case .failure(let failure): throw Self.problem(failure.diagnostics)
    case .success(let loaded): configuration = loaded.configuration
    }
    let generation = try Self.generation(
      1, configuration, self.folder, files, services)
    do throws(LuaFailure) {
      live = try RehearsalGateway(
        generation, services: services, seed: seed, number: number, surroundings: surroundings)
    } catch {
      throw TestProblem(error.description)
    }
  }

  // MARK: Configuration

  private static func absolute(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func binding(_ value: PolicyValue) -> ConfigNode {
    guard let entries = value.entries else { return value.configNode }
    return ConfigNode(
      .map(
        entries.filter { $0.key != "source" }.map { entry in
          let isEmpty = entry.value.entries?.isEmpty == true
          return ConfigNode.Entry(key: entry.key, value: isEmpty ? ConfigNode(.map([])) : entry.value.configNode)
        }))
  }

  private static func entry(_ key: String, _ value: ConfigNode) -> ConfigNode.Entry {
    ConfigNode.Entry(key: key, value: value)
  }

  private static func text(_ text: String) -> ConfigNode { ConfigNode(.string(text)) }

  /// The configuration around the bindings: every model goes to the first cluster unless the test says otherwise.
  private static func root(_ table: TestTable, _ bindings: [ConfigNode], folder: String) -> ConfigNode {
    let written = table["clusters"].map { PolicyValue($0).elements ?? [] } ?? [.string("upstream")]
    let clusters = written.map(cluster)
    let first = clusters.first?["name"] ?? text("upstream")
    var entries = [
      entry("plugins", ConfigNode(.map([entry("folder", text(folder)), entry("auto", ConfigNode(.boolean(false)))]))),
      entry("clusters", ConfigNode(.array(clusters))),
      entry("policies", ConfigNode(.array(bindings))),
    ]
    let all = ConfigNode(.array([ConfigNode(.map([entry("id", text("*")), entry("cluster", first)]))]))
    entries.append(entry("models", table["models"].map { PolicyValue($0).configNode } ?? all))
    if let routes = table["routes"] {
      entries.append(entry("routes", PolicyValue(routes).configNode))
    } else if table["anonymous"]?.booleanValue == true {
      let route = ConfigNode(.map([entry("name", text("default")), entry("anonymous", ConfigNode(.boolean(true)))]))
      entries.append(entry("routes", ConfigNode(.array([route]))))
    }
    if let limits = table["limits"] { entries.append(entry("limits", PolicyValue(limits).configNode)) }
    return ConfigNode(.map(entries))
  }

  /// A name alone is a cluster of three endpoints that speak every dialect, so that two retries find one.
  private static func cluster(_ value: PolicyValue) -> ConfigNode {
    var entries = value.entries ?? [PolicyValue.Entry("name", .string(value.text ?? ""))]
    let name = entries.first { $0.key == "name" }?.value.text ?? ""
    if !entries.contains(where: { $0.key == "endpoints" }) {
      let endpoints = (1...3).map { number -> PolicyValue in
        .map([PolicyValue.Entry("url", .string("http://\(name)-\(number).test:80"))])
      }
      entries.append(PolicyValue.Entry("endpoints", .array(endpoints)))
    }
    if !entries.contains(where: { $0.key == "dialect" }) {
      entries.append(PolicyValue.Entry("dialect", .array([.string("openai"), .string("anthropic")])))
    }
    return PolicyValue.map(entries).configNode
  }

  private static func problem(_ diagnostics: [Diagnostic]) -> TestProblem {
    TestProblem(
      diagnostics.map { $0.message + ($0.hint.isEmpty ? "" : " (\($0.hint))") }.joined(separator: "; "))
  }

  private static func generation(
    _ number: Int, _ configuration: GatewayConfiguration, _ folder: PolicyFolder, _ files: [String: LoadedFile],
    _ services: RehearsalServices
  ) throws(TestProblem) -> Generation {
    let routes = configuration.routes
    let compiled = PolicyCompiler.compile(
      folder: folder, bindings: configuration.policies,
      routeBindings: Dictionary(routes.map { ($0.name, $0.policies) }, uniquingKeysWith: { first, _ in first }),
      without: Dictionary(routes.map { ($0.name, Set($0.without)) }, uniquingKeysWith: { first, _ in first }),
      anonymousRoutes: Set(routes.filter(\.anonymous).map(\.name)), auto: false, configDirectory: folder.path,
      services: services.services
    ) { (path: String) throws(Diagnostic) -> LoadedFile in
      let name = path.split(separator: "/").last.map(String.init) ?? path
      if let file = files[name] { return file }
      return try PolicyDataFile.load(path)
    }
    switch compiled {
    case .failure(let failure):
      throw TestProblem(failure.diagnostics.map(\.description).joined(separator: "\n"))
    case .success(let blueprint):
      return Generation(
        number: number, configuration: configuration, policies: blueprint,
        clusters: Dictionary(
          configuration.clusters.map { ($0.name, makeCluster($0)) }, uniquingKeysWith: { first, _ in first }))
    }
  }

  private static func makeCluster(_ cluster: ClusterConfiguration) -> Cluster {
    let endpoints = cluster.endpoints.map { endpoint in
      Endpoint(
        cluster: cluster.name, host: endpoint.host, port: endpoint.port, authority: endpoint.authority,
        isSecure: false, choice: .http2, pathPrefix: endpoint.pathPrefix, weight: endpoint.weight,
        serverName: endpoint.host, trust: "", maxConnections: cluster.maxConnections,
        connectTimeoutMs: cluster.timeouts.connectMs)
    }
    return Cluster(configuration: cluster, endpoints: endpoints, tls: nil)
  }

  // MARK: Deeds

  /// Sends a case's request in the gateway of the test itself.
  ///
  /// - Returns: its place in the history, for `replay`.
  func begin(_ chat: ChatCase) -> (client: RehearsalClient, place: Int) {
    history.append(Event(elapsedNs: live.services.clock.elapsedNs, deed: .chat(chat)))
    return (live.begin(chat.request(chat.delivery)), history.count - 1)
  }

  /// What saving a policy's file does.
  func reload(_ name: String, _ source: String) throws(TestProblem) {
    guard policyNames.contains(name) else { return }
    var next = folder
    next.replace(name, with: Array(source.utf8), file: name + ".lua")
    generationNumber += 1
    let generation = try Self.generation(generationNumber, configuration, next, files, live.services)
    do throws(LuaFailure) { try live.adopt(generation) } catch { throw TestProblem(error.description) }
    folder = next
    let replayed = try Self.generation(generationNumber, configuration, next, files, try replayStart().services)
    history.append(Event(elapsedNs: live.services.clock.elapsedNs, deed: .reload(replayed)))
  }

  private func replayStart() throws(TestProblem) -> (generation: Generation, services: RehearsalServices) {
    if let first { return first }
    let services = RehearsalServices(clock: RehearsalClock(), seed: seed, lines: surroundings.lines)
    let made = (try Self.generation(1, configuration, firstFolder, files, services), services)
    first = made
    return made
  }

  /// What policies logged of an exchange of the last replay.
  func replayLog(of exchangeID: String) -> [PolicyLogEntry] { first?.services.log(of: exchangeID) ?? [] }

  /// What the chat at `place` costs when everything up to it is run again.
  func cost(of place: Int, _ delivery: Delivery) throws(TestProblem) -> CaseCost {
    let services = try replayStart().services
    services.isMeasured = true
    defer { services.isMeasured = false }
    var delivery = delivery
    // What is held shows between the reads.
    delivery.reads = .events
    var cost = CaseCost()
    _ = try replay(place, delivery, cost: &cost)
    return cost
  }

  /// Runs everything up to the event at `place` again in a gateway of its own, and the chat there in another way of travelling.
  func replay(_ place: Int, _ delivery: Delivery) throws(TestProblem) -> RehearsalClient {
    var unmeasured = CaseCost()
    return try replay(place, delivery, cost: &unmeasured)
  }

  private func replay(
    _ place: Int, _ delivery: Delivery, cost: inout CaseCost
  ) throws(TestProblem) -> RehearsalClient {
    let (generation, services) = try replayStart()
    services.restart()
    do throws(LuaFailure) {
      let gateway = try RehearsalGateway(
        generation, services: services, seed: seed, number: number, surroundings: surroundings)
      for event in history[...place].dropLast() {
        services.clock.restart(elapsedNs: event.elapsedNs)
        gateway.clockMoved()
        switch event.deed {
        case .reload(let generation): try gateway.adopt(generation)
        case .chat(let chat): _ = gateway.finish(gateway.begin(chat.request(chat.delivery)))
        }
      }
      services.clock.restart(elapsedNs: history[place].elapsedNs)
      gateway.clockMoved()
      guard case .chat(let chat) = history[place].deed else { preconditionFailure("only chats are run again") }
      let before = gateway.policies.costs
      gateway.heldByteCountMax = services.isMeasured ? 0 : nil
      let client = gateway.begin(chat.request(delivery))
      _ = gateway.finish(client)
      cost.hooks = zip(before, gateway.policies.costs).map { old, new in
        let instructions = max(0, new.cost.instructions - old.cost.instructions)
        return (new.binding, LuaCost(instructions: instructions, bytes: max(0, new.cost.bytes - old.cost.bytes)))
      }
      cost.httpCalls = client.calls.count + client.unexpectedCalls.count
      cost.heldBytes = gateway.heldByteCountMax ?? 0
      return client
    } catch {
      throw TestProblem(error.description)
    }
  }
}
