import TideConfig
import TideCore
import TideDialects
import TideHTTP
import TideIO
import TidePolicy
import TideStore
import TideTelemetry

/// One worker's share of the gateway: its listening sockets, exchanges, upstream pools and counters.
///
/// Everything here belongs to one thread. The control thread reaches it by messages to `io`'s mailbox alone, which is why it may be
/// handed over at all.
final class GatewayWorker: HTTPRequestHandler, @unchecked Sendable {
  /// How long a request's body may pause.
  static let requestBodySilenceMs = 30_000
  /// What waiting for a pool may take beyond the connect timeout.
  static let poolWaitMarginMs = 1_000
  /// How long an upstream may take to end its stream after the answer is whole.
  static let upstreamTailMs = 1_000
  /// A loop that is this late refuses new requests; live streams keep going.
  var shedLagMs = 1_000
  let io: Worker
  let index: Int
  private let workerCount: Int
  let metrics: WorkerMetrics
  let log: GatewayLog
  let dialectScratch = DialectScratch()
  let startedWallSeconds: Int
  private let resolver: EndpointResolver
  /// Where gateways share the limits of policies.
  private let limits: WorkerLimits?
  private(set) var current: WorkerGeneration
  /// Generations that still have exchanges, the current one included.
  private var generations: [WorkerGeneration] {
    didSet { collected = generations.map(\.policies).filter { $0.hasMachines } }
  }
  /// The policies among them that have garbage to collect; a gateway without any pays nothing for it in its turns.
  private var collected: [PolicyWorker]
  /// What the hooks of generations that are gone have cost: a counter does not fall because a file was saved.
  private var pastHooks: [WorkerFigures.Hook] = []
  private var servers: [HTTPServer] = []
  private(set) var exchanges: [Exchange] = []
  private var pools: [Endpoint: EndpointPool] = [:]
  /// Pools that no generation names any more, until their last connection has gone.
  private var retired: [EndpointPool] = []
  /// What of `io.counters` the metrics have.
  private var noted = WorkerCounters()
  private var identifiers: ExchangeIdentifiers
  /// Makes pools in the place of real ones, for rehearsals.
  private let scriptedPool: ((Endpoint) -> EndpointPool)?
  /// Told of each exchange that has ended.
  var onSettled: ((AccessRecord) -> Void)?
  /// What hooks wait with.
  let policyTimers: WorkerTimers
  private(set) lazy var hostPools = HostPools(worker: self, timers: policyTimers)
  /// Calls of `on_log` that are yet to be made, of all generations.
  let logs = PolicyLogQueue()
  private lazy var logTurns = PolicyLogTurns(self, logs)
  private var isDraining = false
  private var onDrained: (() -> Void)?

  init(
    io: Worker, workerCount: Int, generation: WorkerGeneration, resolver: Resolver, metrics: WorkerMetrics,
    log: GatewayLog, store: StoreClient? = nil, identifiers: ExchangeIdentifiers = ExchangeIdentifiers(),
    scriptedPool: ((Endpoint) -> EndpointPool)? = nil
  ) {
    self.io = io
    index = io.index
    self.metrics = metrics
    self.log = log
    self.identifiers = identifiers
    self.scriptedPool = scriptedPool
    self.workerCount = workerCount
    self.resolver = EndpointResolver(resolver: resolver)
    limits = store.map { WorkerLimits(worker: io, store: $0) }
    current = generation
    generations = [generation]
    collected = generation.policies.hasMachines ? [generation.policies] : []
    startedWallSeconds = WallClock.seconds()
    policyTimers = WorkerTimers(worker: io)
    attach(generation)
    // Garbage of policies is collected between turns, never inside a hook.
    io.onTurnEnd { [unowned self] _ in
      for policies in collected { policies.relieve() }
    }
    io.onStop { [logTurns] in logTurns.loopEnded() }
    io.post { _ in PolicyWorker.prepareThread() }
  }

  var wallSeconds: Int { WallClock.seconds() }

  // MARK: Listeners

  /// Serves one listener on this worker. Runs before the worker's thread has started.
  func listen(name: String, socket: ListeningSocket, tls: TLSServerContext?, settings: HTTPServerSettings) {
    var settings = settings
    settings.onAttack = { [unowned self] row in
      metrics.recordAttack(row)
      log.attack(row, listener: name)
    }
    servers.append(
      HTTPServer(worker: io, name: name, socket: socket, tls: tls, settings: settings, handler: self))
  }

  // MARK: Requests

  func serve(_ head: RequestHead, on stream: HTTPStream, of connection: HTTPServerConnection, endStream: Bool) {
    var client = ExchangeContext.Client()
    client.ip = connection.peerHost
    client.port = Int(connection.peerAddress.port)
    client.isTLS = connection.isTLS
    client.protocolName = Self.protocolName(connection)
    serve(head, on: stream, from: client, listener: connection.listenerName, endStream: endStream)
  }

  /// - Parameter identity: who the client is, where that is known before any policy looks.
  func serve(
    _ head: RequestHead, on stream: HTTPStream, from client: ExchangeContext.Client, listener: String,
    identity: Identity? = nil, endStream: Bool
  ) {
    let generation = current
    let id = identifiers.next()
    let path: CanonicalPath
    switch CanonicalPath.make(head.path) {
    case .success(let made): path = made
    case .failure:
      return refuse(
        head, stream, from: client, LocalFailure(400, "invalid_path", "The request's path is not valid."), id: id)
    }
    if io.loopLagMs > shedLagMs {
      metrics.recordShed("loop_lag")
      return refuse(head, stream, from: client, .overloaded, id: id)
    }
    // A request whose model will be read is matched once more then; of any other it is known that it has none.
    let routes = generation.generation.routes
    let kind = RequestKind(method: head.method, path: path.path)
    let authority = head.authority
    let route =
      kind.readsBody
      ? routes.firstMatch(head, path: path.path, host: Self.hostName(authority))
      : routes.firstMatch(head, path: path.path, host: Self.hostName(authority), model: nil)
    guard let route else {
      return refuse(head, stream, from: client, .notFound, id: id)
    }
    var head = head
    head.path = path.target
    let context = ExchangeContext(id: id, request: head)
    context.client = client
    context.listener = listener
    context.auth = identity
    context.route.name = generation.generation.routes.routes[route].name
    let exchange = Exchange(
      worker: self, generation: generation, path: path, kind: kind, route: route, stream: stream, context: context)
    context.kind = exchange.kind.contextKind
    context.dialect = exchange.dialect.name
    exchange.position = exchanges.count
    exchanges.append(exchange)
    generation.exchangeCount += 1
    stream.consumer = exchange
    exchange.begin(endStream: endStream)
  }

  /// The host of an authority, in lower case and without its port.
  static func hostName(_ authority: String) -> String {
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
      return String(authority[...end]).lowercased()
    }
    return authority.split(separator: ":", maxSplits: 1).first.map { $0.lowercased() } ?? ""
  }

  /// Answers without an exchange: nothing was authenticated, routed or counted against anybody.
  private func refuse(
    _ head: RequestHead, _ stream: HTTPStream, from client: ExchangeContext.Client, _ failure: LocalFailure, id: String
  ) {
    metrics.recordRefused(failure.code ?? "refused")
    let dialect = Dialect(path: String(head.path.prefix { $0 != "?" }), headers: head.headers)
    let bytes = ErrorShape.body(
      dialect, status: failure.status, message: failure.message, code: failure.code, requestID: id)
    var headers = HeaderList([("content-type", "application/json"), ("x-request-id", id)])
    if let seconds = failure.retryAfterSeconds { headers.append("retry-after", String(seconds)) }
    let isBodiless = head.method == "HEAD"
    stream.send(
      ResponseHead(status: failure.status, headers: headers, contentLength: bytes.count), endStream: isBodiless)
    if !isBodiless { stream.output.append(bytes) }
    stream.end()
    var record = AccessRecord()
    record.id = id
    record.outcome = failure.outcome.rawValue
    record.dialect = dialect.name
    record.method = head.method
    record.path = String(head.path.prefix { $0 != "?" })
    record.status = failure.status
    record.clientAddress = client.ip
    record.clientProtocol = client.protocolName
    record.generation = current.generation.number
    metrics.record(record)
    logAccess(record)
  }

  /// Whether anybody reads the access records of exchanges.
  var logsAccess: Bool { log.writesAccess || onSettled != nil }

  func logAccess(_ record: AccessRecord) {
    log.access(record)
    onSettled?(record)
  }

  static func protocolName(_ connection: HTTPServerConnection) -> String {
    connection.version == .h2 ? (connection.isTLS ? "h2" : "h2c") : "http/1.1"
  }

  func settled(_ exchange: Exchange) {
    let last = exchanges.removeLast()
    if last !== exchange {
      last.position = exchange.position
      exchanges[exchange.position] = last
    }
    exchange.generation.exchangeCount -= 1
    if exchange.generation !== current, !isNeeded(exchange.generation) {
      end(exchange.generation)
      retirePools()
    }
  }

  /// Whether anything of a generation still runs: exchanges, or what they left for `on_log`.
  private func isNeeded(_ generation: WorkerGeneration) -> Bool {
    generation.exchangeCount > 0 || generation.policies.isLogging
  }

  /// Some calls of `on_log` have ended: so may have what waited for them.
  func logsWereMade() {
    let done = generations.filter { $0 !== current && !isNeeded($0) }
    if !done.isEmpty {
      for generation in done { end(generation) }
      retirePools()
    }
    checkDrained()
  }

  // MARK: Upstreams

  /// A cluster and the pools of its endpoints on this worker, made when first asked for.
  func cluster(named name: String, in generation: WorkerGeneration) -> WorkerCluster? {
    generation.cluster(named: name) { endpoint, cluster in
      if let pool = pools[endpoint] { return pool }
      let pool = makePool(endpoint, tls: cluster.tls)
      pools[endpoint] = pool
      return pool
    }
  }

  func makePool(_ endpoint: Endpoint, tls: TLSClientContext?) -> EndpointPool {
    scriptedPool?(endpoint)
      ?? EndpointPool(endpoint: endpoint, worker: io, tls: tls, workerCount: workerCount, resolver: resolver)
  }

  // MARK: Generations

  /// Takes a generation into use: new requests follow it, running ones keep theirs.
  func adopt(_ generation: WorkerGeneration) {
    let old = current
    old.policies.stopTimers()
    attach(generation)
    current = generation
    generations.append(generation)
    if !isNeeded(old) { end(old) }
    retirePools()
  }

  /// Lets go of a generation that nothing runs on any more.
  private func end(_ generation: WorkerGeneration) {
    generations.removeAll { $0 === generation }
    pastHooks.add(generation.policies)
  }

  /// Lets the generation's policies wait; their timers run on one worker alone.
  private func attach(_ generation: WorkerGeneration) {
    guard generation.policies.hasMachines else { return }
    generation.policies.attach(
      timers: policyTimers,
      fetcher: WorkerFetcher(worker: self, generation: generation, timers: policyTimers), limits: limits, logs: logs)
    guard index == 0 else { return }
    io.post { [unowned self, policies = generation.policies] _ in
      // Another one may have come in the same turn, and then nobody would stop these.
      if policies === current.policies { policies.startTimers() }
    }
  }

  /// Lets go of the pools that no generation alive can ask for.
  private func retirePools() {
    let wanted = Set(generations.flatMap { $0.generation.clusters.values.flatMap(\.endpoints) })
    for (endpoint, pool) in pools where !wanted.contains(endpoint) {
      pools[endpoint] = nil
      retire(pool)
    }
    retired.removeAll(where: \.isEmpty)
  }

  /// Closes a pool once its streams have ended.
  func retire(_ pool: EndpointPool) {
    retired.append(pool)
    // Dropped by a message: the pool is in the middle of its own call when it says so.
    pool.onShrink = { [unowned self] in
      io.post { [self] _ in retired.removeAll(where: \.isEmpty) }
    }
    pool.retire()
  }

  // MARK: Drain

  /// Stops accepting; calls back on this thread once the last connection has gone, and `on_log` has run.
  func drain(onDrained: @escaping () -> Void) {
    guard !isDraining else { return }
    isDraining = true
    self.onDrained = onDrained
    // All first: one listener without connections does not mean that another's accept queue is empty.
    for server in servers { server.drain() }
    for server in servers { server.onDrained = { [unowned self] in checkDrained() } }
    checkDrained()
  }

  /// The drain limit has passed: every stream that still runs is told so.
  func endRemaining() {
    for exchange in exchanges { exchange.endForDrain() }
  }

  func abortConnections() {
    for server in servers { server.abort() }
  }

  private func checkDrained() {
    guard isDraining, servers.allSatisfy({ $0.openConnectionCount == 0 }),
      generations.allSatisfy({ !$0.policies.isLogging }), let onDrained
    else { return }
    self.onDrained = nil
    onDrained()
  }

  // MARK: Figures

  /// Brings the counters that the I/O module keeps into the metrics: once a scrape, not once an event.
  private func noteTransport() {
    let now = io.counters
    metrics.add(.turns, now.turns &- noted.turns)
    metrics.add(.sendBatches, now.batches &- noted.batches)
    metrics.add(.upstreamPauses, now.readPauses &- noted.readPauses)
    noted = now
  }

  /// What the admin listener shows of this worker. Runs on its thread.
  func figures() -> WorkerFigures {
    var figures = WorkerFigures()
    figures.exchangesOpen = exchanges.count
    noteTransport()
    figures.connectionsOpen = servers.reduce(0) { $0 + $1.openConnectionCount }
    figures.connectionsAccepted = servers.reduce(0) { $0 + $1.acceptedCount }
    figures.connectionsRefused = servers.reduce(0) { $0 + $1.refusedCount }
    figures.loopLagMs = io.loopLagMs
    for (endpoint, pool) in pools {
      figures.pools.append(
        WorkerFigures.Pool(
          cluster: endpoint.cluster, endpoint: endpoint.authority, connections: pool.connectionCount,
          streams: pool.activeStreamCount, waiting: pool.waiterCount, opened: pool.openedCount,
          reused: pool.reusedCount,
          failed: pool.failedCount, retired: pool.retiredCount, isHealthy: pool.isHealthy))
    }
    figures.generations = generations.map { ($0.generation.number, $0.exchangeCount, $0.policies.byteCount) }
    figures.hooks = pastHooks
    for generation in generations { figures.hooks.add(generation.policies) }
    return figures
  }
}
