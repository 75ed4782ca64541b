import Glibc
import TideCore
import TideHTTP1
import TideHTTP2
import TideIO

/// What a listener allows and forbids, for both versions of HTTP.
public struct HTTPServerSettings {
  public var allowsHTTP1 = true
  public var allowsHTTP2 = true
  /// Connections one worker holds at the same time; more are closed as they come.
  public var connectionLimit = Int.max
  /// From accept to the end of the TLS handshake and the first bytes that tell the version (H2-19).
  public var openingDeadlineMs = 10_000
  public var headerListBytes = 32 * 1024
  public var maxConcurrentStreams = 100
  /// Told the name of the row when a connection is ended for an attack.
  public var onAttack: ((String) -> Void)?

  public init() {}

  func http1(isSecure: Bool) -> HTTP1Settings {
    var settings = HTTP1Settings()
    settings.isSecure = isSecure
    settings.headBytes = headerListBytes
    return settings
  }

  func http2(isSecure: Bool) -> HTTP2Settings {
    var settings = HTTP2Settings(role: .server)
    settings.isSecure = isSecure
    settings.maxConcurrentStreams = maxConcurrentStreams
    settings.maxHeaderListSize = headerListBytes
    return settings
  }
}

/// One listener's share of one worker: its listening socket and the connections accepted from it.
public final class HTTPServer {
  public let worker: Worker
  public let name: String
  let tls: TLSServerContext?
  let settings: HTTPServerSettings
  private unowned(unsafe) let handler: any HTTPRequestHandler
  /// Where it listens, with the port that the kernel chose when none was given.
  public let address: SocketAddress
  private var listener: Listener?
  private var connections: [HTTPServerConnection] = []
  private var isDraining = false

  /// Connections accepted since the start.
  public private(set) var acceptedCount: UInt64 = 0
  /// Connections closed at once because the worker held `connectionLimit`.
  public private(set) var refusedCount: UInt64 = 0
  /// Told when the last connection has gone after `drain`.
  public var onDrained: (() -> Void)?

  /// - Parameters:
  ///   - socket: this worker's share of the address; the listener takes it over.
  ///   - handler: outlives the server.
  public init(
    worker: Worker, name: String, socket: ListeningSocket, tls: TLSServerContext? = nil,
    settings: HTTPServerSettings = HTTPServerSettings(), handler: any HTTPRequestHandler
  ) {
    self.worker = worker
    self.name = name
    self.tls = tls
    self.settings = settings
    self.handler = handler
    address = socket.address
    listener = Listener(socket: socket, worker: worker) { [unowned self] accepted in accept(accepted) }
  }

  /// Binds `address` itself.
  ///
  /// - Parameter sendBytes: as a `ListeningSocket` takes it.
  /// - Throws: what is wrong when the address cannot be bound.
  public convenience init(
    worker: Worker, name: String, address: SocketAddress, sendBytes: Int32? = ListeningSocket.sendBytes,
    tls: TLSServerContext? = nil, settings: HTTPServerSettings = HTTPServerSettings(), handler: any HTTPRequestHandler
  ) throws {
    self.init(
      worker: worker, name: name, socket: try ListeningSocket(address: address, sendBytes: sendBytes), tls: tls,
      settings: settings, handler: handler)
  }

  public var openConnectionCount: Int { connections.count }
  public var openStreamCount: Int { connections.reduce(0) { $0 + $1.openStreamCount } }

  private func accept(_ accepted: AcceptedSocket) {
    acceptedCount &+= 1
    guard connections.count < settings.connectionLimit else {
      refusedCount &+= 1
      Glibc.close(accepted.descriptor)
      return
    }
    let connection = HTTPServerConnection(server: self, accepted: accepted)
    connection.position = connections.count
    connections.append(connection)
    if isDraining { connection.drain() }
  }

  /// Takes what waits in the accept queue, closes the listening socket and lets every connection finish its streams.
  public func drain() {
    guard !isDraining else { return }
    isDraining = true
    listener?.stopAccepting()
    listener = nil
    for connection in connections { connection.drain() }
    if connections.isEmpty { onDrained?() }
  }

  /// Ends every connection now.
  public func abort() {
    isDraining = true
    listener?.stopAccepting()
    listener = nil
    for connection in connections { connection.abort() }
  }

  func serve(_ head: RequestHead, on stream: HTTPStream, of connection: HTTPServerConnection, endStream: Bool) {
    handler.serve(head, on: stream, of: connection, endStream: endStream)
  }

  func didClose(_ connection: HTTPServerConnection) {
    if case .attack(let row)? = connection.closeReason { settings.onAttack?(row) }
    let last = connections.removeLast()
    if last !== connection {
      last.position = connection.position
      connections[connection.position] = last
    }
    if isDraining, connections.isEmpty { onDrained?() }
  }
}
