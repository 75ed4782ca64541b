import TideCore
import Testing

@testable import TideHTTP2

/// The rows D-01 to D-10: what may not pass from HTTP/2 into a rebuilt message.
@Suite struct DowngradeTests {
  private func answer(_ fields: [(String, String)], end: Bool = true) -> (Side, [Frame]) {
    let side = Side.greetedServer()
    side.feed([.headers(1, fields, end: end)])
    return (side, side.frames())
  }

  /// The status of a head that nghttp2's encoder wrote: an entry of the static table, or a literal.
  private func status(_ frames: [Frame]) -> Int? {
    guard let head = frames.first(where: { $0.type == 1 })?.payload, let first = head.first else { return nil }
    let table: [UInt8: Int] = [0x88: 200, 0x89: 204, 0x8c: 400, 0x8d: 404, 0x8e: 500]
    if let known = table[first] { return known }
    // 0x48 and two bytes of Huffman code, or three of text.
    switch Array(head.dropFirst().prefix(3)) {
    case [0x82, 0x68, 0x0b]: return 405
    case [0x03, 0x34, 0x30]: return 405
    default: return 0
    }
  }

  @Test(
    "D-01 fields of the connection: RST",
    arguments: [
      ("transfer-encoding", "chunked"), ("connection", "close"), ("keep-alive", "1"), ("upgrade", "foo"),
      ("proxy-connection", "x"), ("te", "gzip"),
    ])
  func framingFields(field: (String, String)) {
    let (side, frames) = answer(Frame.request("GET", [field]))
    #expect(side.requests.isEmpty && frames.map(\.type) == [3])
    #expect(side.session.counters.glitches == 1)
  }

  @Test(
    "D-02 line ends in names and values: RST, never dropped in silence",
    arguments: [("x", "1\r\nX-B: 2"), ("x", "a\0"), ("x\r\ny", "1"), ("x y", "1"), ("x", " 1")])
  func lineEnds(field: (String, String)) {
    let (side, frames) = answer(Frame.request("GET", [field]))
    #expect(side.requests.isEmpty && frames.map(\.type) == [3])
  }

  @Test("D-03 :authority and host that differ: 400; equal ones are one authority")
  func authorityAndHost() throws {
    let (side, frames) = answer(Frame.request("GET", [("host", "b.test")]))
    #expect(side.requests.isEmpty && status(frames) == 400)
    let (same, _) = answer(Frame.request("GET", [("host", "A.test")]))
    let request = try #require(same.requests.first)
    #expect(request.head.authority == "a.test" && request.head.headers.isEmpty)
    let (alone, _) = answer([(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "h.test")])
    #expect(alone.requests.first?.head.authority == "h.test")
  }

  @Test("D-04 an authority with user information or a list: 400", arguments: ["u@a", "a,b", "a/b", "a?b"])
  func authority(text: String) {
    let (side, frames) = answer([(":method", "GET"), (":scheme", "http"), (":authority", text), (":path", "/")])
    #expect(side.requests.isEmpty && (status(frames) == 400 || frames.map(\.type) == [3]))
  }

  @Test("D-05 the scheme is the transport's and the path starts with a slash")
  func schemeAndPath() {
    for (scheme, path) in [("ftp", "/"), ("https", "/"), ("x", "@evil/"), ("http", "evil"), ("http", "*")] {
      let (side, frames) = answer([(":method", "GET"), (":scheme", scheme), (":authority", "a"), (":path", path)])
      #expect(side.requests.isEmpty && (status(frames) == 400 || frames.map(\.type) == [3]), "\(scheme) \(path)")
    }
    let (star, _) = answer([(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "*")])
    #expect(star.requests.first?.head.path == "*")
  }

  @Test("D-07 content-length that does not match: the consumer hears at once, nothing is sent first", arguments: 0..<5)
  func contentLength(variant: Int) {
    let side = Side.greetedServer()
    let head = Frame.request("POST", [("content-length", "5")])
    side.feed([.headers(1, head, end: variant == 0)])
    switch variant {
    case 0: break
    case 1: side.feed([.data(1, [1, 2], end: true)])
    case 2: side.feed([.data(1, [1, 2, 3, 4, 5, 6])])
    case 3: side.feed([.data(1, [1, 2, 3]), .data(1, [4, 5, 6], end: true)])
    default: side.feed([.data(1, [1, 2]), .headers(1, [("x", "y")], end: true)])
    }
    #expect(side.requests.count == (variant == 0 ? 0 : 1))
    for request in side.requests {
      #expect(request.consumer.resets == [.protocolError] && !request.consumer.hasEnded)
    }
    #expect(side.frames().map(\.type).contains(3) && side.session.isIdle)
    #expect(side.session.counters.glitches == 1)
  }

  @Test("D-08 cookie crumbs become one field")
  func cookies() {
    let (side, _) = answer(Frame.request("GET", [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]))
    #expect(side.requests.first?.head.headers == HeaderList([("x", "y"), ("cookie", "a=1; b=2; c=3")]))
  }

  @Test("D-09 pseudo-fields out of order, twice or unknown: RST")
  func pseudoFields() {
    let base = Frame.request("GET")
    for fields in [[("x", "y")] + base, base + [(":path", "/2")], base + [(":odd", "1")], Array(base.dropLast())] {
      let (side, frames) = answer(fields)
      #expect(side.requests.isEmpty && frames.map(\.type) == [3])
    }
  }

  @Test("D-10 CONNECT and TRACE: 405")
  func connect() {
    let (side, frames) = answer([(":method", "CONNECT"), (":authority", "a:443")], end: false)
    #expect(side.requests.isEmpty && frames.map(\.type) == [1, 3] && side.session.isIdle)
    let (trace, other) = answer([(":method", "TRACE"), (":scheme", "http"), (":authority", "a"), (":path", "/")])
    #expect(trace.requests.isEmpty && other.map(\.type) == [1] && trace.session.counters.rejectedHeads == 1)
  }

  @Test("Fields that a script put into a head cannot leave as framing")
  func outgoing() throws {
    let side = Side(.client)
    let headers = HeaderList([("X-Ok", "1"), ("transfer-encoding", "chunked"), ("bad", "a\r\nb: c"), ("host", "evil")])
    let head = RequestHead(method: "POST", authority: "a", path: "/", headers: headers, contentLength: 0)
    let pipe = Side.greetedServer()
    _ = try #require(side.session.open(head, endStream: true, consumer: Recorder(), now: side.now))
    let frames = Frame.parse(Array(side.output().dropFirst(24))).filter { $0.type == 1 }
    pipe.feed(frames)
    let request = try #require(pipe.requests.first)
    #expect(request.head.headers == HeaderList([("x-ok", "1")]) && request.head.contentLength == 0)
    #expect(request.head.authority == "a")
  }
}
