import TideConfig
import TideCore
import TideHTTP
import TideIO
import TideLua
import TidePolicy
import TideTelemetry

/// A gateway's worker on the calling thread, with clients and upstreams in memory and a clock that only moves when nothing else can
/// happen: exchanges, policies, dialects and timers are the real ones.
final class RehearsalGateway {
  /// The clock may jump this often with nobody doing anything before it is said to have no end.
  static let jumpLimit = 10_000

  let services: RehearsalServices
  private let io: Worker
  private let worker: GatewayWorker
  private let store = SharedStore()
  private let seed: UInt64
  private var clients: [RehearsalClient] = []
  private var upstreams: [ScriptedUpstream] = []
  private var serving: RehearsalClient?
  /// The last to have ended: what its `on_log` calls is still its own.
  private var last: RehearsalClient?
  private(set) var policies: PolicyWorker
  /// The most text that policies held back at the end of a turn; nil where nobody asks.
  var heldByteCountMax: Int?

  /// What all gateways of a run share, since making it costs more than an exchange.
  struct Surroundings {
    let log: GatewayLog
    let metrics = WorkerMetrics()
    let resolver = Resolver()
    /// Gets the lines of policies that run.
    let lines: LuaLineRecord?

    init(lines: LuaLineRecord? = nil) throws {
      self.lines = lines
      var settings = LogConfiguration()
      settings.level = .critical
      settings.access = .off
      log = try GatewayLog(settings)
    }
  }

  /// - Parameters:
  ///   - generation: its policies were compiled with the services of `services`.
  ///   - number: tells the exchanges of one gateway from those of another.
  init(
    _ generation: Generation, services: RehearsalServices, seed: UInt64, number: Int, surroundings: Surroundings
  ) throws(LuaFailure) {
    self.services = services
    self.seed = seed
    io = Worker(index: 0, now: services.clock.now)
    let local = try Self.makeLocal(generation, store, seed)
    policies = local.policies
    var script: ((any PoolWaiter, Endpoint) -> ScriptedUpstream?)?
    worker = GatewayWorker(
      io: io, workerCount: 1, generation: local, resolver: surroundings.resolver, metrics: surroundings.metrics,
      log: surroundings.log, identifiers: ExchangeIdentifiers(prefix: seed &+ UInt64(clamping: number))
    ) { [io] endpoint in
      let pool = ScriptedPool(
        endpoint: endpoint, worker: io, tls: nil, workerCount: 1,
        resolver: EndpointResolver(resolver: surroundings.resolver))
      pool.script = script
      return pool
    }
    script = { [unowned self] waiter, endpoint in upstream(for: waiter, at: endpoint) }
    worker.onSettled = { [unowned self] record in settled(record) }
  }

  private static func makeLocal(
    _ generation: Generation, _ store: SharedStore, _ seed: UInt64
  ) throws(LuaFailure) -> WorkerGeneration {
    WorkerGeneration(
      generation: generation,
      policies: try PolicyWorker(blueprint: generation.policies, stores: store, workerIndex: 0, seed: seed))
  }

  /// What policies have counted so far, over all bindings: by name the sum, and by name and labels, as `refused{reason="size"}`.
  var metrics: [String: Double] {
    var values: [String: Double] = [:]
    for series in store.metrics.series {
      let figures: [(suffix: String, value: Double)] =
        switch series.figure {
        case .counter(let sum): [("", sum)]
        case .distribution(let one): [("_sum", one.sum), ("_count", Double(one.count))]
        }
      let labels = series.labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",")
      for (suffix, value) in figures {
        values[series.name + suffix, default: 0] += value
        if !labels.isEmpty { values["\(series.name)\(suffix){\(labels)}", default: 0] += value }
      }
    }
    return values
  }

  private var clock: RehearsalClock { services.clock }

  // MARK: Exchanges

  /// Sends a request. It goes on in the turns that follow.
  func begin(_ request: RehearsalRequest) -> RehearsalClient {
    let client = RehearsalClient(request)
    clients.append(client)
    io.turn(at: clock.now) {
      var origin = ExchangeContext.Client()
      origin.ip = request.clientAddress
      origin.port = 50_000
      origin.protocolName = "h2c"
      serving = client
      let head = RequestHead(
        method: request.method, authority: "gateway.test", path: request.path, headers: request.headers,
        contentLength: request.body.count)
      worker.serve(
        head, on: client.stream, from: origin, listener: "test", identity: request.identity, endStream: false)
      client.exchangeID = (client.stream.consumer as? Exchange)?.context.id ?? client.exchangeID
      serving = nil
    }
    return client
  }

  /// One turn: each party does its next thing. False when nothing happened.
  func turn() -> Bool {
    var hasActed = false
    io.turn(at: clock.now) {
      for upstream in upstreams where upstream.act(now: clock.now) { hasActed = true }
      for client in clients where client.act() { hasActed = true }
    }
    if let held = heldByteCountMax {
      heldByteCountMax = max(held, worker.exchanges.reduce(0) { $0 + ($1.lanes?.heldByteCount ?? 0) })
    }
    upstreams.removeAll(where: \.isOver)
    last = clients.last(where: \.isOver) ?? last
    clients.removeAll(where: \.isOver)
    return hasActed || worker.logs.count > 0
  }

  /// The instant at which something may happen when nothing can now.
  var nextDeadline: MonotonicTime {
    upstreams.compactMap(\.waitsUntil).reduce(io.timers.nextDeadline, min)
  }

  /// Tells everything that reads a clock that it was moved.
  func clockMoved() {
    policies.clockMoved()
    _ = turn()
  }

  /// Lets an exchange run to its end, moving the clock where nothing else helps.
  ///
  /// - Returns: false when it has no end.
  func finish(_ client: RehearsalClient) -> Bool {
    var jumps = 0
    while !client.isOver {
      if turn() { continue }
      let deadline = nextDeadline
      guard deadline != .distantFuture, jumps < Self.jumpLimit else { return false }
      jumps += 1
      clock.advance(to: deadline)
      clockMoved()
    }
    settle()
    return true
  }

  /// Lets upstreams say the rest of what they have to say to nobody.
  func settle() {
    while turn() {}
  }

  // MARK: Generations

  /// What a reload does: later exchanges follow the new generation.
  func adopt(_ generation: Generation) throws(LuaFailure) {
    let local = try Self.makeLocal(generation, store, seed)
    policies = local.policies
    policies.clockMoved()
    io.turn(at: clock.now) { worker.adopt(local) }
  }

  // MARK: Told by the worker

  private func settled(_ record: AccessRecord) {
    let client = clients.first { $0.exchangeID == record.id } ?? serving
    client?.record = record
    if client?.exchangeID.isEmpty == true { client?.exchangeID = record.id }
  }

  private func upstream(for waiter: any PoolWaiter, at endpoint: Endpoint) -> ScriptedUpstream? {
    let attempt = RehearsalAttempt(cluster: endpoint.cluster, authority: endpoint.authority)
    let upstream: ScriptedUpstream
    if let exchange = waiter as? Exchange {
      guard let client = clients.first(where: { $0.exchangeID == exchange.context.id }) else { return nil }
      let index = client.attempts.count
      client.attempts.append(attempt)
      let plays = client.request.replies
      guard let play = index < plays.count ? plays[index] : plays.last, !play.refusesConnection else { return nil }
      upstream = ScriptedUpstream(attempt, onReset: { client.attempts[index].wasReset = true }) { attempt in
        client.attempts[index] = attempt
        return play
      }
    } else {
      upstream = ScriptedUpstream(attempt) { [unowned self] attempt in answer(RehearsalCall(attempt)) }
    }
    upstreams.append(upstream)
    return upstream
  }

  /// What a call of `tide.http` meets: the first client's answer that fits.
  private func answer(_ call: RehearsalCall) -> UpstreamPlay {
    let askable = clients + (last.map { [$0] } ?? [])
    for client in askable {
      guard let (status, play) = client.request.answerCall(call) else { continue }
      client.calls.append((call, status))
      return play
    }
    askable.first?.unexpectedCalls.append(call)
    return UpstreamPlay(steps: [.reset])
  }
}
