import CLinux
import Glibc
import TideCore

/// A TCP connection, plain or TLS, on one worker. Subclass it and override the `connection...` methods.
///
/// Output is pulled: `setNeedsFlush` puts the connection on the worker's list, and at the end of the turn
/// `connectionProduce` fills the worker's buffer, which leaves in one write. A socket that takes no more is not asked for
/// more: what is not produced stays with its stream, which is the backpressure. Storage of an idle connection is this
/// object and, with TLS, OpenSSL's; buffers exist only after a short write.
///
/// Every connection ends with exactly one `connectionDidClose`, at the end of the turn in which it closed and never nested
/// in a call of the owner's.
open class SocketConnection: PollTarget {
  /// Bytes taken from an upstream connection per turn.
  public static let upstreamReadBudget: Int32 = 2 << 20
  /// Bytes taken from a downstream connection per turn.
  public static let downstreamReadBudget: Int32 = 64 << 10
  /// Bytes in the worker's buffer before a write: what a socket does not take of them is copied.
  static let gatherLimit = 64 << 10
  /// `connectionProduce` always finds at least this much room.
  public static let minimumProduceRoom = 24 << 10
  /// Bytes written per turn before others have their go.
  static let flushBudget = 1 << 20
  /// After our last byte, the peer's are read and discarded this long (robustness.md section 5).
  static let lingerMs = 1000
  /// A connection being closed whose peer takes nothing for this long is reset.
  static let closingStallMs = 30_000

  enum Phase: UInt8 {
    case connecting, handshaking, open
    /// `close` was called; output is still leaving.
    case closing
    /// All is sent and our side shut down; the peer's rest is discarded.
    case lingering
    case closed
  }

  struct Flags: OptionSet {
    let rawValue: UInt16
    static let readable = Flags(rawValue: 1 << 0)
    static let writable = Flags(rawValue: 1 << 1)
    static let dirty = Flags(rawValue: 1 << 2)
    /// A flush was asked for while it was not possible.
    static let wantsFlush = Flags(rawValue: 1 << 3)
    static let readPaused = Flags(rawValue: 1 << 4)
    static let readEnded = Flags(rawValue: 1 << 5)
    static let hungUp = Flags(rawValue: 1 << 6)
    static let hangUpTold = Flags(rawValue: 1 << 7)
    static let writeBroken = Flags(rawValue: 1 << 8)
    /// The peer has been told that no more comes, by close_notify: OpenSSL takes no more output.
    static let hasSaidClose = Flags(rawValue: 1 << 9)
    /// The TLS session must hear from the peer before it takes output.
    static let writeWantsRead = Flags(rawValue: 1 << 10)
    static let server = Flags(rawValue: 1 << 11)
    /// Bytes of this connection wait in the worker's ring.
    static let queued = Flags(rawValue: 1 << 12)
  }

  final var phase: Phase
  final var flags: Flags = []
  /// Bytes read per turn, above 0; what is left over is read in the next turn.
  public final var readBudget: Int32 { didSet { readBudget = max(1, readBudget) } }
  /// `errno` of a connect that failed inside `init`, told in the next turn.
  final var earlyFailure: Int32 = 0
  final var transport: TLSSession?
  /// Keeps what OpenSSL's callbacks point to.
  final var tlsContext: AnyObject?
  /// Output that was not taken. Allocated only then.
  final var pending: PendingOutput?
  final var closeTimer: CloseTimer?
  public final let peerAddress: SocketAddress

  /// Server side: takes over an accepted socket. `connectionDidOpen` follows in a later turn.
  public init(worker: Worker, accepted: AcceptedSocket, tls: TLSServerContext?) {
    peerAddress = accepted.peer
    readBudget = Self.downstreamReadBudget
    phase = tls == nil ? .connecting : .handshaking
    super.init(worker: worker, descriptor: accepted.descriptor, priority: .ordinary)
    flags = [.server]
    if let tls {
      tlsContext = tls
      transport = tls.makeSession(wire: worker.wire)
      if transport == nil { earlyFailure = ENOMEM }
    }
    begin()
  }

  /// Client side: begins to connect. `connectionDidOpen` or `connectionDidFail` follows in a later turn; a limit of time is
  /// the owner's, who calls `abort`.
  ///
  /// - Parameters:
  ///   - serverName: for SNI and verification; the peer's address is verified when it is nil. Ignored without TLS.
  ///   - localAddress: the source address, for a client that needs more ports than one address has.
  ///   - receiveBytes: what the kernel takes in while nobody reads, where it allows so much; nil leaves it to the kernel.
  public init(
    worker: Worker, connectingTo address: SocketAddress, tls: TLSClientContext?, serverName: String? = nil,
    localAddress: SocketAddress? = nil, receiveBytes: Int32? = nil
  ) {
    peerAddress = address
    readBudget = Self.upstreamReadBudget
    phase = .connecting
    let socket = clinux_tcp_socket(address.family)
    let socketError = socket < 0 ? errno : 0
    super.init(worker: worker, descriptor: socket, priority: .upstream)
    earlyFailure = socketError
    if socketError == 0 {
      // Before it connects: the handshake settles how large the window can become.
      if let receiveBytes, let bytes = ReceiveRoom.request(receiveBytes) {
        _ = clinux_set_option(descriptor, SOL_SOCKET, SO_RCVBUF, bytes)
      }
      earlyFailure = startConnecting(from: localAddress)
    }
    if earlyFailure == 0, let tls {
      tlsContext = tls
      transport = tls.makeSession(wire: worker.wire, serverName: serverName ?? address.host)
      if transport == nil { earlyFailure = ENOMEM }
    }
    begin()
  }

  final func startConnecting(from localAddress: SocketAddress?) -> Int32 {
    _ = clinux_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    if let localAddress {
      _ = clinux_set_option(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
      guard localAddress.withSockaddr({ bind(descriptor, $0, $1) }) == 0 else { return errno }
    }
    guard peerAddress.withSockaddr({ connect(descriptor, $0, $1) }) != 0 else { return 0 }
    return errno == EINPROGRESS || errno == EINTR ? 0 : errno
  }

  /// The poller reports the state of a socket when it is added, so that an accepted one gets its first event by itself.
  final func begin() {
    let error = worker.register(self, events: PollEvents.connection)
    if earlyFailure == 0 { earlyFailure = error }
    if earlyFailure != 0 { worker.deferToNextTurn(self) }
  }

  // MARK: What the owner overrides

  /// Connected, and past the TLS handshake. `applicationProtocol` is nil on cleartext and when ALPN chose nothing.
  open func connectionDidOpen(applicationProtocol: ApplicationProtocol?) {}
  /// Bytes arrived. They are valid during the call only.
  open func connectionDidReceive(_ bytes: UnsafeRawBufferPointer) {}
  /// The peer sends no more. `clean` is false when a TLS peer left without saying so: what came may be cut short. Output may
  /// still be sent after a clean end; `close` or `abort` is the owner's to call, soon.
  open func connectionDidReceiveEnd(clean: Bool) {}
  /// Could not connect, shake hands, read or write. The connection is closed already; `connectionDidClose` follows.
  open func connectionDidFail(_ error: SocketFailure) {}
  /// Writes output into `buffer`, at least `minimumProduceRoom` bytes large, and returns how many; 0 when there is no more.
  open func connectionProduce(into buffer: UnsafeMutableRawBufferPointer) -> Int { 0 }
  /// Whether the last `connectionProduce` is known to have written all there was, so that it need not be asked again to say 0.
  open var connectionIsDrained: Bool { false }
  /// `connectionProduce` comes soon: what it will touch beyond this object can be fetched into the cache. Called with 0, 1 and 2, one
  /// other connection's flush apart; each step may read what the one before it has fetched, or wait for it. Nothing may be changed here, and nothing
  /// be counted on: the first of a turn's connections do not get every step.
  open func connectionPrefetch(_ step: Int) {}
  /// The peer hung up while reading is paused, so that neither data nor its end can be told. Once.
  open func connectionPeerHungUp() {}
  /// The last call, exactly one.
  open func connectionDidClose() {}

  // MARK: What the owner may ask

  public final var isTLS: Bool { tlsContext != nil }
  /// Past `connectionDidOpen` and before `close`, `abort` or a failure.
  public final var isOpen: Bool { phase == .open }
  public final var isClosed: Bool { phase == .closed }
  public final var isReadingPaused: Bool { flags.contains(.readPaused) }
  /// Bytes that the socket has not taken; what TLS adds to them counts.
  public final var pendingByteCount: Int { pending.map { $0.queue.byteCount + $0.unsealed.byteCount } ?? 0 }
  /// Our end; nil once closed.
  public final var localAddress: SocketAddress? { SocketAddress(localOf: descriptor) }

  // MARK: What the owner may do

  /// Asks for `connectionProduce` at the end of this turn. Cheap and idempotent.
  public final func setNeedsFlush() {
    assert(worker.isCurrent, "a connection was used outside its worker")
    if flags.contains(.dirty) { return }
    enqueueFlush()
  }

  final func enqueueFlush() {
    switch phase {
    case .open, .closing:
      guard flags.contains(.writable) else {
        flags.insert(.wantsFlush)
        return
      }
      flags.insert(.dirty)
      worker.markDirty(self)
    case .connecting, .handshaking:
      flags.insert(.wantsFlush)
    case .lingering, .closed:
      break
    }
  }

  /// Stops `connectionDidReceive` until `resumeReading`, from inside it as well.
  public final func pauseReading() {
    guard !flags.contains(.readPaused) else { return }
    flags.insert(.readPaused)
    worker.counters.readPauses &+= 1
  }

  /// Takes reading up again, in the next turn.
  public final func resumeReading() {
    guard flags.contains(.readPaused) else { return }
    flags.remove(.readPaused)
    if flags.contains(.readable), phase == .open { worker.deferToNextTurn(self) }
  }

  /// Sends what `connectionProduce` still yields, then ends our side, discards what the peer still sends for at most a second,
  /// and closes. Nothing more is received. Before the connection is open it closes at once.
  public final func close() {
    switch phase {
    case .connecting, .handshaking:
      finish(reset: false)
    case .open:
      phase = .closing
      let timer = CloseTimer(self)
      closeTimer = timer
      timer.arm(afterMs: Self.closingStallMs)
      setNeedsFlush()
      if flags.contains(.readable) { worker.deferToNextTurn(self) }
    case .closing, .lingering, .closed:
      break
    }
  }

  /// Closes at once with a reset; unsent output is lost. Safe in any callback and in any phase.
  public final func abort() { finish(reset: true) }

  // MARK: From the worker

  override final func pollReady(_ events: UInt32) { noteReadiness(events) }
  override final func pollDeferred() { continueWork() }
  override final func flushTurn() { flush() }
  override final func prefetchFlush(_ step: Int) { connectionPrefetch(step) }
  override final func workerStops() { finish(reset: true) }
  override final func targetDidRetire() { connectionDidClose() }
}
