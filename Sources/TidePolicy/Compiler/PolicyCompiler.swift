import TideCore
import TideDialects
import TideLua

/// Makes a blueprint from a folder and bindings: loads every file in a scratch state, checks manifests and
/// configurations, runs `on_load`. Collects every problem; one is enough to refuse the whole set.
///
/// For the control thread: it may take milliseconds a policy.
public struct PolicyCompiler {
  /// Reads and parses a YAML or JSON file.
  public typealias FileLoader = @Sendable (_ path: String) throws(Diagnostic) -> LoadedFile

  private let services: PolicyHostServices
  private let loadFile: FileLoader
  private let directory: String
  private(set) var problems: [Diagnostic] = []
  private var warnings: [Diagnostic] = []
  private(set) var manifests: [String: PolicyManifest] = [:]
  private var bound: [BoundPolicy] = []
  private var configFiles: [[String]] = []
  private var hash = ContentHash()

  /// - Parameters:
  ///   - folder: of policies.
  ///   - bindings: global ones, in order.
  ///   - routeBindings: by route, every route that exists: they run after the global ones.
  ///   - without: global bindings that a route leaves out.
  ///   - anonymousRoutes: where a client without an identity may pass.
  ///   - auto: files that say `auto = true` are bound globally, after the listed ones.
  ///   - configDirectory: what relative names of files are relative to.
  ///   - lint: what comes of mistakes that the sources of what is bound show.
  public static func compile(
    folder: PolicyFolder, bindings: [PolicyBinding], routeBindings: [String: [PolicyBinding]] = [:],
    without: [String: Set<String>] = [:], anonymousRoutes: Set<String> = [], auto: Bool = true,
    configDirectory: String = "", lint: LintMode = .off, services: PolicyHostServices, loadFile: @escaping FileLoader
  ) -> Result<PolicyBlueprint, PolicyLoadFailure> {
    var compiler = PolicyCompiler(services: services, loadFile: loadFile, directory: configDirectory)
    compiler.problems = folder.problems
    compiler.readManifests(folder)
    let automatic = auto ? compiler.automaticBindings(folder, listed: bindings, routeBindings) : []
    let global = (bindings + automatic).compactMap { compiler.bind($0, folder) }
    var routes: [String: [Int]] = [:]
    for (route, list) in routeBindings.sorted(by: { $0.key < $1.key }) {
      let left = without[route] ?? []
      for name in left.sorted() where !global.contains(where: { compiler.bound[$0].name == name }) {
        let names = global.map { compiler.bound[$0].name }
        compiler.problems.append(
          Diagnostic(
            file: bindings.first?.file ?? "", message: "route \(route): without names no global binding: \(name)",
            hint: nearestName(to: name, among: names).map { "did you mean \($0)?" } ?? ""))
      }
      routes[route] =
        global.filter { !left.contains(compiler.bound[$0].name) } + list.compactMap { compiler.bind($0, folder) }
    }
    for (route, left) in without where routes[route] == nil {
      routes[route] = global.filter { !left.contains(compiler.bound[$0].name) }
    }
    compiler.checkNames(bindings + automatic + routeBindings.values.flatMap(\.self))
    if compiler.problems.isEmpty, lint != .off { compiler.lookThrough(mayRefuse: lint == .refuse) }
    if compiler.problems.isEmpty { compiler.tryOut() }
    guard compiler.problems.isEmpty else { return .failure(PolicyLoadFailure(compiler.problems)) }
    return .success(compiler.blueprint(folder, global, routes, anonymousRoutes, automatic))
  }

  init(services: PolicyHostServices, loadFile: @escaping FileLoader, directory: String) {
    self.services = services
    self.loadFile = loadFile
    self.directory = directory
  }

  // MARK: Manifests

  mutating func readManifests(_ folder: PolicyFolder) {
    for source in folder.sources {
      hash.add(Array(source.name.utf8))
      hash.add(source.hash)
      do throws(LuaFailure) {
        let table = try Self.table(of: source, services)
        var reader = ManifestReader(name: source.name)
        if var manifest = reader.manifest(table) {
          if services.cpuFactor > 1 { manifest.budgets.relaxCPU(by: services.cpuFactor) }
          manifests[source.name] = manifest
        }
        guard !reader.problems.isEmpty else { continue }
        let places = ManifestPlaces(source.text)
        problems += reader.problems.map {
          Diagnostic(file: source.path, line: places.line(of: $0.keys), message: $0.message)
        }
      } catch {
        problems.append(
          Diagnostic(
            file: error.file.isEmpty ? source.path : error.file, line: error.line,
            message: error.isAbort ? "loading was stopped: \(error.message)" : error.message))
      }
    }
  }

  /// Runs the file in a scratch state and copies out what it returned.
  private static func table(
    of source: PolicySource, _ services: PolicyHostServices
  ) throws(LuaFailure) -> PolicyValue {
    try withScratchMachine(for: source, services) { machine throws(LuaFailure) in
      let environment = try machine.makeEnvironment()
      return PolicyValue(
        try machine.load(source: source.text, chunkName: source.path, environment: environment).get())
    }
  }

  /// A machine as policies get it, bound to nothing.
  static func withScratchMachine<Result>(
    for source: PolicySource, _ services: PolicyHostServices,
    _ body: (LuaMachine) throws(LuaFailure) -> Result
  ) throws(LuaFailure) -> Result {
    let manifest = PolicyManifest(
      name: source.name, version: "", auto: false, schema: PolicySchema(), channels: .text, segment: nil,
      budgets: HookBudgets(), failure: [:], hooks: [])
    let scratch = BoundPolicy(
      index: 0, binding: PolicyBinding(policy: source.name), manifest: manifest, source: source, config: .map([]))
    let host = BindingHost(binding: scratch, services: services, store: SharedStore(keysMax: 64, bytesMax: 1 << 20))
    host.machineBegins()
    let machine = try LuaMachine(options: LuaMachineOptions(), host: host)
    try BindingHost.register(on: machine)
    defer { withExtendedLifetime(host) {} }
    return try body(machine)
  }

  private func automaticBindings(
    _ folder: PolicyFolder, listed: [PolicyBinding], _ routes: [String: [PolicyBinding]]
  ) -> [PolicyBinding] {
    let used = Set((listed + routes.values.flatMap(\.self)).map(\.policy))
    return folder.sources.filter { manifests[$0.name]?.auto == true && !used.contains($0.name) }
      .map { PolicyBinding(policy: $0.name, file: $0.path, line: 1, column: 1) }
  }

  // MARK: Bindings

  /// - Returns: the binding's index, or nil after noting what is wrong with it.
  private mutating func bind(_ binding: PolicyBinding, _ folder: PolicyFolder) -> Int? {
    func problem(_ message: String, _ hint: String = "") -> Diagnostic {
      Diagnostic(file: binding.file, line: binding.line, column: binding.column, message: message, hint: hint)
    }
    guard let source = folder.sources.first(where: { $0.name == binding.policy }) else {
      let near = nearestName(to: binding.policy, among: folder.sources.map(\.name))
      problems.append(
        problem(
          "there is no policy \(binding.policy) in \(folder.path)",
          near.map { "did you mean \($0)?" } ?? "policies there: " + folder.sources.map(\.name).joined(separator: ", "))
      )
      return nil
    }
    guard let manifest = manifests[binding.policy] else { return nil }
    for hook in binding.failure.keys.sorted() where HookName(name: hook) == nil {
      problems.append(
        problem(
          "policy \(binding.name): failure: unknown hook \(hook)",
          nearestName(to: hook, among: HookName.allCases.map(\.name)).map { "did you mean \($0)?" } ?? ""))
    }
    if manifest.hooks.contains(.onAuth), let when = binding.when {
      for key in when.keys.filter({ !$0.isKnownFromHead }).map(\.rawValue).sorted() {
        problems.append(
          problem(
            "policy \(binding.name) has on_auth, which runs before the body is read: its when cannot ask for \(key)",
            "path, method, host, header, route and listener are known then"))
      }
    }
    var checker = ConfigChecker(binding: binding, directory: directory, load: loadFile)
    let config = checker.check(manifest.schema)
    problems += checker.problems
    warnings += checker.warnings
    for file in checker.files { hash.add(file.hash) }
    configFiles.append(checker.files.map(\.path))
    bound.append(
      BoundPolicy(index: bound.count, binding: binding, manifest: manifest, source: source, config: config))
    return bound.count - 1
  }

  private mutating func checkNames(_ bindings: [PolicyBinding]) {
    var seen: Set<String> = []
    for binding in bindings where !seen.insert(binding.name).inserted {
      problems.append(
        Diagnostic(
          file: binding.file, line: binding.line, column: binding.column,
          message: "the binding \(binding.name) exists twice", hint: "give one of them a name of its own with as"))
    }
  }

  /// Reads the sources of what is bound for mistakes that would show only when a hook runs.
  private mutating func lookThrough(mayRefuse: Bool) {
    var seen: Set<String> = []
    for policy in bound where seen.insert(policy.manifest.name).inserted {
      for var finding in PolicyLint(policy.source, policy.manifest, services: services).problems {
        if mayRefuse, finding.severity == .error {
          problems.append(finding)
        } else {
          finding.severity = .warning
          warnings.append(finding)
        }
      }
    }
  }

  /// Builds each binding's state once, `on_load` included, in a store of its own.
  private mutating func tryOut() {
    let store = SharedStore(keysMax: 4096, bytesMax: 4 << 20)
    for index in bound.indices {
      let policy = bound[index]
      do throws(LuaFailure) {
        let machine = try BindingMachine(policy, services: services, store: store, seed: 1)
        compileFilters(machine.filters.map(\.filter), of: index)
      } catch {
        problems.append(
          Diagnostic(
            file: error.file.isEmpty ? policy.source.path : error.file, line: error.line,
            message: "policy \(policy.name): " + error.message))
      }
    }
  }

  private mutating func compileFilters(_ filters: [DeclaredFilter], of index: Int) {
    let policy = bound[index]
    if policy.masksPrompts { EntityFinder.prepare() }
    guard !filters.isEmpty else { return }
    do throws(FilterProblem) {
      bound[index].filters = try FilterProgram(
        filters, hold: policy.manifest.hold, channels: policy.manifest.channels)
    } catch {
      problems.append(
        Diagnostic(file: policy.source.path, line: 1, message: "policy \(policy.name): \(error.description)"))
    }
  }

  // MARK: The result

  private func blueprint(
    _ folder: PolicyFolder, _ global: [Int], _ routes: [String: [Int]], _ anonymous: Set<String>,
    _ automatic: [PolicyBinding]
  ) -> PolicyBlueprint {
    let autoNames = Set(automatic.map(\.name))
    let descriptions = bound.enumerated().map { index, policy in
      PolicyDescription(
        policy: policy.manifest.name, binding: policy.name, file: policy.source.path, version: policy.manifest.version,
        hooks: policy.hooks.hooks.map(\.name), isAutomatic: autoNames.contains(policy.name),
        routes: Self.places(index, global, routes), config: Self.shown(policy.config, policy.manifest.schema.members),
        failure: Dictionary(
          uniqueKeysWithValues: policy.hooks.hooks.map { ($0.name, policy.failureAction($0).rawValue) }),
        files: [policy.source.path] + policy.source.modules.values.map(\.path).sorted() + configFiles[index])
    }
    return PolicyBlueprint(
      bindings: bound, routes: routes, everywhere: global, anonymousRoutes: anonymous, services: services,
      descriptions: descriptions, watchedFiles: folder.files + configFiles.flatMap(\.self), hash: hash.value,
      warnings: warnings)
  }

  private static func places(_ index: Int, _ global: [Int], _ routes: [String: [Int]]) -> [String] {
    let names = routes.filter { $0.value.contains(index) }.map(\.key).sorted()
    return global.contains(index) && names.count == routes.count ? ["*"] : names
  }

  /// The configuration without secrets and without the content of files.
  private static func shown(_ config: PolicyValue, _ members: [PolicySchema.Member]) -> PolicyValue {
    guard let entries = config.entries else { return config }
    return .map(
      entries.map { entry in
        switch members.first(where: { $0.name == entry.key })?.field.kind {
        case .file?: PolicyValue.Entry(entry.key, .string("<file>"))
        case .object(let inner)?: PolicyValue.Entry(entry.key, shown(entry.value, inner))
        default: PolicyValue.Entry(entry.key, hidden(entry.value))
        }
      })
  }

  private static func hidden(_ value: PolicyValue) -> PolicyValue {
    switch value {
    case .secret: .string("<hidden>")
    case .array(let elements): .array(elements.map(hidden))
    case .map(let entries): .map(entries.map { PolicyValue.Entry($0.key, hidden($0.value)) })
    default: value
    }
  }
}
