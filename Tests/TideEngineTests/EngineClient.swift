import Synchronization
import TideCore
import TideHTTP
import TideIO

@testable import TideEngine

/// What a client saw of one request.
struct SeenAnswer: Sendable {
  var status = 0
  var headers: [String: String] = [:]
  var body: [UInt8] = []
  var reset: StreamReset?

  var text: String { String(decoding: body, as: UTF8.self) }

  /// The data of each complete event.
  var events: [String] {
    text.split(separator: "\n\n", omittingEmptySubsequences: true).compactMap { event in
      event.split(separator: "\n").last { $0.hasPrefix("data: ") }.map { String($0.dropFirst("data: ".count)) }
    }
  }
}

/// Sends one request at a time over a real loopback connection; blocks until the answer is over, or cut short on purpose.
final class EngineClient {
  private let worker = Worker(index: 100)
  private let address: SocketAddress
  private let version: HTTPVersionChoice

  init(_ address: SocketAddress, _ version: HTTPVersionChoice) {
    self.address = address
    self.version = version
    worker.start()
  }

  deinit {
    worker.stop()
    worker.join()
  }

  func post(_ body: String, path: String = "/v1/chat/completions", headers: [(String, String)] = []) -> SeenAnswer {
    send("POST", path, Array(body.utf8), headers, leavesAfter: .max)
  }

  func get(_ path: String) -> SeenAnswer { send("GET", path, [], [], leavesAfter: .max) }

  /// Leaves, as a client that loses interest does, once so many events have come.
  func post(_ body: String, leavingAfter events: Int) -> SeenAnswer {
    send("POST", "/v1/chat/completions", Array(body.utf8), [], leavesAfter: events)
  }

  private func send(
    _ method: String, _ path: String, _ body: [UInt8], _ headers: [(String, String)], leavesAfter: Int
  ) -> SeenAnswer {
    let result = Answered()
    let (address, version) = (address, version)
    let head = RequestHead(
      method: method, authority: "engine.test", path: path, headers: HeaderList(headers), contentLength: body.count)
    worker.post { worker in
      let request = ClientRequest(head, body, leavesAfter: leavesAfter, result)
      request.connect(worker, address, version)
    }
    return result.wait()
  }
}

/// Hands an answer from the client's thread to the test's.
final class Answered: Sendable {
  private let state = Mutex<SeenAnswer?>(nil)
  private let signal = Gate()

  func set(_ answer: SeenAnswer) {
    state.withLock { $0 = $0 ?? answer }
    signal.open()
  }

  func wait() -> SeenAnswer {
    signal.pass()
    return state.withLock { $0 ?? SeenAnswer() }
  }
}

/// One connection with one request, on the client's thread. Keeps itself alive until its connection has gone.
private final class ClientRequest: StreamConsumer, HTTPClientConnectionOwner {
  private let head: RequestHead
  private let body: [UInt8]
  private let leavesAfter: Int
  private let result: Answered
  private var answer = SeenAnswer()
  private var connection: HTTPClientConnection?
  private var isSent = false
  private var isOver = false
  private var keepsAlive: ClientRequest?

  init(_ head: RequestHead, _ body: [UInt8], leavesAfter: Int, _ result: Answered) {
    self.head = head
    self.body = body
    self.leavesAfter = leavesAfter
    self.result = result
  }

  func connect(_ worker: Worker, _ address: SocketAddress, _ version: HTTPVersionChoice) {
    keepsAlive = self
    connection = HTTPClientConnection(
      worker: worker, address: address, choice: version, tls: nil, serverName: nil, owner: self)
  }

  func clientConnectionDidChangeCapacity(_ connection: HTTPClientConnection) {
    guard !isSent, connection.availableStreams > 0 else { return }
    isSent = true
    guard let stream = connection.open(head, endStream: body.isEmpty, consumer: self) else { return }
    guard !body.isEmpty else { return }
    stream.output.append(body)
    stream.end()
  }

  func clientConnectionDidClose(_ connection: HTTPClientConnection, failure: SocketFailure?) {
    self.connection = nil
    finish()
    keepsAlive = nil
  }

  override func streamHead(_ stream: HTTPStream, _ head: ResponseHead, isInterim: Bool) {
    answer.status = head.status
    for index in 0..<head.headers.count { answer.headers[head.headers.name(at: index)] = head.headers.value(at: index) }
  }

  override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
    answer.body.append(contentsOf: bytes)
    stream.returnCredit(bytes.count)
    guard leavesAfter != .max, answer.events.count >= leavesAfter else { return }
    stream.reset(.cancelled)
    finish()
  }

  override func streamReset(_ stream: HTTPStream, _ reason: StreamReset) {
    answer.reset = reason
    finish()
  }

  override func streamClosed(_ stream: HTTPStream) { finish() }

  private func finish() {
    guard !isOver else { return }
    isOver = true
    result.set(answer)
    connection?.close()
  }
}
