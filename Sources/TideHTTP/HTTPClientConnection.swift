import Glibc
import TideCore
import TideHTTP1
import TideHTTP2
import TideIO

/// Who owns a connection to an endpoint: the gateway's pool, the load client.
public protocol HTTPClientConnectionOwner: AnyObject {
  /// Requests can be opened, or their possible number changed (to none, too).
  func clientConnectionDidChangeCapacity(_ connection: HTTPClientConnection)
  /// The connection is gone; its streams have been told. `failure` when it never opened or broke.
  func clientConnectionDidClose(_ connection: HTTPClientConnection, failure: SocketFailure?)
}

/// Which version a client connection speaks.
public enum HTTPVersionChoice: Sendable, Equatable {
  /// What ALPN settles on TLS; HTTP/1.1 on cleartext.
  case negotiate
  case http1
  /// HTTP/2 by ALPN on TLS, by prior knowledge on cleartext.
  case http2
}

/// A connection that this process opened: to an engine, or from the load client.
public final class HTTPClientConnection: HTTPConnection {
  /// What one HTTP/1.1 response may have unreturned (architecture, "Two kinds of buffer").
  private static let http1RelayBytes = 64 * 1024
  /// Bytes taken in a turn from a connection that streams share: until dry in practice. What is left over falls behind when turns are
  /// long, and windows of 64 KiB a stream bound what a few can bring.
  private static let sharedReadBudget: Int32 = 8 << 20

  private let owner: any HTTPClientConnectionOwner
  private let choice: HTTPVersionChoice
  private let isSecure: Bool
  private var failure: SocketFailure?
  public private(set) var isEstablished = false
  /// Where the owner keeps this connection in its list.
  public var position = 0
  /// When its last stream ended, for the owner's idle rule.
  public var idleSince = MonotonicTime.zero
  /// Streams opened over its life.
  public private(set) var requestCount: UInt64 = 0

  /// - Parameter localAddress: the source address, for a client that needs more ports than one address has.
  public init(
    worker: Worker, address: SocketAddress, choice: HTTPVersionChoice, tls: TLSClientContext?, serverName: String?,
    owner: any HTTPClientConnectionOwner, localAddress: SocketAddress? = nil
  ) {
    self.owner = owner
    self.choice = choice
    isSecure = tls != nil
    super.init(
      worker: worker, connectingTo: address, tls: tls, serverName: serverName, localAddress: localAddress,
      receiveBytes: choice == .http2 ? ReceiveRoom.ofManyStreams : nil)
  }

  /// Whether TCP, TLS and ALPN are done.
  public var isReady: Bool { isEstablished && !isClosing }

  /// How many more requests can be opened now.
  public var availableStreams: Int {
    guard isReady else { return 0 }
    switch codec {
    case .http1Client(let codec): return codec._withUnsafeGuaranteedRef { $0.availableStreams }
    case .http2(let session): return session._withUnsafeGuaranteedRef { $0.availableStreams }
    case .undecided, .http1Server: return 0
    }
  }

  /// Whether the owner should open another connection for new requests: too many cancels went over this one.
  public var shouldRetire: Bool {
    if case .http2(let session) = codec { return session._withUnsafeGuaranteedRef { $0.shouldRetire } }
    return false
  }

  /// Whether an idle HTTP/1.1 connection must not carry another request: the endpoint has closed it, or has sent what nobody asked for,
  /// and its event has not been read yet. A request sent now would be lost, and only some may be repeated.
  public var isStale: Bool { version == .http11 && requestCount > 0 && hasInputWaiting }

  /// Opens a request; nil when there is no room.
  public func open(_ head: RequestHead, endStream: Bool, consumer: StreamConsumer) -> HTTPStream? {
    guard isReady else { return nil }
    let stream: HTTPStream?
    switch codec {
    case .http1Client(let codec):
      stream = codec.takeUnretainedValue().open(head, endStream: endStream, consumer: consumer, now: worker.now)
    case .http2(let session):
      stream = session.takeUnretainedValue().open(head, endStream: endStream, consumer: consumer, now: worker.now)
    case .undecided, .http1Server: stream = nil
    }
    if stream != nil { requestCount &+= 1 }
    afterCodec()
    return stream
  }

  public override func connectionDidOpen(applicationProtocol: ApplicationProtocol?) {
    let useHTTP2 = applicationProtocol == .h2 || (applicationProtocol == nil && !isSecure && choice == .http2)
    if choice == .http2, !useHTTP2 {
      failure = SocketFailure(.handshake, reason: "the endpoint does not speak HTTP/2")
      abort()
      return
    }
    if useHTTP2 {
      var settings = HTTP2Settings(role: .client)
      settings.isSecure = isSecure
      readBudget = Self.sharedReadBudget
      use(HTTP2Session(role: .client, settings: settings, owner: self, now: worker.now))
      setNeedsFlush()
    } else {
      var settings = HTTP1Settings()
      settings.isSecure = isSecure
      // One stream owns the whole connection: what a single read brings and what may already wait make up its relay buffer.
      settings.relayBytes = Self.http1RelayBytes / 2
      readBudget = Int32(Self.http1RelayBytes / 2)
      use(HTTP1ClientCodec(settings: settings, owner: self, now: worker.now))
    }
    isEstablished = true
    afterCodec()
    owner.clientConnectionDidChangeCapacity(self)
  }

  public override func connectionDidFail(_ failure: SocketFailure) {
    self.failure = self.failure ?? failure
    super.connectionDidFail(failure)
  }

  /// An engine that ends its connection behind its answer has not taken the answer back: what is unread is still to be read.
  public override func connectionPeerHungUp() {}

  /// The owner's limit for connecting has passed.
  public func timeOut() {
    failure = SocketFailure(.connect, code: ETIMEDOUT)
    abort()
  }

  public override func didChangeCapacity() { owner.clientConnectionDidChangeCapacity(self) }

  public override func didClose() { owner.clientConnectionDidClose(self, failure: failure) }
}
