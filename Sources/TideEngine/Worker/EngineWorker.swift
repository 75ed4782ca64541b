import CPrefetch
import TideCore
import TideHTTP
import TideIO

/// One thread of the engine: its listening socket, its beats and the templates of the models it has been asked for.
final class EngineWorker: HTTPRequestHandler, TimerTarget {
  private static let templateLimit = 256
  /// Beats between two flushes. An engine that is late has thousands at once, each of several tokens: what it wrote leaves while the
  /// caches have it.
  private static let beatsPerFlush = 512

  let settings: EngineSettings
  let worker: Worker
  let ledger: EngineLedger
  /// Of all workers, this one's included.
  let ledgers: [EngineLedger]
  /// The head of every token stream.
  let streamHead = ResponseHead(
    status: 200,
    headers: HeaderList([
      ("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), ("x-accel-buffering", "no"),
    ]))

  private var server: HTTPServer?
  private var wheel: BeatWheel
  /// By member number of the wheel; each holds the reference that `join` took.
  private var members: [Unmanaged<EngineExchange>?] = []
  /// Members whose beat has come: so many are looked at together that the memory of one is fetched while others are served.
  private var due: [Int32] = []
  private var timer = TimerToken.none
  private var armedFor = MonotonicTime.distantFuture
  private var templates: [[UInt8]: ChunkTemplate] = [:]
  private var lastID: UInt64

  init(index: Int, settings: EngineSettings, ledgers: [EngineLedger]) {
    self.settings = settings
    self.ledgers = ledgers
    ledger = ledgers[index]
    worker = Worker(index: index)
    wheel = BeatWheel(now: worker.now)
    lastID = MonotonicTime.now().nanoseconds ^ UInt64(index) << 56
  }

  /// Binds; to be called before the thread starts. Returns where it listens.
  func listen(on address: SocketAddress) throws -> SocketAddress {
    var http = HTTPServerSettings()
    http.maxConcurrentStreams = settings.maxConcurrentStreams
    // A gateway's connections carry hundreds of streams each.
    let server = try HTTPServer(
      worker: worker, name: "engine", address: address, sendBytes: nil, settings: http, handler: self)
    self.server = server
    return server.address
  }

  func serve(_ head: RequestHead, on stream: HTTPStream, of connection: HTTPServerConnection, endStream: Bool) {
    stream.consumer = EngineExchange(head, on: stream, of: self, isHTTP2: connection.version == .h2)
  }

  /// A new identifier for an answer: a counter, spread over all sixteen digits.
  func nextID() -> UInt64 {
    lastID &+= 0x9e37_79b9_7f4a_7c15
    var mixed = lastID
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }

  func template(_ endpoint: ChunkTemplate.Endpoint, model: [UInt8]) -> ChunkTemplate {
    let key = [endpoint.rawValue] + model
    if let known = templates[key] { return known }
    // Models are named by clients: the cache must not grow with them.
    if templates.count >= Self.templateLimit { templates.removeAll() }
    let template = ChunkTemplate(endpoint: endpoint, model: model)
    templates[key] = template
    return template
  }

  // MARK: Beats

  /// A member number for `exchange`, which is kept alive until `leave`.
  func join(_ exchange: EngineExchange) -> Int32 {
    let member = wheel.makeMember()
    if Int(member) == members.count { members.append(nil) }
    members[Int(member)] = Unmanaged.passRetained(exchange)
    return member
  }

  /// The member must not be scheduled.
  func leave(_ member: Int32) {
    wheel.release(member)
    members[Int(member)]?.release()
    members[Int(member)] = nil
  }

  func schedule(_ member: Int32, at due: MonotonicTime) {
    wheel.schedule(member, at: due)
    if due < armedFor { arm(due) }
  }

  func timerFired(kind: UInt8, now: MonotonicTime) {
    timer = .none
    // Every beat below re-schedules; the timer is armed once, at the end.
    armedFor = .zero
    while takeDue(now) {
      for position in due.indices {
        fetchAhead(of: position)
        members[Int(due[position])]?._withUnsafeGuaranteedRef { $0.beat(now) }
      }
      if due.count == Self.beatsPerFlush { worker.flushEarly() }
    }
    armedFor = .distantFuture
    let next = wheel.nextInstant
    if next != .distantFuture { arm(next) }
  }

  private func takeDue(_ now: MonotonicTime) -> Bool {
    due.removeAll(keepingCapacity: true)
    while due.count < Self.beatsPerFlush, let member = wheel.popDue(now) { due.append(member) }
    return !due.isEmpty
  }

  /// Fetches the exchanges that come soon, then their streams, then the ends of their queues: each names the next.
  @inline(__always)
  private func fetchAhead(of position: Int) {
    if position &+ 12 < due.count, let next = members[Int(due[position &+ 12])] {
      cprefetch(next.toOpaque(), EngineExchange.beatBytes)
    }
    if position &+ 8 < due.count, let next = members[Int(due[position &+ 8])] {
      next._withUnsafeGuaranteedRef { $0.fetchStream() }
    }
    if position &+ 4 < due.count, let next = members[Int(due[position &+ 4])] {
      next._withUnsafeGuaranteedRef { $0.fetchOutput() }
    }
  }

  private func arm(_ instant: MonotonicTime) {
    worker.timers.cancel(&timer)
    armedFor = instant
    timer = worker.timers.schedule(at: instant, target: self, kind: 0)
  }
}
