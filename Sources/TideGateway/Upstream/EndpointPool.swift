import Glibc
import TideCore
import TideHTTP
import TideIO

/// Who waits for a connection: the exchange.
protocol PoolWaiter: AnyObject {
  /// A connection has room. Open the request on it now, or let it be.
  func poolOffers(_ connection: any UpstreamConnection, of pool: EndpointPool)
  /// No connection can be had.
  func poolFailed(_ failure: PoolFailure, of pool: EndpointPool)
}

/// What a pool offers: something to open one request on.
protocol UpstreamConnection: AnyObject {
  /// Opens a request; nil when there is no room after all.
  func open(_ head: RequestHead, endStream: Bool, consumer: StreamConsumer) -> HTTPStream?
}

extension HTTPClientConnection: UpstreamConnection {}

/// Why a pool could not serve.
enum PoolFailure: Equatable {
  case resolve(String)
  case connect(String)
  /// The name leads to an address that this pool may not dial.
  case forbidden(String)
  case timedOut
  case full
}

/// One worker's connections to one endpoint: HTTP/2 ones shared up to the peer's limit, HTTP/1.1 ones kept alive.
///
/// Requests fill the first connection that has room before the next is opened: the more streams share a connection, the more tokens
/// one read brings. A rehearsal puts a scripted endpoint in its place.
class EndpointPool: HTTPClientConnectionOwner, TimerTarget {
  /// How long an HTTP/1.1 connection may idle: less than what servers allow, so that a request rarely meets a closing one.
  static let idleTimeoutMs = 4_000
  /// Requests that one connection attempt is expected to serve while its peer's limit is unknown.
  static let expectedStreams = 100

  /// After a failed attempt beside connections that work, this long until the next.
  static let redialPauseMs = 250

  private enum TimerKind {
    static let connect: UInt8 = 1
    static let idle: UInt8 = 2
    static let redial: UInt8 = 3
  }

  let endpoint: Endpoint
  private let worker: Worker
  private let tls: TLSClientContext?
  private let connectionLimit: Int
  private let resolver: EndpointResolver
  private var connections: [HTTPClientConnection] = []
  private var connecting: [(connection: HTTPClientConnection, deadline: MonotonicTime)] = []
  private var waiters: [any PoolWaiter] = []
  private var firstWaiter = 0
  private var isResolving = false
  private var isServing = false
  private var isClosed = false
  private var connectTimer: TimerToken?
  private var idleTimer: TimerToken?
  /// Armed while a failed attempt forbids the next one.
  private var redialTimer: TimerToken?
  private(set) var health = EndpointHealth()

  private(set) var openedCount: UInt64 = 0
  private(set) var reusedCount: UInt64 = 0
  private(set) var failedCount: UInt64 = 0
  private(set) var retiredCount: UInt64 = 0

  init(endpoint: Endpoint, worker: Worker, tls: TLSClientContext?, workerCount: Int, resolver: EndpointResolver) {
    self.endpoint = endpoint
    self.worker = worker
    self.tls = tls
    self.resolver = resolver
    connectionLimit = max(1, (endpoint.maxConnections + workerCount - 1) / workerCount)
  }

  var connectionCount: Int { connections.count + connecting.count }
  var waiterCount: Int { waiters.count - firstWaiter }
  var activeStreamCount: Int { connections.reduce(0) { $0 + $1.openStreamCount } }

  /// Offers a connection now, or as soon as there is one. The answer may come inside the call.
  func request(_ waiter: any PoolWaiter) {
    if isClosed { return waiter.poolFailed(.connect("the endpoint has left the configuration"), of: self) }
    if waiterCount == 0, let connection = connectionWithRoom() {
      reusedCount &+= connection.requestCount > 0 ? 1 : 0
      waiter.poolOffers(connection, of: self)
      return
    }
    waiters.append(waiter)
    dialIfNeeded()
  }

  func cancel(_ waiter: any PoolWaiter) {
    guard let index = waiters.indices.dropFirst(firstWaiter).first(where: { waiters[$0] === waiter }) else { return }
    waiters.remove(at: index)
  }

  /// Lets running streams end and takes no more. Whoever retires a pool keeps it until `isEmpty`: its connections call it until
  /// they are gone.
  func retire() {
    isClosed = true
    cancelTimers()
    for (connection, _) in connecting { connection.abort() }
    for connection in connections { connection.drain() }
    failWaiters(.connect("the endpoint has left the configuration"))
  }

  /// Whether all connections that may be had are there and in use.
  var isBusy: Bool { connecting.isEmpty && connections.count >= connectionLimit }

  /// Whether no connection is left, in whatever state.
  var isEmpty: Bool { connections.isEmpty && connecting.isEmpty }
  /// Told on each end of a connection of a retired pool.
  var onShrink: (() -> Void)?

  // MARK: Outcomes, for balancing

  func recordSuccess() { health.recordSuccess() }
  func recordFailure() { health.recordFailure(now: worker.now) }
  var isHealthy: Bool { health.isHealthy(now: worker.now) }

  // MARK: Connections

  private func connectionWithRoom() -> HTTPClientConnection? {
    for connection in connections
    where connection.availableStreams > 0 && !connection.shouldRetire && !connection.isStale {
      return connection
    }
    return nil
  }

  private func dialIfNeeded() {
    guard waiterCount > 0, !isClosed, redialTimer == nil else { return }
    let perConnection = endpoint.choice == .http2 ? Self.expectedStreams : 1
    let wanted = (waiterCount + perConnection - 1) / perConnection
    var missing = min(wanted - connecting.count, connectionLimit - connectionCount)
    if missing <= 0 {
      if connectionCount == 0 { failWaiters(.full) }
      return
    }
    guard let address = resolver.address(of: endpoint, worker: worker) else {
      resolveThenDial()
      return
    }
    if let forbidden = resolver.forbiddenAddress(of: endpoint, dialled: address) {
      return failWaiters(.forbidden("\(endpoint.host) leads to \(forbidden.host), which policies may not call"))
    }
    while missing > 0 {
      missing -= 1
      dial(address)
    }
  }

  private func resolveThenDial() {
    guard !isResolving else { return }
    isResolving = true
    resolver.resolve(endpoint, on: worker) { [self] problem in
      isResolving = false
      if let problem {
        recordFailure()
        failWaiters(.resolve(problem))
      } else {
        dialIfNeeded()
      }
    }
  }

  private func dial(_ address: SocketAddress) {
    openedCount &+= 1
    let connection = HTTPClientConnection(
      worker: worker, address: address, choice: endpoint.choice, tls: tls, serverName: endpoint.serverName, owner: self)
    let deadline = worker.now.advanced(byMs: endpoint.connectTimeoutMs)
    connecting.append((connection, deadline))
    if connectTimer == nil {
      connectTimer = worker.timers.schedule(at: deadline, target: self, kind: TimerKind.connect)
    }
  }

  func clientConnectionDidChangeCapacity(_ connection: HTTPClientConnection) {
    if let index = connecting.firstIndex(where: { $0.connection === connection }), connection.isReady {
      connecting.remove(at: index)
      connection.position = connections.count
      connections.append(connection)
    }
    if connection.isReady, connection.openStreamCount == 0 {
      connection.idleSince = worker.now
      if connection.shouldRetire {
        retiredCount &+= 1
        connection.drain()
      } else {
        armIdleTimer()
      }
    }
    serveWaiters()
  }

  func clientConnectionDidClose(_ connection: HTTPClientConnection, failure: SocketFailure?) {
    if let index = connecting.firstIndex(where: { $0.connection === connection }) {
      connecting.remove(at: index)
      failedCount &+= 1
      recordFailure()
      let reason = failure.map { "\($0)" } ?? "closed before it was ready"
      if connections.isEmpty, connecting.isEmpty {
        failWaiters(failure?.code == ETIMEDOUT ? .timedOut : .connect(reason))
      } else {
        if redialTimer == nil, !isClosed {
          redialTimer = worker.timers.schedule(
            at: worker.now.advanced(byMs: Self.redialPauseMs), target: self, kind: TimerKind.redial)
        }
        serveWaiters()
      }
    } else if connection.position < connections.count, connections[connection.position] === connection {
      let last = connections.removeLast()
      if last !== connection {
        last.position = connection.position
        connections[connection.position] = last
      }
      dialIfNeeded()
    }
    onShrink?()
  }

  private func serveWaiters() {
    // A waiter that opens its request changes the capacity, which calls back in here.
    guard !isServing else { return }
    isServing = true
    while waiterCount > 0, let connection = connectionWithRoom() {
      let waiter = waiters[firstWaiter]
      firstWaiter += 1
      if firstWaiter > 256, firstWaiter * 2 > waiters.count {
        waiters.removeFirst(firstWaiter)
        firstWaiter = 0
      }
      waiter.poolOffers(connection, of: self)
    }
    if waiterCount == 0 {
      waiters.removeAll(keepingCapacity: true)
      firstWaiter = 0
    }
    isServing = false
    dialIfNeeded()
  }

  private func failWaiters(_ failure: PoolFailure) {
    let failed = Array(waiters.dropFirst(firstWaiter))
    waiters.removeAll()
    firstWaiter = 0
    for waiter in failed { waiter.poolFailed(failure, of: self) }
  }

  // MARK: Timers

  private func armIdleTimer() {
    guard idleTimer == nil, !isClosed, endpoint.choice != .http2 else { return }
    idleTimer = worker.timers.schedule(
      at: worker.now.advanced(byMs: Self.idleTimeoutMs), target: self, kind: TimerKind.idle)
  }

  func timerFired(kind: UInt8, now: MonotonicTime) {
    if kind == TimerKind.connect {
      connectTimer = nil
      let late = connecting.filter { $0.deadline <= now }
      for (connection, _) in late { connection.timeOut() }
      if let next = connecting.map(\.deadline).min() {
        connectTimer = worker.timers.schedule(at: next, target: self, kind: TimerKind.connect)
      }
    } else if kind == TimerKind.redial {
      redialTimer = nil
      dialIfNeeded()
    } else {
      idleTimer = nil
      let idle = connections.filter { $0.version == .http11 && $0.openStreamCount == 0 }
      for connection in idle where now.milliseconds(since: connection.idleSince) >= Self.idleTimeoutMs {
        connection.close()
      }
      if connections.contains(where: { $0.version == .http11 && $0.openStreamCount == 0 }) { armIdleTimer() }
    }
  }

  private func cancelTimers() {
    for timer in [connectTimer, idleTimer, redialTimer] {
      if let timer { worker.timers.cancel(timer) }
    }
    connectTimer = nil
    idleTimer = nil
    redialTimer = nil
  }
}
