import Glibc
import TideCore
import TideHTTP
import TideIO

/// Who waits for a connection: the exchange.
protocol PoolWaiter: AnyObject {
  /// A connection has room. Open the request on it now, or let it be.
  func poolOffers(_ connection: HTTPClientConnection, of pool: EndpointPool)
  /// No connection can be had.
  func poolFailed(_ failure: PoolFailure, of pool: EndpointPool)
}

/// Why a pool could not serve.
enum PoolFailure: Equatable {
  case resolve(String)
  case connect(String)
  case timedOut
  case full
}

/// One worker's connections to one endpoint: HTTP/2 ones shared up to the peer's limit, HTTP/1.1 ones kept alive.
///
/// Requests fill the first connection that has room before the next is opened: the more streams share a connection, the more tokens
/// one read brings.
final class EndpointPool: HTTPClientConnectionOwner, TimerTarget {
  /// How long an HTTP/1.1 connection may idle: less than what servers allow, so that a request rarely meets a closing one.
  static let idleTimeoutMs = 4_000
  /// Requests that one connection attempt is expected to serve while its peer's limit is unknown.
  static let expectedStreams = 100

  private enum TimerKind {
    static let connect: UInt8 = 1
    static let idle: UInt8 = 2
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

  /// Lets running streams end and takes no more.
  func retire() {
    isClosed = true
    for connection in connections { connection.drain() }
  }

  // MARK: Outcomes, for balancing

  func recordSuccess() { health.recordSuccess() }
  func recordFailure() { health.recordFailure(now: worker.now) }
  var isHealthy: Bool { health.isHealthy(now: worker.now) }

  // MARK: Connections

  private func connectionWithRoom() -> HTTPClientConnection? {
    for connection in connections where connection.availableStreams > 0 && !connection.shouldRetire {
      return connection
    }
    return nil
  }

  private func dialIfNeeded() {
    guard waiterCount > 0, !isClosed else { return }
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
    guard idleTimer == nil, endpoint.choice != .http2 else { return }
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
    } else {
      idleTimer = nil
      let idle = connections.filter { $0.version == .http11 && $0.openStreamCount == 0 }
      for connection in idle where now.milliseconds(since: connection.idleSince) >= Self.idleTimeoutMs {
        connection.close()
      }
      if connections.contains(where: { $0.version == .http11 && $0.openStreamCount == 0 }) { armIdleTimer() }
    }
  }

  /// Frees the timers; the pool is not used again.
  func dispose() {
    isClosed = true
    if let connectTimer { worker.timers.cancel(connectTimer) }
    if let idleTimer { worker.timers.cancel(idleTimer) }
    connectTimer = nil
    idleTimer = nil
  }
}
