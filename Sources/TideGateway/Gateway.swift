import Glibc
import TideConfig
import TideCore
import TideHTTP
import TideIO
import TidePolicy
import TideStore
import TideTelemetry

/// The gateway as a program: starts everything, then waits on the control thread for signals and changed files until it is told to
/// stop.
public final class Gateway {
  public struct Options {
    /// Nil searches where `configuration.md` says.
    public var configPath: String?
    public var environment: [String: String]
    public var version: String

    public init(configPath: String?, environment: [String: String], version: String) {
      self.configPath = configPath
      self.environment = environment
      self.version = version
    }
  }

  /// What kept the gateway from starting: every problem, as the user is to read it.
  public struct StartFailure: Error {
    public var diagnostics: [Diagnostic]
  }

  private let options: Options
  private let stores = SharedStore()
  private let signals: SignalSet
  private let resolver = Resolver()
  private var watch = FileWatch()
  /// Keeps limits where gateways share them.
  private var store: StoreClient?
  private var builder: GenerationBuilder!
  private var log: GatewayLog!
  private var state: GatewayState!
  private var workers: [GatewayWorker] = []
  private var adminIO: Worker?
  private var admin: AdminServer?
  private var watchdog: StallWatchdog?
  private var started: GatewayConfiguration!
  /// The last reload found no memory: what it needs, and what it may take together with those alive.
  private var postponed: (needed: Int, limit: Int)?
  /// Told on the control thread when a worker has drained.
  private let drained = DrainCount()

  /// Call on the main thread before any other thread starts: signals are blocked here for all.
  public init(_ options: Options) {
    self.options = options
    signals = SignalSet()
  }

  /// Serves until a signal ends it.
  ///
  /// - Returns: the process's exit code.
  public func run() throws -> Int32 {
    try start()
    return serve()
  }

  // MARK: Start

  private func start() throws {
    let relay = PolicyLogRelay()
    builder = GenerationBuilder(
      configPath: options.configPath, environment: options.environment, services: .gateway(log: relay),
      interrupt: signals.descriptor
    ) { [unowned self] line, configuration in
      // Where the log cannot be opened, `start` says so.
      try? openLog(configuration, relay).notice(line)
    }
    let built: GenerationBuilder.Built
    switch builder.build() {
    case .success(let value): built = value
    case .failure(let failure):
      log?.close()
      throw StartFailure(diagnostics: failure.diagnostics)
    }
    let configuration = built.generation.configuration
    started = configuration
    let workerCount =
      switch configuration.workers {
      case .automatic: max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
      case .exactly(let count): count
      }
    do {
      try openLog(configuration, relay)
      let budget = try DescriptorBudget.plan(
        connections: configuration.limits.connections, isExplicit: configuration.limits.isConnectionsExplicit,
        upstreamConnections: configuration.clusters.reduce(0) { $0 + $1.maxConnections }, workers: workerCount,
        hardLimit: DescriptorBudget.currentLimit().hard)
      try budget.apply()
      if !budget.note.isEmpty { log.notice(budget.note) }
      store = SharedLimits.open(configuration.store, log: log)
      try makeWorkers(built.generation, count: workerCount, connectionLimit: budget.connections)
    } catch let diagnostic as Diagnostic {
      store?.stop()
      builder.stopEngines()
      throw StartFailure(diagnostics: [diagnostic])
    }
    state = GatewayState(
      generation: built.generation, source: built.loaded.source, warnings: built.warnings, version: options.version,
      stores: stores, store: store)
    try makeAdmin(configuration)
    for worker in workers { worker.io.start() }
    if configuration.workerCores == .own { keepWorkersOnCores() }
    adminIO?.start()
    watchdog = StallWatchdog(workers: workers.map(\.io))
    watchdog?.start()
    watchFiles(
      built.loaded.files + built.generation.policies.watchedFiles, built.generation.configuration.plugins.folder)
    Banner.print(
      built, version: options.version, workerCount: workerCount, listenerAddresses: listenerAddresses,
      isTerminal: isatty(1) == 1)
    if let log { workers.first?.io.post { log.log(.info, "\($0.sendBatching)") } }
    for warning in built.warnings { log.warning("\(warning)") }
    StartupMemory.release()
  }

  /// Opens the log once: before the first generation is built where there is something to say.
  @discardableResult
  private func openLog(_ configuration: GatewayConfiguration, _ relay: PolicyLogRelay) throws -> GatewayLog {
    if let log { return log }
    let opened = try GatewayLog(configuration.log)
    log = opened
    relay.connect(opened)
    return opened
  }

  /// Gives each worker a core. Where the kernel does not let it, they run as before.
  private func keepWorkersOnCores() {
    for worker in workers {
      guard let failure = worker.io.keepOnCore(worker.io.index) else { continue }
      return log.warning("workers run on any core, though `worker_cores` is `own`: \(failure)")
    }
  }

  private var listenerAddresses: [String: SocketAddress] = [:]

  private func makeWorkers(_ generation: Generation, count: Int, connectionLimit: Int) throws {
    let configuration = generation.configuration
    // Every address is probed before any is shared, so that two gateways never split a port between them.
    for listener in configuration.listeners { try Listener.probe(try address(of: listener.address)) }
    let ticketKeys = TLSTicketKeys()
    for index in 0..<count {
      let io = Worker(index: index, batchesSends: configuration.ioUring == .automatic)
      let local = WorkerGeneration(
        generation: generation,
        policies: try policyWorker(generation, index))
      workers.append(
        GatewayWorker(
          io: io, workerCount: count, generation: local, resolver: resolver, metrics: WorkerMetrics(), log: log,
          store: store))
    }
    for listener in configuration.listeners {
      var bound = try address(of: listener.address)
      for worker in workers {
        let socket = try ListeningSocket(address: bound)
        bound = socket.address
        var settings = HTTPServerSettings()
        settings.allowsHTTP1 = listener.protocols.contains(.http11)
        settings.allowsHTTP2 = listener.protocols.contains(listener.tls == nil ? .h2c : .h2)
        settings.connectionLimit = (connectionLimit + count - 1) / count
        settings.headerListBytes = configuration.limits.headerList
        worker.listen(
          name: listener.name, socket: socket, tls: try builder.makeTLS(listener, ticketKeys: ticketKeys),
          settings: settings)
      }
      listenerAddresses[listener.name] = bound
    }
  }

  private func makeAdmin(_ configuration: GatewayConfiguration) throws {
    do {
      let address = try address(of: configuration.admin.address)
      try Listener.probe(address)
      let socket = try ListeningSocket(address: address)
      let io = Worker(index: workers.count)
      adminIO = io
      admin = AdminServer(io: io, socket: socket, state: state, log: log, workers: workers)
      listenerAddresses["admin"] = socket.address
    } catch let diagnostic as Diagnostic {
      store?.stop()
      builder.stopEngines()
      throw StartFailure(diagnostics: [diagnostic])
    }
  }

  private func address(of listen: ListenAddress) throws -> SocketAddress {
    guard let port = UInt16(exactly: listen.port), let address = SocketAddress(host: listen.host, port: port) else {
      throw Diagnostic(
        file: "", message: "`\(listen)` is not an address to listen on",
        hint: "an IP address and a port: 127.0.0.1:8080")
    }
    return address
  }

  // MARK: Serve

  private func serve() -> Int32 {
    var drainEnds: MonotonicTime?
    while true {
      waitForSomething(timeoutMs: drainEnds == nil ? FileWatch.pollMs : 100)
      while let signal = signals.next(timeoutMs: 0) {
        switch signal {
        case SIGHUP:
          if drainEnds == nil { reload(force: true) }
        default:
          if drainEnds != nil {
            log.notice("second signal: ending now")
            return finish(aborting: true)
          }
          drainEnds = MonotonicTime.now().advanced(byMs: beginDrain())
        }
      }
      if let ends = drainEnds {
        if drained.count >= workers.count { return finish(aborting: false) }
        if MonotonicTime.now() >= ends { return endDrain() }
      } else if watch.drainEvents() {
        settleFiles()
        reload(force: false)
      } else {
        reload(force: hasRoomAgain())
      }
    }
  }

  /// Blocks until a signal, a file event or the timeout.
  private func waitForSomething(timeoutMs: Int) {
    var descriptors = [
      pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: watch.pollDescriptor, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&descriptors, UInt(descriptors.count), Int32(timeoutMs))
  }

  /// Waits until files have been quiet for a moment: an editor writes in several steps.
  private func settleFiles() {
    var rounds = 0
    repeat {
      var descriptor = pollfd(fd: watch.pollDescriptor, events: Int16(POLLIN), revents: 0)
      if poll(&descriptor, 1, Int32(FileWatch.debounceMs)) <= 0 { return }
      rounds += 1
    } while watch.drainEvents() && rounds < 20
  }

  private func watchFiles(_ files: [String], _ folder: String?) {
    watch.watch(files: files, folder: folder)
  }

  // MARK: Reload

  /// Builds the next generation when content changed, and hands it to every worker; or says what is wrong and changes nothing.
  private func reload(force: Bool) {
    guard watch.hasChanged() || force else { return }
    postponed = nil
    switch builder.build() {
    case .failure(let failure):
      refuse(failure.diagnostics)
      watchFiles(
        Array(Set(failure.files + state.generation.policies.watchedFiles)), failure.folder ?? started.plugins.folder)
    case .success(let built):
      watchFiles(
        built.loaded.files + built.generation.policies.watchedFiles, built.generation.configuration.plugins.folder)
      let problems = unchangeable(in: built.generation.configuration, file: built.loaded.source)
      guard problems.isEmpty else { return refuse(problems) }
      let locals: [Handover<WorkerGeneration>]
      do {
        locals = try workers.map { worker in
          Handover(
            WorkerGeneration(generation: built.generation, policies: try policyWorker(built.generation, worker.index)))
        }
      } catch {
        return refuse([error as? Diagnostic ?? Diagnostic(file: "", message: "\(error)")])
      }
      let census = GenerationCensus.take(workers)
      let needed = locals.reduce(0) { $0 + $1.value.policies.byteCount }
      let limit = built.generation.configuration.limits.policyMemory
      if let problem = census.refusal(needed: needed, limit: limit, file: built.loaded.source) {
        postponed = (needed, limit)
        return refuse([problem])
      }
      for worker in workers {
        worker.io.post { [local = locals[worker.index]] _ in worker.adopt(local.value) }
      }
      state.activated(built.generation, source: built.loaded.source, warnings: built.warnings)
      let tests = built.testCount.map { ", tests of its policies passed: \($0)" } ?? ""
      log.notice("generation \(built.generation.number) is active\(tests)")
      for warning in built.warnings { log.warning("\(warning)") }
      if let warning = GenerationCensus.take(workers).warning { log.warning(warning) }
    }
  }

  /// Everything stays as it is, and everybody is told.
  private func refuse(_ problems: [Diagnostic]) {
    state.refused(problems)
    for problem in problems { log.error("reload refused: \(problem)") }
  }

  /// Whether a reload that found no memory would find it now, since generations have ended.
  private func hasRoomAgain() -> Bool {
    guard let postponed else { return false }
    return GenerationCensus.take(workers).bytes + postponed.needed <= postponed.limit
  }

  /// One worker's Lua machines, built here and handed over whole.
  private func policyWorker(_ generation: Generation, _ index: Int) throws(Diagnostic) -> PolicyWorker {
    do {
      return try PolicyWorker(blueprint: generation.policies, stores: stores, workerIndex: index)
    } catch {
      throw Diagnostic(file: error.file, line: error.line, message: error.message)
    }
  }

  /// What a running gateway cannot change.
  private func unchangeable(in next: GatewayConfiguration, file: String) -> [Diagnostic] {
    var problems: [Diagnostic] = []
    func refuse(_ key: String) {
      problems.append(
        Diagnostic(file: file, message: "`\(key)` cannot change while the gateway runs", hint: "restart it"))
    }
    if next.listeners.map(\.address) != started.listeners.map(\.address)
      || next.listeners.map(\.protocols) != started.listeners.map(\.protocols)
      || next.listeners.map(\.tls) != started.listeners.map(\.tls)
    {
      refuse("listeners")
    }
    if next.admin != started.admin { refuse("admin") }
    if next.workers != started.workers { refuse("workers") }
    if next.workerCores != started.workerCores { refuse("worker_cores") }
    if next.ioUring != started.ioUring { refuse("io_uring") }
    if next.limits.connections != started.limits.connections { refuse("limits.connections") }
    if next.log != started.log { refuse("log") }
    if next.store != started.store { refuse("store") }
    return problems
  }

  // MARK: Stop

  /// - Returns: how long the drain may take, in milliseconds.
  private func beginDrain() -> Int {
    state.beginDrain()
    let limit = state.generation.configuration.drain.timeoutMs
    log.notice("draining for at most \(limit) ms; a second signal ends at once")
    for worker in workers {
      let drained = drained
      worker.io.post { _ in worker.drain { drained.add() } }
    }
    return limit
  }

  /// The limit has passed: streams get their error event, then a moment to take it.
  private func endDrain() -> Int32 {
    log.warning("the drain limit has passed; ending the streams that still run")
    for worker in workers { worker.io.post { _ in worker.endRemaining() } }
    let ends = MonotonicTime.now().advanced(byMs: 2_000)
    while drained.count < workers.count, MonotonicTime.now() < ends { waitForSomething(timeoutMs: 50) }
    return finish(aborting: true)
  }

  private func finish(aborting: Bool) -> Int32 {
    for worker in workers {
      worker.io.stop()
      worker.io.join()
    }
    // Exchanges have settled: what they had to say to the store is on its way.
    store?.stop()
    adminIO?.stop()
    adminIO?.join()
    builder.stopEngines()
    log.notice(aborting ? "stopped" : "drained, stopped")
    log.close()
    return 0
  }
}

/// A value built on the control thread and used by one worker from then on. Unchecked: the mailbox orders the two.
private struct Handover<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
