import TideCore
import Testing

@testable import TideHTTP1

/// Responses, honest and hostile: S-18 and S-11 from the engine's side.
@Suite struct ClientCodecTests {
  /// Bytes that an engine sends in answer to a GET, its end, and what must come of them.
  struct Response: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var method = "GET"
    var endsConnection = false
    var isClean = true
    let events: [String]
    var body = ""
    let isReusable: Bool

    init(
      _ text: String, _ events: [String], body: String = "", reusable: Bool = false, method: String = "GET",
      ends: Bool = false, clean: Bool = true
    ) {
      testDescription = text
      self.events = events
      self.body = body
      isReusable = reusable
      self.method = method
      endsConnection = ends
      isClean = clean
    }

    static func bad(_ text: String, after events: [String] = []) -> Response {
      Response(text, events + ["reset protocolError"])
    }

    func check() {
      for pieces in splits(latin1(testDescription)) {
        let harness = ClientHarness()
        harness.open(method)
        harness.flush()
        for piece in pieces { harness.feed(Array(piece)) }
        if endsConnection { harness.end(clean: isClean) }
        #expect(harness.consumer.events == events, "\(testDescription) \(pieces.map(\.count).prefix(2))")
        #expect(text(harness.consumer.body) == body, "\(testDescription)")
        #expect((harness.codec.availableStreams == 1) == isReusable, "\(testDescription)")
        #expect((harness.close == nil) == isReusable, "\(testDescription)")
      }
    }
  }

  private static let whole = ["head 200", "end", "closed"]

  @Test(arguments: [
    Response("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", whole, body: "hi", reusable: true),
    Response("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", whole, reusable: true),
    Response("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", whole, reusable: true),
    Response(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", whole, body: "hi", reusable: true),
    Response(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", whole, reusable: true),
    Response("HTTP/1.1 200 OK\r\nX_y: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", whole, body: "hi"),
    Response("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", whole, body: "hi"),
    Response("HTTP/1.1 200 OK\r\n\r\nhi", whole, body: "hi", ends: true),
    Response("HTTP/1.1 204 No Content\r\n\r\n", ["head 204", "end", "closed"], reusable: true),
    Response("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", ["head 204", "end", "closed"], reusable: true),
    Response("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", ["head 304", "end", "closed"], reusable: true),
    Response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", whole, reusable: true, method: "HEAD"),
    Response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", whole, reusable: true, method: "HEAD"),
    Response(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      ["interim 100", "interim 103"] + whole, reusable: true),
  ]) func honest(_ response: Response) { response.check() }

  @Test(arguments: [
    Response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", ["head 200", "reset peerGone"], body: "hi", ends: true),
    Response(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", ["head 200", "reset peerGone"], body: "hi",
      ends: true),
    Response(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", ["head 200", "reset peerGone"],
      body: "hi", ends: true),
    Response("HTTP/1.1 200 OK\r\n\r\nhi", ["head 200", "reset peerGone"], body: "hi", ends: true, clean: false),
    Response("HTTP/1.1 200 OK\r\nConte", ["reset peerGone"], ends: true),
    Response("HTTP/1.1 100 X\r\n\r\n", ["interim 100", "reset peerGone"], ends: true),
    Response("", ["reset peerGone"], ends: true),
    // Bytes after the body, in the same segment or later: the answer stands, the connection does not.
    Response("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", whole, body: "hi"),
    Response("HTTP/1.1 204 No Content\r\n\r\nx", ["head 204", "end", "closed"]),
    Response("HTTP/1.1 304 X\r\nContent-Length: 1\r\n\r\nx", ["head 304", "end", "closed"]),
    Response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", whole, method: "HEAD"),
    Response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", whole),
  ]) func truncatedOrOverlong(_ response: Response) { response.check() }

  @Test(arguments: [
    Response.bad("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    .bad("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    .bad("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
    .bad("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    .bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    .bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x\r\n\r\n"),
    .bad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    .bad("HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    .bad("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"), .bad("HTTP/1.1 200 OK\r\nX: \u{0}\r\n\r\n"),
    .bad("HTTP/1.1 200 OK\r\nX : a\r\n\r\n"),
    .bad("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), .bad("HTTP/1.1 200 OK\r\nnocolon\r\n\r\n"),
    .bad("HTTP/1.1 2000 OK\r\n\r\n"),
    .bad("HTTP/1.1 20 OK\r\n\r\n"), .bad("HTTP/1.1 099 X\r\n\r\n"), .bad("HTTP/1.1 600 X\r\n\r\n"),
    .bad("HTTP/1.1  200 OK\r\n\r\n"),
    .bad("HTTP/2.0 200 OK\r\n\r\n"), .bad("http/1.1 200 OK\r\n\r\n"), .bad("ICY 200 OK\r\n\r\n"),
    .bad("HTTP/1.1 2x0 OK\r\n\r\n"),
    .bad("HTTP/1.1 200OK\r\n\r\n"), .bad("\r\nHTTP/1.1 200 OK\r\n\r\n"), .bad("HTTP/1.1\r\n\r\n"), .bad("hello\r\n"),
    .bad("HTTP/1.1 200 O\u{7}K\r\n\r\n"), .bad(" HTTP/1.1 200 OK\r\n\r\n"), .bad("HTTP/1.2 200 OK\r\n\r\n"),
    .bad("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), .bad("HTTP/1.1 100 X\r\nContent-Length: 3\r\n\r\n"),
    .bad("HTTP/1.1 204 X\r\nContent-Length: 3\r\n\r\nabc"),
    .bad("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    .bad("HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n"),
    .bad(String(repeating: "HTTP/1.1 103 X\r\n\r\n", count: 11), after: Array(repeating: "interim 103", count: 10)),
    .bad("HTTP/1.1 200 OK\r\n" + (0..<101).map { "X\($0): a\r\n" }.joined() + "\r\n"),
    .bad("HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 33000) + "\r\n\r\n"),
    .bad("HTTP/1.1 200 " + String(repeating: "a", count: 33000)),
    .bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n", after: ["head 200"]),
    .bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\n", after: ["head 200"]),
    .bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0;\n", after: ["head 200"]),
    .bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n", after: ["head 200"]),
  ]) func hostile(_ response: Response) { response.check() }

  private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

  @Test func requestForms() {
    let harness = ClientHarness()
    let headers = HeaderList([
      ("host", "evil"), ("content-length", "3"), ("te", "trailers"), ("expect", "100-continue"), ("x", "1"),
      ("y", "a\nb"),
    ])
    _ = harness.codec.open(
      RequestHead(method: "POST", authority: "e:1", path: "/a b#é", headers: headers), endStream: true,
      consumer: harness.consumer, now: harness.now)
    harness.flush()
    #expect(
      text(harness.output)
        == "POST /a%20b%23%C3%A9 HTTP/1.1\r\nHost: e:1\r\nte: trailers\r\nx: 1\r\nContent-Length: 0\r\n\r\n")
    harness.feed(Self.ok)
    harness.output = []
    let stream = harness.open("POST", endStream: false)
    stream?.output.append("hello")
    stream?.end()
    harness.flush()
    #expect(
      text(harness.output)
        == "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
  }

  @Test func oneRequestAtATime() {
    let harness = ClientHarness()
    #expect(harness.codec.availableStreams == 1)
    harness.open()
    #expect(harness.codec.availableStreams == 0)
    #expect(harness.open() == nil)
    harness.flush()
    harness.feed(Self.ok)
    #expect(harness.capacityChangeCount == 1)
    #expect(harness.open() != nil)
  }

  @Test func nextRequestFromInsideTheLastEvent() {
    let harness = ClientHarness()
    var opened = 0
    harness.consumer.onClosed = { [unowned harness] _ in
      if opened < 3 { opened += harness.open() == nil ? 0 : 1 }
    }
    harness.open()
    harness.flush()
    for _ in 0..<4 { harness.feed(Self.ok) }
    #expect(opened == 3)
    #expect(harness.consumer.heads.count == 4)
    #expect(harness.close == nil)
  }

  @Test func answerBeforeTheRequestWasWrittenIsTheLast() {
    let harness = ClientHarness()
    let stream = harness.open("POST", contentLength: 10, endStream: false)
    stream?.output.append("half")
    harness.flush()
    harness.feed("HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")
    #expect(harness.consumer.events == ["head 401", "end", "closed"])
    #expect(harness.close == .finished)
    #expect(harness.open() == nil)
  }

  @Test func bytesAheadOfAnyRequest() {
    let idle = ClientHarness()
    idle.feed(Self.ok)
    #expect(idle.close == .protocolError)
    #expect(idle.codec.availableStreams == 0)
    let unwritten = ClientHarness()
    unwritten.open()
    unwritten.feed(Self.ok)
    #expect(unwritten.consumer.events == ["reset protocolError"])
    #expect(unwritten.close == .protocolError)
  }

  @Test func losingTheConnection() {
    let untouched = ClientHarness()
    untouched.open()
    untouched.end()
    #expect(untouched.consumer.events == ["reset refused"])
    let taken = ClientHarness()
    taken.open()
    taken.flush()
    taken.codec.terminate()
    #expect(taken.consumer.events == ["reset peerGone"])
    let idle = ClientHarness()
    idle.end()
    #expect(idle.close == .peerGone)
    #expect(idle.codec.availableStreams == 0)
  }

  @Test func resetEndsTheConnection() {
    let harness = ClientHarness()
    harness.open()?.reset(.cancelled)
    harness.flush()
    #expect(harness.close == .finished)
    #expect(harness.output.isEmpty)
    #expect(harness.consumer.events.isEmpty)
  }

  @Test func resetFromInsideEvents() {
    for place in 0..<3 {
      let harness = ClientHarness()
      switch place {
      case 0: harness.consumer.onHead = { stream, _ in stream.reset(.cancelled) }
      case 1: harness.consumer.onBody = { $0.reset(.cancelled) }
      default: harness.consumer.onTaken = { $0.reset(.cancelled) }
      }
      let stream = harness.open("POST", endStream: false)
      stream?.output.append("abc")
      harness.flush()
      harness.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1")
      #expect(harness.close == .finished)
      #expect(!harness.consumer.events.contains("end"))
    }
  }

  @Test func backpressure() {
    let harness = ClientHarness()
    harness.consumer.returnsCredit = false
    let stream = harness.open()
    harness.flush()
    harness.feed("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    harness.feed([UInt8](repeating: 0, count: 65537))
    #expect(!harness.codec.wantsRead)
    stream?.returnCredit(65537)
    #expect(harness.codec.wantsRead)
  }

  @Test func drain() {
    let idle = ClientHarness()
    idle.codec.shutdown(now: idle.now)
    #expect(idle.close == .finished)
    let busy = ClientHarness()
    busy.open()
    busy.flush()
    busy.codec.shutdown(now: busy.now)
    busy.feed(Self.ok)
    #expect(busy.consumer.events == ["head 200", "end", "closed"])
    #expect(busy.close == .finished)
  }

  @Test func dribbledHeadEnds() {
    let harness = ClientHarness()
    harness.open()
    harness.flush()
    harness.now = harness.now.advanced(byMs: 60_000)
    harness.feed("HTTP/1.1 200")
    harness.now = harness.now.advanced(byMs: 10_000)
    #expect(harness.codec.nextDeadline <= harness.now)
    harness.codec.deadlineReached(now: harness.now)
    #expect(harness.consumer.events == ["reset peerGone"])
    #expect(harness.close == .timedOut("head"))
  }
}
