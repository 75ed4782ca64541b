import CLinux
import Glibc
import Synchronization
import TideCore

/// Told once at the end of a turn, before the flush, after `Worker.requestTurnEnd`.
public protocol TurnEndTarget: AnyObject {
  func turnWillEnd(now: MonotonicTime)
}

/// One thread with one edge-triggered epoll loop, and the owner of everything on it.
///
/// A turn: poll; read upstream connections until dry, then the others; mailbox; timers; hooks; then flush each dirty
/// connection once, so that all that came for a connection leaves in one write. What clients ask for leaves earlier, a few
/// requests at a time: else engines would idle while a turn reads, and the gateway while they answer. Where very many have something
/// to send, some leave between two upstream connections.
///
/// Unchecked Sendable: other threads hold it as an address for `post`, `stop`, `join` and the counters, which are
/// atomic or locked. All else belongs to its own thread.
public final class Worker: @unchecked Sendable {
  /// Bytes of the shared read and write buffers.
  public static let bufferSize = 256 << 10
  private static let eventCount = 4096
  private static let stackSize = 8 << 20
  /// Clients' connections that are read before what they ask for leaves.
  private static let ordinaryReadsPerFlush = 16
  /// Connections that may have something to send before it leaves, while others are still read: what waits takes memory, and what has
  /// just been touched is still in the cache.
  private static let dirtyPerFlush = 512

  public let index: Int
  /// The time of this turn: read once, after the poller returned.
  public private(set) var now: MonotonicTime
  public let timers: TimerWheel
  public let loopLag = LoopLag()
  public var counters = WorkerCounters()
  /// Bytes of records that a TLS session may have for a peer that does not take them, such as refusals of new handshakes. Above what
  /// output leaves, which is one flush at most.
  var unsentLimit = 256 << 10
  /// The least time from one poll to the next; what comes in between is served in one turn. 0, the beginning, polls at once. For a worker
  /// whose thousands of connections always have something: a wake-up for each costs the sender, too, and interrupts who runs.
  public var leastTurnNs: UInt64 = 0
  /// How long the turn before this one worked.
  private(set) var lastTurnMs = 0
  /// How many connections and listeners are open.
  public private(set) var targetCount = 0

  /// The one output buffer: valid from `connectionProduce` to the write that follows it.
  public let scratch: UnsafeMutableRawBufferPointer
  /// The one input buffer: valid during `connectionDidReceive`.
  let input: UnsafeMutableRawBufferPointer
  /// What the TLS sessions of this worker's connections read from and write to.
  let wire = TLSWire()

  /// Where the connections that are being flushed gather what they send; nil while each sends by itself.
  final var gathering: SendRing? {
    @inline(__always) get { isGathering ? ring : nil }
  }
  private final var isGathering = false
  /// Whether so many connections had something to send in this turn that the worker is behind. Each write takes more then, and what has
  /// just been produced leaves while it is in the nearest cache: the ring, which gathers first, would not be cheaper.
  private final var isCrowded = false
  /// nil outside `run`: a kernel that takes a ring back interrupts the thread that made it, which must be no other.
  private(set) final var ring: SendRing?
  private let makeRing: (() -> SendRing?)?
  /// Whether sends of many connections leave together. Decided when `run` begins; read on the worker's own thread.
  public private(set) var sendBatching = SendBatching.off

  private let poller: Int32
  private let events: UnsafeMutablePointer<epoll_event>
  private let mailbox = Mailbox()
  private let stopRequested = Atomic<Bool>(false)
  /// Nanoseconds of the turn's begin, 0 while polling: what the stall watchdog looks at.
  private let busySince = Atomic<UInt64>(0)
  private var histogram: TurnHistogram
  private var thread: UInt?

  /// Targets that have more to read, for the next turn; unretained, purged before a retired one is released.
  private var deferredUpstream: ContiguousArray<Unmanaged<PollTarget>> = []
  private var deferredOrdinary: ContiguousArray<Unmanaged<PollTarget>> = []
  private let dirty = FlushQueue()
  /// The same of upstream connections, which may be flushed while the turn still reads requests.
  private let dirtyUpstream = FlushQueue()
  /// Retired this turn; each holds the reference that `register` took.
  private var graveyard: ContiguousArray<Unmanaged<PollTarget>> = []
  private var firstTarget: Unmanaged<PollTarget>?
  private var freedMemory = FreedMemory()
  private var turnEndTargets: ContiguousArray<any TurnEndTarget> = []
  private var turnEndHooks: [(Worker) -> Void] = []
  private var stopHooks: [() -> Void] = []

  /// - Parameters:
  ///   - now: where the clock of a worker that is driven by `turn(at:_:)` begins.
  ///   - batchesSends: whether `run` sends by io_uring, where the kernel lets it.
  public convenience init(index: Int, now: MonotonicTime = .now(), batchesSends: Bool = false) {
    self.init(index: index, now: now, makeRing: batchesSends ? { SendRing() } : nil)
  }

  init(index: Int, now: MonotonicTime = .now(), makeRing: (() -> SendRing?)?) {
    self.makeRing = makeRing
    self.index = index
    self.now = now
    timers = TimerWheel(now: now)
    histogram = TurnHistogram(now: now)
    scratch = .allocate(byteCount: Self.bufferSize, alignment: 64)
    input = .allocate(byteCount: Self.bufferSize, alignment: 64)
    events = .allocate(capacity: Self.eventCount)
    poller = epoll_create1(Int32(EPOLL_CLOEXEC))
    precondition(poller >= 0, "no epoll descriptor for a worker: \(SocketFailure.text(of: errno))")
    clinux_ignore_broken_pipe()
    var interest = epoll_event(events: PollEvents.readable, data: epoll_data_t(u64: 0))
    let added = epoll_ctl(poller, EPOLL_CTL_ADD, mailbox.descriptor, &interest)
    precondition(added == 0, "a worker's mailbox cannot be polled: \(SocketFailure.text(of: errno))")
  }

  deinit {
    close(poller)
    scratch.deallocate()
    input.deallocate()
    events.deallocate()
  }

  // MARK: From any thread

  /// The worker of the calling thread.
  public static var current: Worker? {
    clinux_current_worker().map { Unmanaged<Worker>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Whether the caller runs on this worker's thread.
  public var isCurrent: Bool { clinux_current_worker() == Unmanaged.passUnretained(self).toOpaque() }

  /// Runs `message` on the worker's thread, in the order of the posts. Thread-safe. After the worker has stopped,
  /// messages are dropped.
  public func post(_ message: @escaping @Sendable (Worker) -> Void) { mailbox.post(message) }

  /// Ends `run` after the current turn; every connection left is aborted. Thread-safe.
  public func stop() {
    stopRequested.store(true, ordering: .releasing)
    mailbox.wake()
  }

  /// 99th percentile of the last second's turns. Thread-safe.
  public var loopLagMs: Int { loopLag.milliseconds }

  /// How long the current turn has been running; nil while the worker waits for work. Thread-safe.
  func busyMs(at instant: MonotonicTime) -> Int? {
    let since = busySince.load(ordering: .relaxed)
    return since == 0 ? nil : instant.milliseconds(since: MonotonicTime(nanoseconds: since))
  }

  /// Spawns the thread that runs the loop. Call once, then `join` after `stop`.
  public func start() {
    precondition(thread == nil, "worker \(index) was started twice")
    var started: UInt = 0
    let me = Unmanaged.passRetained(self)
    let error = clinux_start_thread(
      "tide-\(index)", Self.stackSize,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, me.toOpaque(), &started)
    precondition(error == 0, "no thread for worker \(index): \(SocketFailure.text(of: error))")
    thread = started
  }

  /// Has the kernel run this worker's thread on one core alone. After `start`.
  ///
  /// - Parameter ordinal: among the cores that the process may use, from 0; what is beyond the last begins again.
  /// - Returns: why the kernel does not let it; nil when it does.
  public func keepOnCore(_ ordinal: Int) -> String? {
    guard let thread else { preconditionFailure("worker \(index) has no thread to keep on a core") }
    let error = clinux_keep_on_core(thread, UInt32(truncatingIfNeeded: ordinal))
    return error == 0 ? nil : SocketFailure.text(of: error)
  }

  /// Waits for the thread of `start` to end.
  public func join() {
    guard let thread else { return }
    self.thread = nil
    _ = clinux_join_thread(thread)
  }

  // MARK: The loop

  /// Turns until `stop`. Blocks the calling thread, which becomes the worker's.
  public func run() {
    clinux_set_current_worker(Unmanaged.passUnretained(self).toOpaque())
    turnEnded = .now()
    if let makeRing {
      ring = makeRing()
      sendBatching = ring == nil ? .refused(errno) : .on
    }
    while !stopRequested.load(ordering: .acquiring) { turn() }
    for message in mailbox.take() { message(self) }
    // What closes may open something in its place; that is closed as well, but not for ever.
    var rounds = 8
    while firstTarget != nil, rounds > 0 {
      rounds -= 1
      while let target = firstTarget?.takeUnretainedValue() {
        target.workerStops()
        if !target.isRetired { retire(target) }
      }
      bury()
    }
    for hook in stopHooks { hook() }
    ring = nil
    busySince.store(0, ordering: .relaxed)
    clinux_set_current_worker(nil)
  }

  /// One turn on the calling thread at an instant of the caller's choosing: for loops whose clock is not the machine's. Never beside `run`.
  ///
  /// - Parameter body: stands for what the poller would bring; messages, timers, the turn's end and the flush follow it.
  public func turn(at instant: MonotonicTime, _ body: () -> Void) {
    clinux_set_current_worker(Unmanaged.passUnretained(self).toOpaque())
    now = instant
    body()
    for message in mailbox.take() { message(self) }
    timers.advance(to: now)
    runTurnEnd()
    flushDirty()
    if !graveyard.isEmpty { bury() }
    counters.turns &+= 1
    clinux_set_current_worker(nil)
  }

  private func turn() {
    if leastTurnNs > 0 { rest() }
    let count = epoll_wait(poller, events, Int32(Self.eventCount), pollTimeoutMs)
    now = .now()
    busySince.store(now.nanoseconds, ordering: .relaxed)
    let ready = Int(max(0, count))
    if histogram.isStale(at: now) {
      // After a pause of the worker's, an old lag must not shed the first new request.
      histogram.restart(at: now)
      loopLag.publish(microseconds: 0)
    }

    counters.events &+= UInt64(ready)
    if !deferredUpstream.isEmpty { runDeferred(takeOut(&deferredUpstream)) }
    var hasOrdinary = !deferredOrdinary.isEmpty
    var hasMail = false
    for position in 0..<ready {
      let data = events[position].data.u64
      if data & 1 == 1 {
        target(of: data)._withUnsafeGuaranteedRef { $0.pollReady(events[position].events) }
        // What one upstream connection brings is all there is for its streams: to read the others first would add nothing to it.
        if dirty.count >= Self.dirtyPerFlush {
          isCrowded = true
          flush(dirty)
        }
      } else if data == 0 {
        hasMail = true
      } else {
        hasOrdinary = true
      }
    }
    if hasOrdinary {
      runDeferred(takeOut(&deferredOrdinary))
      var reads = 0
      for position in 0..<ready {
        let data = events[position].data.u64
        if data & 1 == 0, data != 0 {
          target(of: data)._withUnsafeGuaranteedRef { $0.pollReady(events[position].events) }
          reads &+= 1
          if reads >= Self.ordinaryReadsPerFlush {
            reads = 0
            flush(dirtyUpstream)
          }
        }
      }
    }
    if hasMail {
      for message in mailbox.take() { message(self) }
    }
    timers.advance(to: now)
    runTurnEnd()
    flushDirty()
    if !graveyard.isEmpty { bury() }

    counters.turns &+= 1
    let end = MonotonicTime.now()
    lastTurnMs = end.milliseconds(since: now)
    if let microseconds = histogram.record(nanoseconds: end.nanoseconds(since: now), now: end) {
      loopLag.publish(microseconds: microseconds)
    }
    turnEnded = end
    busySince.store(0, ordering: .relaxed)
  }

  /// Sleeps for what is left of the least time of the turn that has ended.
  private func rest() {
    let passed = turnEnded.nanoseconds(since: now)
    guard passed < leastTurnNs else { return }
    var left = timespec(tv_sec: 0, tv_nsec: Int(min(leastTurnNs &- passed, 999_999_999)))
    nanosleep(&left, nil)
  }

  private var turnEnded = MonotonicTime.zero

  private var pollTimeoutMs: Int32 {
    if !dirty.isEmpty || !dirtyUpstream.isEmpty || !deferredUpstream.isEmpty || !deferredOrdinary.isEmpty
      || !turnEndTargets.isEmpty
    {
      return 0
    }
    let deadline = timers.nextDeadline
    if deadline == .distantFuture { return -1 }
    let nanoseconds = deadline.nanoseconds(since: turnEnded)
    return Int32(clamping: min(nanoseconds, UInt64.max - 999_999) / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1))
  }

  @inline(__always)
  private func target(of data: UInt64) -> Unmanaged<PollTarget> {
    // The poll set holds only addresses of registered targets, which stay alive until `bury`.
    let address = UnsafeRawPointer(bitPattern: UInt(data & ~1)).unsafelyUnwrapped
    return Unmanaged<PollTarget>.fromOpaque(address)
  }

  private func takeOut(
    _ queue: inout ContiguousArray<Unmanaged<PollTarget>>
  ) -> ContiguousArray<Unmanaged<PollTarget>> {
    let taken = queue
    queue = []
    return taken
  }

  /// The caller has taken the queue out: a target may defer itself again while it runs.
  private func runDeferred(_ taken: ContiguousArray<Unmanaged<PollTarget>>) {
    for entry in taken {
      let target = entry.takeUnretainedValue()
      target.isDeferred = false
      target.pollDeferred()
    }
  }

  private func runTurnEnd() {
    if !turnEndTargets.isEmpty {
      let taken = turnEndTargets
      turnEndTargets = []
      for target in taken { target.turnWillEnd(now: now) }
    }
    for hook in turnEndHooks { hook(self) }
  }

  private func flushDirty() {
    flush(dirtyUpstream)
    flush(dirty)
    flush(dirtyUpstream)
    isCrowded = false
  }

  private func flush(_ queue: FlushQueue) {
    guard !queue.isEmpty else { return }
    let ring = !isCrowded && SendRing.worthwhile.contains(queue.count) ? ring : nil
    isGathering = ring != nil
    counters.flushes &+= queue.flush(ring)
    guard let ring else { return }
    isGathering = false
    counters.batches = ring.batchCount
  }

  private func bury() {
    var position = 0
    while position < graveyard.count {
      graveyard[position].takeUnretainedValue().targetDidRetire()
      position += 1
    }
    dirty.purge()
    dirtyUpstream.purge()
    purge(&deferredUpstream)
    purge(&deferredOrdinary)
    let dead = graveyard
    graveyard.removeAll()
    for entry in dead { entry.release() }
    if freedMemory.isMuch(targetCount) { FreedMemory.release() }
  }

  private func purge(_ queue: inout ContiguousArray<Unmanaged<PollTarget>>) {
    if !queue.isEmpty { queue.removeAll { $0._withUnsafeGuaranteedRef { $0.isRetired } } }
  }

  // MARK: From the worker's own thread

  /// Tells `target` once, after all reads, messages and timers of this turn and before its flush. Held strongly until then.
  public func requestTurnEnd(_ target: any TurnEndTarget) { turnEndTargets.append(target) }

  /// Runs `hook` at the end of every turn, before the flush. For the few things that concern a whole worker.
  public func onTurnEnd(_ hook: @escaping (Worker) -> Void) { turnEndHooks.append(hook) }

  /// Runs `hook` when `run` ends, after the last connection was closed.
  public func onStop(_ hook: @escaping () -> Void) { stopHooks.append(hook) }

  /// Flushes what has something to send before the turn ends: for one who produces megabytes in a turn, while they are in the nearest
  /// cache. Not from inside a flush.
  public func flushEarly() { flush(dirty) }

  /// Adds a target to the poll set and keeps it alive until it is retired. Returns 0 or an errno value.
  func register(_ target: PollTarget, events interest: UInt32) -> Int32 {
    let reference = Unmanaged.passRetained(target)
    target.next = firstTarget
    firstTarget?.takeUnretainedValue().previous = reference
    firstTarget = reference
    targetCount += 1
    freedMemory.opened(targetCount)
    guard target.descriptor >= 0 else { return EBADF }
    return control(EPOLL_CTL_ADD, target, events: interest)
  }

  func control(_ operation: Int32, _ target: PollTarget, events interest: UInt32) -> Int32 {
    let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(target).toOpaque()))
    var event = epoll_event(events: interest, data: epoll_data_t(u64: address | (target.isUpstream ? 1 : 0)))
    return epoll_ctl(poller, operation, target.descriptor, &event) == 0 ? 0 : errno
  }

  /// Takes a target out of everything but the events already fetched. Its descriptor is closed by the caller, which also
  /// removes it from the poll set.
  func retire(_ target: PollTarget) {
    guard !target.isRetired else { return }
    target.isRetired = true
    targetCount -= 1
    let reference = Unmanaged.passUnretained(target)
    target.next?.takeUnretainedValue().previous = target.previous
    if let previous = target.previous {
      previous.takeUnretainedValue().next = target.next
    } else {
      firstTarget = target.next
    }
    target.next = nil
    target.previous = nil
    graveyard.append(reference)
  }

  @inline(__always)
  func markDirty(_ target: PollTarget) {
    if target.isUpstream { dirtyUpstream.append(target) } else { dirty.append(target) }
  }

  /// Gives `target` another go next turn, which then does not wait.
  func deferToNextTurn(_ target: PollTarget) {
    guard !target.isDeferred, !target.isRetired else { return }
    target.isDeferred = true
    if target.isUpstream {
      deferredUpstream.append(Unmanaged.passUnretained(target))
    } else {
      deferredOrdinary.append(Unmanaged.passUnretained(target))
    }
  }
}
