import TideCore
import TideHTTP
import TideIO

/// A client with a thread of its own and one connection, opened when first needed.
final class TestClient: HTTPClientConnectionOwner, @unchecked Sendable {
  private let io = Worker(index: 90)
  private let address: SocketAddress
  private let choice: HTTPVersionChoice
  private var connection: HTTPClientConnection?
  private var waiting: [(head: RequestHead, body: [UInt8]?, ends: Bool, call: Call)] = []

  init(_ address: SocketAddress, _ choice: HTTPVersionChoice = .http2) {
    self.address = address
    self.choice = choice
    io.start()
  }

  func stop() {
    io.stop()
    io.join()
  }

  /// Sends a request; `body` nil for one without, `ends` false leaves the body open for `more`.
  func send(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil, ends: Bool = true,
    announces: Bool = true, on call: Call = Call()
  ) -> Call {
    let head = RequestHead(
      method: method, authority: address.description, path: path, headers: HeaderList(headers),
      contentLength: ends && announces ? body?.count : nil)
    io.post { [self] _ in
      waiting.append((head, body, ends, call))
      serve()
    }
    return call
  }

  /// A chat request as clients send it.
  func chat(
    model: String = "lorem-20", stream: Bool = true, prompt: String = "hello there", extra: String = "",
    headers: [(String, String)] = [], on call: Call = Call()
  ) -> Call {
    let json =
      "{\"model\":\"\(model)\",\"stream\":\(stream)\(extra),\"messages\":[{\"role\":\"user\",\"content\":\"\(prompt)\"}]}"
    return send(
      "POST", "/v1/chat/completions", headers: [("content-type", "application/json")] + headers, body: Array(json.utf8),
      on: call)
  }

  func more(_ call: Call, _ bytes: [UInt8], ends: Bool) {
    io.post { _ in
      call.stream?.output.append(bytes)
      if ends { call.stream?.end() } else { call.stream?.outputChanged() }
    }
  }

  func cancel(_ call: Call) {
    io.post { _ in
      call.stream?.reset(.cancelled)
      call.state.change { $0.end = $0.end ?? .reset(.cancelled) }
    }
  }

  /// Reads what was held back, and all that follows.
  func resume(_ call: Call) {
    io.post { _ in
      call.isReading = true
      var held = 0
      call.state.change {
        held = $0.heldByteCount
        $0.heldByteCount = 0
      }
      call.stream?.returnCredit(held)
    }
  }

  func abort() { io.post { [self] _ in connection?.abort() } }

  /// Everything posted before has been done, and one flush after it.
  func barrier() { io.perform { _ in () } }

  private func serve() {
    guard !waiting.isEmpty else { return }
    guard let connection else {
      self.connection = HTTPClientConnection(
        worker: io, address: address, choice: choice, tls: nil, serverName: nil, owner: self)
      return
    }
    while let next = waiting.first, connection.availableStreams > 0 {
      waiting.removeFirst()
      guard let stream = connection.open(next.head, endStream: next.body == nil && next.ends, consumer: next.call)
      else {
        next.call.state.change { $0.end = .unreachable }
        continue
      }
      next.call.stream = stream
      if let body = next.body { stream.output.append(body) }
      if next.body != nil || !next.ends {
        if next.ends { stream.end() } else { stream.outputChanged() }
      }
    }
  }

  func clientConnectionDidChangeCapacity(_ connection: HTTPClientConnection) { serve() }

  func clientConnectionDidClose(_ connection: HTTPClientConnection, failure: SocketFailure?) {
    if connection === self.connection { self.connection = nil }
    guard failure == nil else {
      let lost = waiting
      waiting = []
      for one in lost { one.call.state.change { $0.end = .unreachable } }
      return
    }
    serve()
  }
}
