import TideCore
import TideHTTP1
import TideHTTP2
import TideIO

/// Who answers requests: the gateway's worker, the embedded engine, the admin listener.
public protocol HTTPRequestHandler: AnyObject {
  /// A request has come on `stream`; give it a consumer inside the call. With `endStream` its `streamEnd` follows at once.
  func serve(_ head: RequestHead, on stream: HTTPStream, of connection: HTTPServerConnection, endStream: Bool)
}

/// A client's connection: finds out which version of HTTP it speaks, then serves.
///
/// On TLS the version is what ALPN settled, and HTTP/1.1 without ALPN; on cleartext it is HTTP/2 when the first bytes are its
/// preface (prior knowledge) and HTTP/1.1 otherwise. There is no Upgrade.
public final class HTTPServerConnection: HTTPConnection {
  private static let openingTimer: UInt8 = 1

  private let server: HTTPServer
  private var openingDeadline: TimerToken?
  /// The first bytes of a cleartext connection while they could still become an HTTP/2 preface; at most 24.
  private var opening: [UInt8] = []
  /// Where the server keeps this connection in its list.
  var position = 0

  init(server: HTTPServer, accepted: AcceptedSocket) {
    self.server = server
    super.init(worker: server.worker, accepted: accepted, tls: server.tls)
    openingDeadline = worker.timers.schedule(
      at: worker.now.advanced(byMs: server.settings.openingDeadlineMs), target: self, kind: Self.openingTimer)
  }

  /// The peer's address in words, without its port.
  public private(set) lazy var peerHost = peerAddress.host

  /// The name of the listener it came through.
  public var listenerName: String { server.name }

  public override func connectionDidOpen(applicationProtocol: ApplicationProtocol?) {
    if isTLS {
      speak(applicationProtocol == .h2 ? .h2 : .http11)
    } else if !server.settings.allowsHTTP2 {
      speak(.http11)
    } else if !server.settings.allowsHTTP1 {
      speak(.h2)
    }
  }

  public override func connectionDidReceive(_ bytes: UnsafeRawBufferPointer) {
    if isClosing { return }
    if case .undecided = codec {
      sniff(bytes)
    } else {
      feed(bytes)
    }
  }

  public override func connectionDidReceiveEnd(clean: Bool) {
    if case .undecided = codec, !opening.isEmpty { speak(.http11) }
    super.connectionDidReceiveEnd(clean: clean)
  }

  public override func didReceive(_ head: RequestHead, on stream: HTTPStream, endStream: Bool) {
    server.serve(head, on: stream, of: self, endStream: endStream)
  }

  public override func timerFired(kind: UInt8, now: MonotonicTime) {
    guard kind == Self.openingTimer else { return super.timerFired(kind: kind, now: now) }
    openingDeadline = nil
    server.settings.onAttack?("H2-19")
    abort()
  }

  public override func didClose() {
    cancelOpeningDeadline()
    server.didClose(self)
  }

  private func sniff(_ bytes: UnsafeRawBufferPointer) {
    opening.append(contentsOf: bytes)
    switch opening.withUnsafeBytes({ HTTP1ServerCodec.looksLikeHTTP2Preface($0) }) {
    case .maybe: return
    case .yes: speak(.h2)
    case .no: speak(.http11)
    }
  }

  private func speak(_ version: ApplicationProtocol) {
    cancelOpeningDeadline()
    switch version {
    case .h2:
      use(HTTP2Session(role: .server, settings: server.settings.http2(isSecure: isTLS), owner: self, now: worker.now))
      setNeedsFlush()
    case .http11:
      use(HTTP1ServerCodec(settings: server.settings.http1(isSecure: isTLS), owner: self, now: worker.now))
    }
    let held = opening
    opening = []
    if held.isEmpty { afterCodec() } else { held.withUnsafeBytes { feed($0) } }
  }

  private func cancelOpeningDeadline() {
    if let openingDeadline { worker.timers.cancel(openingDeadline) }
    openingDeadline = nil
  }
}
