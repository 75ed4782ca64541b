import Glibc
import TideCore
import TideIO

/// An HTTP/1.1 endpoint that says exactly what a test tells it to, a thread a connection.
final class ScriptedUpstream: @unchecked Sendable {
  /// One connection, read and written by blocking calls.
  final class Connection {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private(set) var body: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Reads one request; nil when the peer closed.
    func request() -> String? {
      while true {
        if let end = buffer.firstRange(of: Array("\r\n\r\n".utf8)) {
          let head = String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
          buffer.removeSubrange(..<end.upperBound)
          body = []
          if let field = head.lowercased().firstRange(of: "content-length: ") {
            let length = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
            while buffer.count < length { guard fill() else { return nil } }
            body = Array(buffer[..<length])
            buffer.removeSubrange(..<length)
          }
          return head
        }
        guard fill() else { return nil }
      }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
      var sent = 0
      while sent < bytes.count {
        let count = bytes[sent...].withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(truncatingIfNeeded: Int(MSG_NOSIGNAL)))
        }
        if count <= 0 { return }
        sent += count
      }
    }

    /// Blocks until the peer closes its side.
    func waitForEnd() { while fill() {} }

    private func fill() -> Bool {
      var chunk = [UInt8](repeating: 0, count: 16 * 1024)
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0 else { return false }
      buffer += chunk[0..<count]
      return true
    }
  }

  let address: SocketAddress
  let connectionCount = Watched(0)
  private let listener: Int32
  private let script: (Connection) -> Void

  init(_ script: @escaping (Connection) -> Void) {
    self.script = script
    let socket = try! ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    listener = socket.descriptor
    address = socket.address
    let flags = fcntl(listener, F_GETFL)
    _ = fcntl(listener, F_SETFL, flags & ~O_NONBLOCK)
    Self.thread { [self] in
      while true {
        let accepted = accept(listener, nil, nil)
        guard accepted >= 0 else { return }
        connectionCount.change { $0 += 1 }
        Self.thread { [self] in
          self.script(Connection(accepted))
          Glibc.close(accepted)
        }
      }
    }
  }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private static func thread(_ body: @escaping () -> Void) {
    final class Box { let body: () -> Void; init(_ body: @escaping () -> Void) { self.body = body } }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, Unmanaged.passRetained(Box(body)).toOpaque())
    pthread_detach(thread)
  }

  /// An address that nobody listens on.
  static func refusingAddress() -> SocketAddress {
    let socket = try! ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    Glibc.close(socket.descriptor)
    return socket.address
  }

  static func eventStream(_ events: [String]) -> String {
    events.map { event in
      let text = "data: \(event)\n\n"
      return String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n"
    }.joined()
  }

  static let streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

  static func chunk(_ content: String) -> String {
    "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(content)\"},\"finish_reason\":null}]}"
  }

  static let finish =
    "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
}
