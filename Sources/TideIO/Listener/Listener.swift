import CLinux
import Glibc
import TideCore

/// Accepts connections for one worker from a socket of its own.
///
/// At most 16 a wake-up, so that a storm of new connections cannot hold the live ones; more after a long turn, so that a
/// busy worker still lets clients in before they give up: at 60 ms a turn, 16 would be 260 a second. Out of descriptors, it closes one
/// waiting client with the descriptor it keeps spare, then rests for 100 ms instead of spinning (robustness.md section 4).
public final class Listener: PollTarget, TimerTarget {
  static let acceptsPerWakeUp = 16
  static let acceptsPerBusyMs = 4
  static let mostAcceptsPerWakeUp = 256
  static let restMs = 100

  /// Where it really listens.
  public let address: SocketAddress
  private let onAccept: (AcceptedSocket) -> Void
  private var spare = clinux_spare_descriptor()
  private var rest = TimerToken.none
  /// Not accepting because the owner said so.
  private var isPaused = false

  /// Takes over `socket`. Call on the worker's thread, or before it starts.
  public init(socket: ListeningSocket, worker: Worker, onAccept: @escaping (AcceptedSocket) -> Void) {
    address = socket.address
    self.onAccept = onAccept
    super.init(worker: worker, descriptor: socket.descriptor, priority: .ordinary)
    _ = worker.register(self, events: PollEvents.readable)
  }

  /// Binds, listens and accepts. Port 0 lets the kernel choose: give `address` of this listener to the other workers'.
  public convenience init(
    address: SocketAddress, worker: Worker, backlog: Int32 = 4096, onAccept: @escaping (AcceptedSocket) -> Void
  ) throws(Diagnostic) {
    self.init(socket: try ListeningSocket(address: address, backlog: backlog), worker: worker, onAccept: onAccept)
  }

  /// Throws when another program listens on `address`. SO_REUSEPORT alone would let two gateways share a port in silence.
  public static func probe(_ address: SocketAddress) throws(Diagnostic) { try ListeningSocket.probe(address) }

  public var isListening: Bool { descriptor >= 0 }

  /// Leaves new connections in the kernel's queue until `resumeAccepting`.
  public func pauseAccepting() {
    isPaused = true
    updateInterest()
  }

  public func resumeAccepting() {
    isPaused = false
    updateInterest()
  }

  /// Accepts what the kernel has already queued, since closing would reset it, then closes.
  public func stopAccepting() {
    guard descriptor >= 0 else { return }
    var goesOn = true
    while goesOn { goesOn = acceptOne() }
    closeNow()
  }

  override func pollReady(_ events: UInt32) {
    var left = min(max(Self.acceptsPerWakeUp, worker.lastTurnMs * Self.acceptsPerBusyMs), Self.mostAcceptsPerWakeUp)
    while left > 0, !isPaused, rest == .none, acceptOne() { left -= 1 }
  }

  override func workerStops() { closeNow() }

  public func timerFired(kind: UInt8, now: MonotonicTime) {
    rest = .none
    if spare < 0 { spare = clinux_spare_descriptor() }
    updateInterest()
  }

  /// Returns whether there may be another one to accept.
  private func acceptOne() -> Bool {
    guard descriptor >= 0 else { return false }
    var peer = sockaddr_storage()
    let socket = clinux_accept(descriptor, &peer)
    guard socket < 0 else {
      handOver(socket, peer)
      return true
    }
    switch errno {
    case EAGAIN: return false
    // The client gave up between its connect and our accept, or the network answered for it (accept(2)).
    case ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH:
      return true
    default:
      refuseOne()
      return false
    }
  }

  private func handOver(_ socket: Int32, _ peer: sockaddr_storage) {
    let address = withUnsafePointer(to: peer) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress($0) }
    }
    guard let address else {
      close(socket)
      return
    }
    worker.counters.accepted &+= 1
    onAccept(AcceptedSocket(descriptor: socket, peer: address))
  }

  /// EMFILE, ENFILE, ENOMEM, ENOBUFS: tell one client, then rest.
  private func refuseOne() {
    if spare >= 0 {
      close(spare)
      var peer = sockaddr_storage()
      let refused = clinux_accept(descriptor, &peer)
      if refused >= 0 {
        worker.counters.acceptsRefused &+= 1
        clinux_reset_on_close(refused)
        close(refused)
      }
      spare = clinux_spare_descriptor()
    }
    guard rest == .none else { return }
    rest = worker.timers.schedule(at: worker.now.advanced(byMs: Self.restMs), target: self, kind: 0)
    updateInterest()
  }

  private func updateInterest() {
    guard descriptor >= 0 else { return }
    let accepts = !isPaused && rest == .none
    _ = worker.control(EPOLL_CTL_MOD, self, events: accepts ? PollEvents.readable : 0)
  }

  private func closeNow() {
    guard descriptor >= 0 else { return }
    worker.timers.cancel(&rest)
    close(descriptor)
    descriptor = -1
    if spare >= 0 { close(spare) }
    spare = -1
    worker.retire(self)
  }
}
