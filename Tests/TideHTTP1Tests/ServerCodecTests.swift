import TideCore
import Testing

@testable import TideHTTP1

/// The server codec's conduct over an exchange: framing of responses, order, early answers, deadlines, ends.
@Suite struct ServerCodecTests {
  private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  private func manual(_ settings: HTTP1Settings = HTTP1Settings()) -> ServerHarness {
    let harness = ServerHarness(settings: settings)
    harness.onRequest = { _ in }
    return harness
  }

  @Test func chunkedResponseIsOneChunkAPass() {
    let harness = manual()
    harness.feed(get)
    let stream = harness.requests[0].stream
    stream.send(ResponseHead(status: 200, headers: HeaderList([("connection", "x"), ("a", "b")])), endStream: false)
    stream.output.append("hello ")
    stream.output.append("world, sixteen!!")
    stream.outputChanged()
    harness.flush()
    #expect(
      text(harness.output)
        == "HTTP/1.1 200 OK\r\na: b\r\nTransfer-Encoding: chunked\r\n\r\n16\r\nhello world, sixteen!!\r\n")
    #expect(harness.requests[0].consumer.takenByteCount == 22)
    harness.output = []
    stream.end()
    harness.flush()
    #expect(text(harness.output) == "0\r\n\r\n")
    #expect(harness.requests[0].consumer.events == ["end", "closed"])
    #expect(harness.close == nil)
    #expect(harness.codec.isIdle)
  }

  @Test(arguments: [1, 2, 7, 64, 511, 512, 4096]) func anyBufferSizeYieldsTheSameMessage(_ size: Int) {
    let harness = manual()
    harness.bufferSize = size
    harness.feed(get + get)
    for index in 0..<2 {
      let stream = harness.requests[index].stream
      stream.send(ResponseHead(status: 200), endStream: false)
      stream.output.append([UInt8](repeating: 0x61, count: 3000))
      stream.end()
      harness.flush()
    }
    var decoder = HTTP1ChunkedDecoder()
    let body = text(harness.output).components(after: "\r\n\r\n")
    var offset = 0
    var total = 0
    latin1(body).withUnsafeBytes { bytes in
      while true {
        let step = decoder.next(bytes, from: &offset)
        if case .data(_, let count) = step { total += count } else { return #expect(step == .end) }
      }
    }
    #expect(total == 3000)
    #expect(harness.statuses == [200, 200])
  }

  @Test func bodylessResponses() {
    let harness = manual()
    harness.feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get + get + get)
    let heads = [
      ResponseHead(status: 200, contentLength: 7), ResponseHead(status: 204, contentLength: 0),
      ResponseHead(status: 304, contentLength: 9), ResponseHead(status: 200),
    ]
    for (index, head) in heads.enumerated() {
      let stream = harness.requests[index].stream
      stream.send(head, endStream: index % 2 == 1)
      if index == 0 { stream.output.append("dropped") }
      stream.end()
      harness.flush()
    }
    #expect(
      text(harness.output)
        == "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
        + "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  }

  @Test func version10IsCloseDelimited() {
    let harness = manual()
    harness.feed("GET / HTTP/1.0\r\n\r\n")
    let stream = harness.requests[0].stream
    stream.send(ResponseHead(status: 200), endStream: false)
    stream.output.append("abc")
    stream.end()
    harness.flush()
    #expect(text(harness.output) == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")
    #expect(harness.close == .finished)
    #expect(!harness.codec.closesAbruptly)
  }

  @Test func pipelinedRequestsWaitForTheirTurn() {
    let harness = manual()
    harness.feed(get + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(harness.requests.count == 1)
    harness.requests[0].stream.send(ResponseHead(status: 200), endStream: true)
    harness.flush()
    #expect(harness.requests.map(\.head.path) == ["/", "/2"])
    #expect(harness.requests[0].consumer.events == ["end", "closed"])
  }

  @Test func readAheadIsBounded() {
    let harness = manual()
    harness.feed(get)
    harness.feed([UInt8](repeating: 0x41, count: 64 * 1024 + 1))
    #expect(!harness.codec.wantsRead)
  }

  @Test func requestsOfOneTurnAreBounded() {
    let harness = ServerHarness()
    harness.feed(String(repeating: get, count: 70))
    #expect(harness.requests.count == 32)
    harness.advance(ms: 1)
    #expect(harness.requests.count == 64)
    harness.advance(ms: 1)
    #expect(harness.statuses.count == 70)
  }

  @Test func bodyBackpressure() {
    let harness = manual()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    let request = harness.requests[0]
    request.consumer.returnsCredit = false
    harness.feed([UInt8](repeating: 0x61, count: 65536))
    #expect(harness.codec.wantsRead)
    harness.feed([0x61])
    #expect(!harness.codec.wantsRead)
    request.stream.returnCredit(1)
    #expect(harness.codec.wantsRead)
    #expect(harness.needsFlush)
  }

  @Test func earlyResponseDrainsAShortBody() {
    let harness = manual()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    harness.requests[0].stream.send(ResponseHead(status: 401), endStream: true)
    harness.flush()
    #expect(harness.requests[0].consumer.events == ["closed"])
    harness.feed("llo" + get)
    #expect(harness.requests.count == 2)
    #expect(harness.requests[0].consumer.body == latin1("he"))
    #expect(harness.close == nil)
  }

  @Test(arguments: ["Content-Length: 70000", "Transfer-Encoding: chunked"])
  func earlyResponseEndsALongUpload(_ field: String) {
    let harness = manual()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n")
    harness.requests[0].stream.send(ResponseHead(status: 401), endStream: true)
    harness.flush()
    #expect(text(harness.output).contains("Connection: close"))
    #expect(harness.close == .finished)
  }

  @Test func expectationIsNotAnsweredAfterTheResponse() {
    let harness = ServerHarness()
    harness.onRequest = { $0.stream.send(ResponseHead(status: 413), endStream: true) }
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    #expect(harness.statuses == [413])
  }

  @Test func badChunkAfterTheHeadEndsWithoutTerminator() {
    let harness = manual()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    let stream = harness.requests[0].stream
    stream.send(ResponseHead(status: 200), endStream: false)
    stream.output.append("x")
    stream.outputChanged()
    harness.flush()
    harness.feed("zz\r\n")
    #expect(harness.requests[0].consumer.events == ["reset protocolError"])
    #expect(harness.close == .protocolError)
    #expect(!text(harness.output).contains("0\r\n\r\n"))
    #expect(harness.statuses == [200])
  }

  @Test func resetNeverFabricatesAnEnd() {
    let harness = manual()
    harness.feed(get)
    let stream = harness.requests[0].stream
    stream.send(ResponseHead(status: 200), endStream: false)
    stream.output.append("x")
    stream.outputChanged()
    harness.flush()
    stream.output.append("lost")
    stream.reset(.internalError)
    harness.flush()
    #expect(text(harness.output).hasSuffix("1\r\nx\r\n"))
    #expect(harness.close == .finished)
    stream.send(ResponseHead(status: 200), endStream: true)
    stream.end()
    harness.flush()
    #expect(text(harness.output).hasSuffix("1\r\nx\r\n"))
  }

  @Test func resetBeforeTheHeadSendsNothing() {
    let harness = manual()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    harness.requests[0].stream.reset(.cancelled)
    harness.flush()
    #expect(harness.output.isEmpty)
    #expect(harness.close == .finished)
    #expect(harness.codec.closesAbruptly)
  }

  @Test func resetFromInsideEvents() {
    for place in ["request", "body", "end", "taken"] {
      let harness = ServerHarness()
      harness.onRequest = { request in
        let reset = { (stream: HTTPStream) in stream.reset(.cancelled) }
        switch place {
        case "request": reset(request.stream)
        case "body": request.consumer.onBody = reset
        case "end": request.consumer.onEnd = reset
        default:
          request.stream.send(ResponseHead(status: 200), endStream: false)
          request.stream.output.append("abc")
          request.consumer.onTaken = reset
        }
      }
      harness.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" + get + get)
      #expect(harness.close == .finished, "\(place)")
      #expect(harness.requests.count == 1, "\(place)")
      #expect(harness.codec.openStreamCount == 0, "\(place)")
    }
  }

  @Test func outputAppendedInsideTakenLeaves() {
    let harness = manual()
    harness.feed(get)
    let request = harness.requests[0]
    var left = 3
    request.consumer.onTaken = { stream in
      left -= 1
      if left == 0 { return stream.end() }
      stream.output.append("more")
      stream.outputChanged()
    }
    request.stream.send(ResponseHead(status: 200), endStream: false)
    request.stream.output.append("first")
    request.stream.outputChanged()
    harness.flush()
    #expect(text(harness.output).hasSuffix("\r\n\r\n5\r\nfirst\r\n4\r\nmore\r\n4\r\nmore\r\n0\r\n\r\n"))
    #expect(request.consumer.events == ["end", "closed"])
  }

  @Test(arguments: [2, 4]) func aBodyOfAnotherLengthIsNeverCompleted(_ count: Int) {
    let harness = manual()
    harness.feed(get)
    let stream = harness.requests[0].stream
    stream.send(ResponseHead(status: 200, contentLength: 3), endStream: false)
    stream.output.append([UInt8](repeating: 0x61, count: count))
    stream.end()
    harness.flush()
    #expect(harness.requests[0].consumer.events.last == "reset internalError")
    #expect(harness.close == .finished)
  }

  @Test func headFieldsCannotBreakOut() {
    let harness = manual()
    harness.feed(get)
    let headers = HeaderList([
      ("x", "1\r\nY: 2"), ("y z", "1"), ("content-length", "9"), ("transfer-encoding", "x"), ("ok", "1"),
    ])
    harness.requests[0].stream.send(ResponseHead(status: 200, headers: headers), endStream: true)
    harness.flush()
    #expect(text(harness.output) == "HTTP/1.1 200 OK\r\nok: 1\r\nContent-Length: 0\r\n\r\n")
  }

  // MARK: Deadlines

  @Test func silentConnectionEnds() {
    let harness = ServerHarness()
    harness.advance(ms: 9_999)
    #expect(harness.close == nil)
    harness.advance(ms: 1)
    #expect(harness.close == .timedOut("head"))
    #expect(harness.output.isEmpty)
  }

  @Test func slowHeadEndsAtAnAbsoluteDeadline() {
    let harness = ServerHarness()
    harness.feed(get)
    harness.advance(ms: 60_000)
    for byte in latin1("GET / HTTP") {
      harness.feed([byte])
      harness.advance(ms: 1000)
    }
    #expect(harness.statuses == [200, 408])
    #expect(harness.close == .timedOut("head"))
  }

  @Test func idleConnectionEnds() {
    let harness = ServerHarness()
    harness.feed(get)
    harness.advance(ms: 74_999)
    #expect(harness.close == nil)
    harness.advance(ms: 1)
    #expect(harness.close == .timedOut("idle"))
  }

  @Test func stalledReaderIsReset() {
    let harness = manual()
    harness.feed(get)
    let stream = harness.requests[0].stream
    stream.send(ResponseHead(status: 200), endStream: false)
    harness.flush()
    stream.output.append([UInt8](repeating: 0x61, count: 1000))
    var waitedMs = 0
    while harness.close == nil, waitedMs < 60_000 {
      // The socket is full: the codec's output is not asked for.
      harness.now = harness.now.advanced(byMs: 500)
      waitedMs += 500
      if harness.codec.nextDeadline <= harness.now { harness.codec.deadlineReached(now: harness.now) }
    }
    #expect(harness.close == .attack("H2-09"))
    #expect(waitedMs >= 30_000 && waitedMs <= 35_000)
    #expect(harness.requests[0].consumer.events.last == "reset enhanceYourCalm")
  }

  @Test func quietStreamIsNotAStall() {
    let harness = manual()
    harness.feed(get)
    harness.requests[0].stream.send(ResponseHead(status: 200), endStream: false)
    harness.flush()
    for _ in 0..<30 { harness.advance(ms: 5000) }
    #expect(harness.close == nil)
  }

  // MARK: Ends

  @Test func drainEndsIdleNowAndBusyLater() {
    let idle = ServerHarness()
    idle.feed(get)
    idle.codec.shutdown(now: idle.now)
    idle.flush()
    #expect(idle.close == .finished)
    let busy = manual()
    busy.feed(get)
    busy.codec.shutdown(now: busy.now)
    #expect(busy.close == nil)
    busy.requests[0].stream.send(ResponseHead(status: 200), endStream: true)
    busy.flush()
    #expect(text(busy.output).contains("Connection: close"))
    #expect(busy.close == .finished)
  }

  @Test func clientLeaving() {
    let busy = manual()
    busy.feed(get)
    busy.codec.receiveEnd(clean: true, now: busy.now)
    #expect(busy.requests[0].consumer.events == ["end", "reset peerGone"])
    #expect(busy.close == .peerGone)
    let half = ServerHarness()
    half.feed("GET / HT")
    half.codec.receiveEnd(clean: true, now: half.now)
    #expect(half.close == .truncated)
    #expect(half.requests.isEmpty)
    let body = manual()
    body.feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    body.codec.receiveEnd(clean: true, now: body.now)
    #expect(body.requests[0].consumer.events == ["reset peerGone"])
    #expect(body.close == .truncated)
    let gone = manual()
    gone.feed(get)
    gone.codec.terminate()
    #expect(gone.requests[0].consumer.events.last == "reset peerGone")
    gone.requests[0].stream.send(ResponseHead(status: 200), endStream: true)
    gone.flush()
    #expect(gone.output.isEmpty && gone.close == nil)
  }
}

extension String {
  /// The text after the first `separator`.
  fileprivate func components(after separator: String) -> String {
    guard let range = self.firstRange(of: separator) else { return "" }
    return String(self[range.upperBound...])
  }
}
