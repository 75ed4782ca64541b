import Glibc
import Synchronization
import TideCore

/// A store that gateways share: one thread with one connection for the whole process.
///
/// The thread takes all commands that have gathered, writes them in one go, and tells each its end as the replies come. While there is no
/// connection commands fail at once, so that a dead server costs its timeout once and not each request; the thread tries again in ever
/// longer intervals.
///
/// Unchecked Sendable: what threads share is behind the mutex, and the rest is the store's thread's own.
public final class StoreClient: @unchecked Sendable {
  private struct Shared {
    var inbox: [StoreCommand] = []
    var released: [StorePlace] = []
    var isUp = false
    /// Why it is not.
    var reason = "it is not connected yet"
    var isStopping = false
    /// Under way, in the inbox included.
    var load = 0
    var figures = StoreFigures()

    /// Nothing has been left for the thread since it last looked.
    var isIdle: Bool { inbox.isEmpty && released.isEmpty }
  }

  public let target: StoreTarget
  private let settings: StoreSettings
  private let report: @Sendable (StoreEvent) -> Void
  private let shared = Mutex(Shared())
  /// Wakes the thread: the end that it reads, and the one that is written.
  private let wakeups: Pipe
  /// Holds something once the first attempt to connect has ended.
  private let firstAttempt: Pipe
  private var thread: pthread_t?

  // The thread's own.
  private var connection: StoreConnection?
  private var backoff: StoreBackoff
  private var nextAttempt = MonotonicTime.zero
  private var places: PlaceBook
  /// Commands that must be delivered, oldest first.
  private var assured: [StoreCommand] = []
  private var lastReason = ""
  private var lastRefusal: MonotonicTime?

  /// - Parameter report: called on the store's thread; must not block.
  public init(
    _ target: StoreTarget, settings: StoreSettings = StoreSettings(), report: @escaping @Sendable (StoreEvent) -> Void
  ) {
    self.target = target
    self.settings = settings
    self.report = report
    backoff = StoreBackoff(settings)
    places = PlaceBook(everyMs: settings.renewalMs)
    wakeups = Pipe()
    firstAttempt = Pipe()
  }

  /// Starts the thread. Call once; `stop` ends it.
  public func start() {
    var started = pthread_t()
    let me = Unmanaged.passRetained(self)
    let error = pthread_create(
      &started, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<StoreClient>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, me.toOpaque())
    precondition(error == 0, "no thread for the store")
    thread = started
  }

  /// Waits until the first attempt to connect has succeeded or failed, or the time is up.
  public func waitForFirstAttempt(timeoutMs: Int) {
    var descriptor = pollfd(fd: firstAttempt.read, events: Int16(POLLIN), revents: 0)
    _ = poll(&descriptor, 1, Int32(clamping: timeoutMs))
  }

  /// Sends what is left, gives back the places that are still held, and ends the thread; within `farewellMs`.
  public func stop() {
    guard let thread else { return }
    self.thread = nil
    shared.withLock { $0.isStopping = true }
    wake()
    pthread_join(thread, nil)
  }

  public var figures: StoreFigures { shared.withLock { $0.figures } }

  /// Sends a command. Any thread may; nothing waits.
  public func send(_ command: StoreCommand) {
    var mustWake = false
    let failure: StoreFailure? = shared.withLock { shared in
      let isAssured = if case .assured = command.delivery { true } else { false }
      guard isAssured || shared.isUp else {
        shared.figures.unavailable &+= 1
        return .unavailable(shared.reason)
      }
      guard isAssured || shared.load < settings.commandsMax else {
        shared.figures.unavailable &+= 1
        return .unavailable("\(settings.commandsMax) commands wait for it")
      }
      shared.load += 1
      mustWake = shared.isIdle
      shared.inbox.append(command)
      return nil
    }
    if let failure { command.completion?(.failure(failure)) }
    if mustWake { wake() }
  }

  /// Gives a place back.
  public func release(_ place: StorePlace) {
    let mustWake = shared.withLock { shared in
      defer { shared.released.append(place) }
      return shared.isIdle
    }
    if mustWake { wake() }
  }

  private func wake() { wakeups.signal() }

  // MARK: The thread

  private func run() {
    while true {
      let (commands, released, isStopping) = shared.withLock { shared in
        let taken = (shared.inbox, shared.released, shared.isStopping)
        shared.inbox = []
        shared.released = []
        return taken
      }
      let now = MonotonicTime.now()
      for place in released { give(back: place, now) }
      for command in commands { take(command, now) }
      if isStopping { return farewell() }
      if connection == nil, now >= nextAttempt { connect() }
      guard connection != nil else {
        pause(until: nextAttempt)
        continue
      }
      if places.nextRenewal <= now { renew(now) }
      serve(until: places.nextRenewal)
    }
  }

  /// Waits for the connection or for commands, and takes what the server says.
  private func serve(until renewal: MonotonicTime) {
    guard let link = connection?.link else { return }
    do throws(RedisLink.Problem) {
      if link.hasOutput { try link.write() }
      var due = renewal
      if let oldest = connection?.pipeline.oldest { due = min(due, oldest.advanced(byMs: settings.commandMs)) }
      if wait(link, until: due) { try link.read { receive($0) } }
    } catch {
      return lose(error.reason)
    }
    guard let oldest = connection?.pipeline.oldest else { return }
    if oldest.advanced(byMs: settings.commandMs) <= .now() { lose("no reply within \(settings.commandMs) ms") }
  }

  /// - Returns: whether there is something to read.
  private func wait(_ link: RedisLink, until due: MonotonicTime) -> Bool {
    var descriptors = [
      pollfd(fd: wakeups.read, events: Int16(POLLIN), revents: 0),
      pollfd(
        fd: link.descriptor, events: Int16(link.hasOutput ? POLLIN | POLLOUT : POLLIN), revents: 0),
    ]
    _ = poll(&descriptors, 2, Self.timeoutMs(until: due))
    if descriptors[0].revents != 0 { wakeups.drain() }
    return descriptors[1].revents & Int16(POLLIN | POLLERR | POLLHUP) != 0
  }

  private func pause(until due: MonotonicTime) {
    var descriptor = pollfd(fd: wakeups.read, events: Int16(POLLIN), revents: 0)
    _ = poll(&descriptor, 1, Self.timeoutMs(until: due))
    if descriptor.revents != 0 { wakeups.drain() }
  }

  private static func timeoutMs(until due: MonotonicTime) -> Int32 {
    due == .distantFuture ? -1 : Int32(clamping: (due.nanoseconds(since: .now()) + 999_999) / 1_000_000)
  }

  // MARK: Commands

  private func take(_ command: StoreCommand, _ now: MonotonicTime) {
    if connection != nil { return send(StorePipeline.Sent(command: command, since: now)) }
    if case .assured = command.delivery { return keep(command) }
    finish(command, .failure(.unavailable(lastReason)))
  }

  private func send(_ one: StorePipeline.Sent) {
    guard let words = connection?.pipeline.send(one), let link = connection?.link else { return }
    do throws(RedisLink.Problem) {
      try link.append(words)
    } catch {
      lose(error.reason)
    }
  }

  private func receive(_ reply: StoreReply) {
    guard let outcome = connection?.pipeline.receive(reply) else { return }
    switch outcome {
    case .again(let one): send(one)
    case .lost(let reason): lose(reason)
    case .done(let command, let result, let since):
      backoff.reset()
      let now = MonotonicTime.now()
      switch result {
      case .success(let numbers):
        if case .holds(let place) = command.effect, numbers.first == 1 { places.hold(place, now: now) }
        let places = places.count
        shared.withLock {
          $0.figures.replied(afterUs: Int(now.nanoseconds(since: since) / 1_000))
          $0.figures.places = places
        }
      case .failure(let failure):
        shared.withLock { $0.figures.refused &+= 1 }
        if lastRefusal.map({ now.milliseconds(since: $0) >= 10_000 }) ?? true {
          lastRefusal = now
          report(.refused(failure.message))
        }
      }
      finish(command, result)
    }
  }

  /// Tells a command's end.
  private func finish(_ command: StoreCommand, _ result: Result<[Int], StoreFailure>) {
    shared.withLock {
      $0.load -= 1
      if case .failure(.unavailable) = result { $0.figures.unavailable &+= 1 }
    }
    command.completion?(result)
  }

  private func keep(_ command: StoreCommand) {
    assured.append(command)
    if assured.count > settings.assuredMax {
      let oldest = assured.removeFirst()
      shared.withLock { $0.figures.dropped &+= 1 }
      finish(oldest, .failure(.unavailable(lastReason)))
    }
    let count = assured.count
    shared.withLock { $0.figures.waiting = count }
  }

  // MARK: Places

  private func give(back place: StorePlace, _ now: MonotonicTime) {
    places.release(place)
    let count = places.count
    shared.withLock { $0.figures.places = count }
    // Without a connection its lease runs out.
    guard connection != nil else { return }
    shared.withLock { $0.load += 1 }
    send(
      StorePipeline.Sent(
        command: StoreCommand(.release, key: place.key, arguments: [place.member]), since: now))
  }

  private func renew(_ now: MonotonicTime) {
    for (key, members) in places.renewals(now: now) {
      shared.withLock { $0.load += 1 }
      send(
        StorePipeline.Sent(
          command: StoreCommand(.renew, key: key, arguments: ["\(settings.leaseMs)"] + members), since: now))
    }
  }

  // MARK: The connection

  private func connect() {
    defer { firstAttempt.signal() }
    switch StoreConnection.open(target, settings) {
    case .success(let made):
      connection = made
      lastReason = ""
      shared.withLock {
        $0.isUp = true
        $0.figures.isConnected = true
        $0.figures.connects &+= 1
        $0.figures.waiting = 0
      }
      report(.connected)
      let now = MonotonicTime.now()
      let kept = assured
      assured = []
      for command in kept { take(command, now) }
      // Whatever happened to the server, the places that are held here are taken.
      renew(now)
    case .failure(let problem):
      nextAttempt = MonotonicTime.now().advanced(byMs: backoff.next())
      shared.withLock {
        $0.reason = problem.reason
      }
      guard problem.reason != lastReason else { return }
      lastReason = problem.reason
      report(.unreachable(problem.reason))
    }
  }

  private func lose(_ reason: String) {
    guard let lost = connection?.pipeline.takeAll() else { return }
    connection = nil
    lastReason = reason
    nextAttempt = MonotonicTime.now().advanced(byMs: backoff.next())
    shared.withLock {
      $0.isUp = false
      $0.reason = reason
      $0.figures.isConnected = false
    }
    report(.lost(reason))
    for one in lost {
      if case .assured(repeatable: true) = one.command.delivery {
        keep(one.command)
      } else {
        finish(one.command, .failure(.unavailable(reason)))
      }
    }
  }

  /// Sends what is left and waits for the replies, as long as that may take.
  private func farewell() {
    let end = MonotonicTime.now().advanced(byMs: settings.farewellMs)
    while let link = connection?.link, let oldest = connection?.pipeline.oldest, MonotonicTime.now() < end {
      do throws(RedisLink.Problem) {
        if link.hasOutput { try link.write() }
        if wait(link, until: min(end, oldest.advanced(byMs: settings.commandMs))) { try link.read { receive($0) } }
      } catch {
        lose(error.reason)
      }
    }
    if let left = connection?.pipeline.takeAll() {
      for one in left { finish(one.command, .failure(.unavailable("the gateway ends"))) }
    }
    connection = nil
    for command in assured { finish(command, .failure(.unavailable("the gateway ends"))) }
    assured = []
    shared.withLock {
      $0.isUp = false
      $0.reason = "the gateway ends"
      $0.figures.isConnected = false
    }
  }
}
