import Testing

@testable import TideHTTP1

/// Requests beyond the rows: limits, hop-by-hop fields, tolerated forms, and the shapes that readers disagree about.
@Suite struct RequestVectorTests {
  private static func fields(_ count: Int) -> String {
    (0..<count).map { "X\($0): \($0)\r\n" }.joined()
  }

  @Test(arguments: [
    RequestVector("100 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + fields(99) + "\r\n", [200]),
    .init("101 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + fields(100) + "\r\n", [431]),
    .init("8 KiB line", "GET /" + String(repeating: "a", count: 8178) + " HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("8 KiB and 1", "GET /" + String(repeating: "a", count: 8179) + " HTTP/1.1\r\nHost: a\r\n\r\n", [414]),
    .init("endless line", String(repeating: "A", count: 9000), [414]),
    .init("32 KiB head", "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 33000) + "\r\n\r\n", [431]),
    .init("endless field", "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 33000), [431]),
    .init("endless name", "GET / HTTP/1.1\r\n" + String(repeating: "a", count: 33000), [431]),
    .init("many fields", "GET / HTTP/1.1\r\n" + String(repeating: "a:\r\n", count: 300), [431]),
    .init(
      "many options", "GET / HTTP/1.1\r\nHost: a\r\nConnection: " + String(repeating: "a,", count: 40) + "a\r\n\r\n",
      [400]),
  ]) func limits(_ vector: RequestVector) { vector.check() }

  @Test(arguments: [
    RequestVector("plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("one empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    .init(
      "CRLF after a body",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", [200, 200]),
    .init("empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t \r\n\r\n", [200]),
    .init("outer blanks", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", [200]),
    .init("obs-text", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\u{ff}\r\n\r\n", [200]),
    .init("tab in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n", [200]),
    .init("colon in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a:b: c\r\n\r\n", [200]),
    .init("own method", "PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("token method", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("query", "GET /a?b=c&d=%20 HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("length 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", [200]),
    .init("POST without a length", "POST / HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
    .init("GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", [200]),
    .init("length 2^53", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740992\r\n\r\n", [], dispatched: 1),
    .init("close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n", [200], closes: true),
    .init("CLOSE in a list", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", [200], closes: true),
    .init("bad option", "GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", [400]),
    .init(
      "Chunked in capitals", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n",
      [200]),
    .init("TLS hello", "\u{16}\u{3}\u{1}\u{2}\u{0}", [400]),
    .init("SSH", "SSH-2.0-OpenSSH\r\n", [400]),
    .init("nothing", "", []),
    .init("CR LF only", "\r\n", []),
    .init("half a head", "GET / HTTP/1.1\r\nHos", []),
    .init("half a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", [], dispatched: 1),
    .init("smuggled by length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG", [200]),
    .init("space after the name of a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 6\r\n\r\n", [400]),
    .init("length in a folded line", "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 6\r\n\r\n", [400]),
    .init("three in one", String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 3), [200, 200, 200]),
    .init("invalid after valid", "GET / HTTP/1.1\r\nHost: a\r\n\r\n\u{0}", [200, 400]),
    .init("nothing after an error", "BAD\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    .init("HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
  ]) func forms(_ vector: RequestVector) { vector.check() }

  @Test(arguments: [
    "5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n", "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "05\r\nhello\r\n00\r\n\r\n",
    "5;a\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0;c=\"d\\\"e;\"\r\n\r\n", "5; a = b ; c\r\nhello\r\n0\r\n\r\n",
    "0000000000000005\r\nhello\r\n0\r\n\r\n", "a\r\nhellohello\r\n0\r\n\r\n",
    "A;x=\"\"\r\nhellohello\r\n0\r\nT:\r\n\r\n",
  ]) func chunkedBodies(_ body: String) {
    RequestVector(
      body,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)GET /n HTTP/1.1\r\nHost: a\r\n\r\n",
      [200, 200]
    ).check()
  }

  @Test func hopByHopFieldsStay() {
    let harness = ServerHarness()
    harness.feed(
      "GET /a HTTP/1.1\r\nHost: a:1\r\nConnection: keep-alive, X-Mine, authorization, host\r\nX-Mine: 1\r\nAuthorization: k\r\n"
        + "Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\nTrailer: X\r\nProxy-Authorization: p\r\nX-Fine:  v \r\n\r\n"
    )
    let head = harness.requests[0].head
    #expect(head.headers == HeaderListFixture.list([("authorization", "k"), ("x-fine", "v")]))
    #expect(head.authority == "a:1")
    #expect(head.path == "/a")
    #expect(head.scheme == "http")
  }

  @Test func absoluteTargets() {
    let harness = ServerHarness()
    harness.feed("GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS http://a HTTP/1.1\r\nHost: A\r\n\r\n")
    #expect(harness.requests.map(\.head.path) == ["/?x", "*"])
  }

  @Test func preface() {
    let preface = latin1("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    for count in 0..<preface.count {
      #expect(preface[..<count].withUnsafeBytes { HTTP1ServerCodec.looksLikeHTTP2Preface($0) } == .maybe)
    }
    #expect((preface + [0]).withUnsafeBytes { HTTP1ServerCodec.looksLikeHTTP2Preface($0) } == .yes)
    #expect(latin1("PRX").withUnsafeBytes { HTTP1ServerCodec.looksLikeHTTP2Preface($0) } == .no)
  }
}
