import TideCore
import TideIO

/// One connection of the load, whichever version of HTTP it speaks.
///
/// Owned by one worker of the client. Each read takes the time once, for all tokens that it brought.
class BenchConnection: SocketConnection {
  final unowned(unsafe) let owner: BenchWorker
  /// Which of its worker's slots it fills.
  final let slot: Int
  /// The streams that it is to carry, by their positions. Held, since events of a closed connection still name them.
  final let streams: [BenchStream]
  final private(set) var hasOpened = false
  /// Nobody is told of its end any more.
  final var isAbandoned = false
  /// Whether a request was completed on it: a connection that closes without one is not replaced at once.
  final var hasServed = false
  /// Whether a request on it was counted as failed, so that the connection's end need not be counted, too.
  final var hasFailedStreams = false
  final private var failure: BenchFailure?

  init(owner: BenchWorker, slot: Int, streams: [BenchStream], source: SocketAddress?) {
    self.owner = owner
    self.slot = slot
    self.streams = streams
    super.init(
      worker: owner.worker, connectingTo: owner.target.address, tls: owner.tls, serverName: owner.target.host,
      localAddress: source)
  }

  // MARK: What a version of HTTP overrides

  /// Whether a request can be opened now.
  var hasRoom: Bool { false }
  /// How many streams the peer allows at the same time.
  var streamLimit: Int { 1 }
  /// Sends the request of `stream`. Only when there is room.
  func open(_ stream: BenchStream) {}
  /// Gives up the request of `stream`, which has been told already and hears no more of it.
  func cancel(_ stream: BenchStream) {}
  /// TCP and TLS are done, the protocol is the right one.
  func begin() {}
  /// Reads what came at `owner.readAt`.
  func receive(_ bytes: UnsafeRawBufferPointer) {}
  /// Ends the streams that are still open: nothing more comes.
  func endStreams(_ failure: BenchFailure) {}

  // MARK: Events

  final override func connectionDidOpen(applicationProtocol: ApplicationProtocol?) {
    let isHTTP2 = owner.settings.speaksHTTP2
    if isTLS, isHTTP2 != (applicationProtocol == .h2) {
      return breakOff(
        BenchFailure(
          .connection, isHTTP2 ? "the target does not offer HTTP/2 over TLS" : "the target insists on HTTP/2"))
    }
    hasOpened = true
    begin()
    owner.connectionHasRoom(self)
  }

  final override func connectionDidReceive(_ bytes: UnsafeRawBufferPointer) {
    owner.readAt = .now()
    receive(bytes)
  }

  override func connectionDidReceiveEnd(clean: Bool) {
    endStreams(BenchFailure(.reset, "the connection was closed in the middle of an answer"))
    if !isClosed { close() }
  }

  final override func connectionDidFail(_ error: SocketFailure) {
    failure =
      hasOpened ? BenchFailure(.reset, error.description) : BenchFailure(.connection, owner.explain(error))
  }

  final override func connectionDidClose() {
    endStreams(failure ?? BenchFailure(.reset, "the connection was closed in the middle of an answer"))
    guard !isAbandoned else { return }
    let isUseless = !hasServed && !hasFailedStreams
    owner.connectionDidClose(
      self, failure: isUseless ? failure ?? BenchFailure(.connection, "the target closes connections at once") : nil)
  }

  /// Ends the connection for what the peer did; its streams fail with it, or it counts itself when it has none yet.
  final func breakOff(_ failure: BenchFailure) {
    self.failure = failure
    abort()
  }
}
