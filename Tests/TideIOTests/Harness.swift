import Foundation
import TideCore

@testable import TideIO

/// What happened to one connection, written on its worker and waited for by the test.
final class Recorder: @unchecked Sendable {
  struct State {
    var opened = 0
    var applicationProtocol: ApplicationProtocol?
    var received: [UInt8] = []
    var ends: [Bool] = []
    var failures: [SocketFailure] = []
    var closed = 0
    var hangUps = 0
    var produced = 0
    /// Callbacks after the last one.
    var late = 0
  }

  private let condition = NSCondition()
  private var state = State()

  func note(_ change: (inout State) -> Void) {
    condition.lock()
    if state.closed > 0 { state.late += 1 }
    change(&state)
    condition.broadcast()
    condition.unlock()
  }

  var now: State {
    condition.lock()
    defer { condition.unlock() }
    return state
  }

  /// Waits until `isMet`; false when that takes implausibly long.
  func wait(until isMet: (State) -> Bool) -> Bool {
    let limit = Date(timeIntervalSinceNow: 20)
    condition.lock()
    defer { condition.unlock() }
    while !isMet(state) {
      if !condition.wait(until: limit) { return isMet(state) }
    }
    return true
  }
}

/// What a test connection does besides writing things down. Runs on the worker.
struct Behaviour: Sendable {
  var opened: @Sendable (Probe) -> Void = { _ in }
  var received: @Sendable (Probe, UnsafeRawBufferPointer) -> Void = { _, _ in }
  var ended: @Sendable (Probe) -> Void = { $0.close() }
  var hungUp: @Sendable (Probe) -> Void = { _ in }

  static let echo = Behaviour(received: { probe, bytes in probe.write(bytes) })
}

final class Probe: SocketConnection {
  let recorder: Recorder
  let behaviour: Behaviour
  var output = ByteQueue()

  init(worker: Worker, accepted: AcceptedSocket, tls: TLSServerContext?, recorder: Recorder, behaviour: Behaviour) {
    self.recorder = recorder
    self.behaviour = behaviour
    super.init(worker: worker, accepted: accepted, tls: tls)
  }

  init(
    worker: Worker, connectingTo address: SocketAddress, tls: TLSClientContext?, serverName: String?,
    recorder: Recorder, behaviour: Behaviour
  ) {
    self.recorder = recorder
    self.behaviour = behaviour
    super.init(worker: worker, connectingTo: address, tls: tls, serverName: serverName)
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    output.append(bytes)
    setNeedsFlush()
  }

  func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

  override func connectionDidOpen(applicationProtocol: ApplicationProtocol?) {
    recorder.note {
      $0.opened += 1
      $0.applicationProtocol = applicationProtocol
    }
    behaviour.opened(self)
  }

  override func connectionDidReceive(_ bytes: UnsafeRawBufferPointer) {
    recorder.note { $0.received.append(contentsOf: bytes) }
    behaviour.received(self, bytes)
  }

  override func connectionDidReceiveEnd(clean: Bool) {
    recorder.note { $0.ends.append(clean) }
    behaviour.ended(self)
  }

  override func connectionDidFail(_ error: SocketFailure) { recorder.note { $0.failures.append(error) } }

  override func connectionPeerHungUp() {
    recorder.note { $0.hangUps += 1 }
    behaviour.hungUp(self)
  }

  override func connectionProduce(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = output.move(into: buffer)
    recorder.note { $0.produced += count }
    return count
  }

  override func connectionDidClose() { recorder.note { $0.closed += 1 } }
}

/// A worker on a thread of its own, with what tests do on it.
final class Harness: @unchecked Sendable {
  let worker: Worker

  init(_ worker: Worker = Worker(index: 0)) {
    self.worker = worker
    worker.start()
  }

  deinit {
    worker.stop()
    worker.join()
  }

  /// Runs `body` on the worker and waits for it.
  func run<R: Sendable>(_ body: @escaping @Sendable (Worker) -> R) -> R {
    let box = Answer<R>()
    let done = DispatchSemaphore(value: 0)
    worker.post { worker in
      box.value = body(worker)
      done.signal()
    }
    precondition(done.wait(timeout: .now() + 20) == .success, "the worker does not answer")
    return box.value!
  }

  /// Listens on a port of the kernel's choice; every connection does the same and writes to one recorder.
  func listen(
    tls: TLSServerContext? = nil, on socket: ListeningSocket? = nil, _ behaviour: Behaviour
  ) -> (address: SocketAddress, recorder: Recorder) {
    let recorder = Recorder()
    let address = run { worker in
      let socket = try! socket ?? ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
      let listener = Listener(socket: socket, worker: worker) { accepted in
        _ = Probe(worker: worker, accepted: accepted, tls: tls, recorder: recorder, behaviour: behaviour)
      }
      return listener.address
    }
    return (address, recorder)
  }

  func connect(
    to address: SocketAddress, tls: TLSClientContext? = nil, serverName: String? = nil, _ behaviour: Behaviour
  ) -> Recorder {
    let recorder = Recorder()
    run { worker in
      _ = Probe(
        worker: worker, connectingTo: address, tls: tls, serverName: serverName, recorder: recorder,
        behaviour: behaviour)
    }
    return recorder
  }
}

/// Carries a connection through a message to its own worker.
struct OnWorker<Value>: @unchecked Sendable {
  let value: Value
}

private final class Answer<Value>: @unchecked Sendable {
  var value: Value?
}

/// A blocking socket in the test's own thread, for what a well-behaved peer would not do.
final class RawPeer {
  let descriptor: Int32

  init(to address: SocketAddress, receiveBuffer: Int32? = nil) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var size = receiveBuffer {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    setLimit()
    let result = address.withSockaddr { Glibc.connect(descriptor, $0, $1) }
    precondition(result == 0, "cannot connect to \(address)")
  }

  /// One that has been accepted.
  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    setLimit()
  }

  deinit { end() }

  private func setLimit() {
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  private var isEnded = false
  func end() {
    if !isEnded { close(descriptor) }
    isEnded = true
  }

  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    end()
  }

  func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, 0) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Up to `count` bytes, fewer at the end of the stream.
  func read(_ count: Int = .max) -> [UInt8] {
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while result.count < count {
      let got = recv(descriptor, &chunk, min(chunk.count, count - result.count), 0)
      guard got > 0 else { break }
      result.append(contentsOf: chunk[..<got])
    }
    return result
  }
}

/// Where a connection of a worker's may connect to, to find a `RawPeer`.
final class RawListener {
  private let descriptor: Int32
  let address: SocketAddress

  init() {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let result = SocketAddress("127.0.0.1:0")!.withSockaddr { bind(descriptor, $0, $1) }
    precondition(result == 0 && Glibc.listen(descriptor, 1) == 0, "cannot listen")
    self.descriptor = descriptor
    address = SocketAddress(localOf: descriptor)!
  }

  deinit { close(descriptor) }

  func accept() -> RawPeer { RawPeer(Glibc.accept(descriptor, nil, nil)) }
}

/// Bytes in which any loss or swap shows.
func pattern(_ count: Int) -> [UInt8] {
  var state: UInt32 = 2_463_534_242
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 17
    state ^= state << 5
    return UInt8(truncatingIfNeeded: state)
  }
}

/// Glibc's, behind a header that Swift does not import.
@_silgen_name("malloc_usable_size")
func mallocUsableSize(_ pointer: UnsafeMutableRawPointer) -> Int
