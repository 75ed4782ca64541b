import TideCore
import Testing

@testable import TideHTTP1

/// Robustness section 2, row by row: each example's bytes, whole, byte by byte and at every two-way split.
@Suite struct StrictnessRowTests {
  @Test(arguments: [
    RequestVector.post("S-01", "Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    .post("S-01 TE first", "Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
    .post("S-02 differ", "Content-Length: 1\r\nContent-Length: 0"),
    .post("S-02 equal", "Content-Length: 5\r\nContent-Length: 5", "hello"),
    .post("S-02 list equal", "Content-Length: 5, 5", "hello"), .post("S-02 list", "Content-Length: 5,6", "hello"),
  ]) func lengths(_ vector: RequestVector) { vector.check() }

  @Test(arguments: [
    "+5", "-0", "0x10", "1_0", "5 5", "", "18446744073709551616", "010", "1Z", "9007199254740993", "00", "5,",
    "\u{d9}\u{a5}", "1e1",
    "5.0", "-1", "\"5\"",
  ]) func contentLengthSyntax(_ value: String) {
    RequestVector.post("S-03 \(value)", "Content-Length: \(value)", "hello").check()
  }

  @Test(arguments: [
    (",chunked", 400), ("chunked,", 400), ("xchunked", 400), ("chunked, identity", 400), ("identity", 400),
    ("chunked;a=b", 400), ("\u{b}chunked", 400), ("\"chunked\"", 400), ("chunked\r\nTransfer-Encoding: chunked", 400),
    ("gzip, chunked", 501), ("gzip", 400), ("chunked, chunked", 400), ("", 400), ("chunked gzip", 400),
    ("\u{ef}\u{bd}\u{83}hunked", 400),
    ("chunked\u{a0}", 400), ("deflate, gzip , chunked", 501), ("chunked, gzip", 400), ("'chunked'", 400),
  ]) func transferEncodings(_ value: String, _ status: Int) {
    RequestVector.post("S-04 \(value)", "Transfer-Encoding: \(value)", "0\r\n\r\n", status).check()
  }

  @Test func transferEncodingInVersion10() {
    RequestVector(
      "S-04 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]
    ).check()
  }

  @Test(arguments: [
    "Transfer-Encoding : chunked", "\tContent-Length: 1", "Transfer_Encoding: chunked", ": v",
    "Content-Length\u{85}: 9",
    "nocolon", "Transfer-\r\nEncoding: chunked", "X: a\r\n b", "X: a\r\n\tb", " X: a", "X\u{0}: a", "X y: a", "X(: a",
    "X@a: b",
    "Transfer-Encoding\t: chunked", "\"X\": a", "Content-Length[: 5", "X/: 1", "X,Y: 1",
  ]) func names(_ field: String) {
    RequestVector.post("S-05 \(field)", field).check()
  }

  @Test(arguments: [
    RequestVector("LF after request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", [400]),
    .init("LF after field", "GET / HTTP/1.1\r\nHost: a\n\r\n", [400]),
    .init("LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", [400]),
    .init("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", [400]),
    .init("bare CR in the target", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    .init("CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", [400]),
    .init("CR X at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX", [400]),
    .init("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", [400]),
    .init("DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7f}b\r\n\r\n", [400]),
    .init("LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
  ]) func lineEnds(_ vector: RequestVector) { vector.check() }

  @Test(arguments: [
    "0x5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-0\r\n\r\n", "5_0\r\nhello", " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n", "\r\nhello", "00000000000000005\r\nhello\r\n0\r\n\r\n", "1these\r\nh",
    "ffffffffffffffff\r\nhello", "8000000000000000\r\n", "20000000000001\r\n", "\t5\r\nhello", "5\t\r\nhello", "g\r\n",
    "\n5",
    "5\u{0}\r\nhello", "5,5\r\nhello", "5 5\r\nhello",
  ]) func chunkSizes(_ body: String) { RequestVector.chunked("S-07 \(body)", body).check() }

  @Test(arguments: [
    "5;\nhello\r\n0\r\n\r\n", "5\r\r;A\r\nhello", "5;a=b\r\rX", "5;\r\nhello\r\n0\r\n\r\n", "5;a=\r\nhello",
    "5;=b\r\nhello",
    "5;a=\"b\r\nhello", "5;a=b c\r\nhello", "5;a=\"\u{1}\"\r\n", "5;a b=c\r\nhello", "5 ;a\r\nhello", "5;a=b;\r\nhello",
    "5;a=\"x\"y\r\nhello", "5;a\nhello", "5;a\u{0}\r\nhello", "5;a=b=c\r\nhello", "5;a =b \r\nhello",
    "5;" + String(repeating: "a", count: 300) + "\r\nhello\r\n0\r\n\r\n",
  ]) func chunkExtensions(_ body: String) { RequestVector.chunked("S-08 \(body.prefix(30))", body).check() }

  @Test func extensionFloods() {
    RequestVector.chunked("S-08 64 KiB", "5;" + String(repeating: "a", count: 65536) + "\r\nhello").check()
    let chunk = "1;" + String(repeating: "b", count: 200) + "\r\nx\r\n"
    RequestVector.chunked("S-08 4 KiB a body", String(repeating: chunk, count: 30) + "0\r\n\r\n").check()
  }

  @Test(arguments: [
    "5\r\nhelloXX0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\rX", "5\r\nhello!\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "0\r\n\n", "0\r\n\rX", "0\n\n",
  ]) func chunkEnds(_ body: String) { RequestVector.chunked("S-09 \(body)", body).check() }

  @Test(arguments: [
    "Content-Length: 9", "Host: b", "Authorization: x", "Transfer-Encoding: chunked", "X-Fine: 1\r\nY: 2",
  ])
  func trailers(_ field: String) {
    RequestVector(
      "S-10 \(field)",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\(field)\r\n\r\n"
        + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n", [200, 200]
    ).check()
    let harness = ServerHarness()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(field)\r\n\r\n")
    #expect(harness.requests[0].head.headers.isEmpty)
  }

  @Test(arguments: [
    "0\r\nX : a\r\n\r\n", "0\r\n a\r\n\r\n", "0\r\nnocolon\r\n\r\n", "0\r\nX: a\nY: b\r\n\r\n", "0\r\n: a\r\n\r\n",
    "0\r\nX: a\u{0}\r\n\r\n", "0\r\nX: " + String(repeating: "a", count: 9000) + "\r\n\r\n",
  ]) func badTrailers(_ body: String) { RequestVector.chunked("S-10 \(body.prefix(30))", body).check() }

  @Test func expectations() {
    let fields = "Content-Length: 5\r\nExpect: 100-continue"
    RequestVector(
      "S-12", "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\nhello", [100, 200], closes: false
    ).check()
    RequestVector.post("S-12 unknown", "Content-Length: 5\r\nExpect: 200-ok", "hello", 417).check()
    RequestVector.post("S-12 list", "Content-Length: 5\r\nExpect: 100-continue, x", "hello", 417).check()
    RequestVector("S-12 GET", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", [200]).check()
    RequestVector(
      "S-12 1.0", "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", [200], closes: true
    ).check()
    let harness = ServerHarness()
    harness.feed("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n")
    #expect(text(harness.output) == "HTTP/1.1 100 Continue\r\n\r\n")
    #expect(harness.requests[0].head.headers.isEmpty)
  }

  @Test func upgradeIsStripped() {
    let request =
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    RequestVector("S-13", request + "GET /b HTTP/1.1\r\nHost: a\r\n\r\n", [200, 200]).check()
    let harness = ServerHarness()
    harness.onRequest = { $0.stream.send(ResponseHead(status: 101), endStream: true) }
    harness.feed(request)
    #expect(harness.requests[0].head.headers.isEmpty)
    #expect(harness.output.isEmpty)
  }

  @Test func version10() {
    RequestVector("S-14", "POST / HTTP/1.0\r\n\r\nhello", [200], closes: true).check()
    RequestVector("S-14 0.9", "GET /\r\n", [400]).check()
    RequestVector("S-14 0.9 version", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", [505]).check()
    RequestVector("S-14 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200], closes: true).check()
  }

  @Test(arguments: [
    RequestVector.line("GET / HTTP/1.32"), .line("GET / HTTP/1.1 "), .line("GET / http/1.1"),
    .line("G\u{0}T / HTTP/1.1"),
    .line("GET / HTTP/2.0", 505), .line("GET / HTTP/3.0", 505), .line("GET / HTTP/1.2", 505), .line("GET / HTTP/11"),
    .line("GET / HTTP/1,1"), .line("GET / HTP/1.1"), .line("GET / HTTP/ 1.1"), .line("GET / HTTP/1.1x"),
    .line("G(T / HTTP/1.1"),
    .line("GET / HTTP/x.1"), .line("GET / HTTP 1.1"), .line(" GET / HTTP/1.1"), .line("GET\t/ HTTP/1.1"),
    .line("GET / HTTP/+1.1"),
    .line("PRI * HTTP/2.0", 505), .line("G\u{c9}T / HTTP/1.1"), .line("GET"), .line("GET "), .line("GET HTTP/1.1"),
    .line("GET  / HTTP/1.1"), .line("GET /  HTTP/1.1"), .line("GET / HTTP/1.1 X"), .line("/ HTTP/1.1"),
  ]) func versionsAndMethods(_ vector: RequestVector) { vector.check() }

  @Test(arguments: [
    RequestVector.line("GET http://b/ HTTP/1.1"), .line("GET //b HTTP/1.1", 200), .line("GET * HTTP/1.1"),
    .line("GET /a b HTTP/1.1"), .line("GET /a#b HTTP/1.1"), .line("CONNECT a:443 HTTP/1.1", 405),
    .line("TRACE / HTTP/1.1", 405),
    .line("GET http://a/x HTTP/1.1", 200), .line("GET HTTP://A HTTP/1.1", 200), .line("GET https://a/ HTTP/1.1"),
    .line("GET ftp://a/ HTTP/1.1"), .line("GET a HTTP/1.1"), .line("GET http:///x HTTP/1.1"),
    .line("GET http:// HTTP/1.1"),
    .line("GET http://u@a/ HTTP/1.1"), .line("GET http://a:80/ HTTP/1.1"), .line("OPTIONS * HTTP/1.1", 200),
    .line("GET /\u{e9} HTTP/1.1"), .line("GET /a\\b HTTP/1.1"), .line("GET /\u{0} HTTP/1.1"), .line("GET \\ HTTP/1.1"),
    .line("GET ?x HTTP/1.1"), .line("GET ** HTTP/1.1"), .line("GET *a HTTP/1.1"),
    .line("OPTIONS http://a HTTP/1.1", 200),
    .line("GET http://a?x HTTP/1.1", 200), .line("GET http:/a/ HTTP/1.1"), .line("GET a:443 HTTP/1.1"),
    .line("GET http://a\u{7f}/ HTTP/1.1"),
  ]) func targets(_ vector: RequestVector) { vector.check() }

  @Test(arguments: [
    RequestVector.host(""), .host("Host: a\r\nHost: a\r\n"), .host("Host: a\r\nHost: b\r\n"), .host("Host: a,b\r\n"),
    .host("Host: u@a\r\n"), .host("Host: a/b\r\n"), .host("Host: a\u{0}.b\r\n"), .host("Host:\r\n"),
    .host("Host: \r\n"),
    .host("Host: a b\r\n"), .host("Host: a:\r\n"), .host("Host: a:x\r\n"), .host("Host: a:65536\r\n"),
    .host("Host: :80\r\n"),
    .host("Host: a:80:80\r\n"), .host("Host: [::1\r\n"), .host("Host: ::1\r\n"), .host("Host: [::g]\r\n"),
    .host("Host: []\r\n"),
    .host("Host: a..b\r\n"), .host("Host: .a\r\n"), .host("Host: a?b\r\n"), .host("Host: a#b\r\n"),
    .host("Host: a\\b\r\n"),
    .host("Host: a%00\r\n"), .host("Host: http://a\r\n"), .host("Host: \u{e9}\r\n"), .host("Host : a\r\n"),
    .host(" Host: a\r\n"),
    .host("Host: a\r\nHost:\r\n"), .host("Host: [::1]x\r\n"), .host("Host: a:+80\r\n"), .host("Host: a\t.b\r\n"),
    .host("Host: a\r\nhOsT: a\r\n"), .host("Host: a:000080\r\n"), .host("Host: a;b\r\n"),
    .host("Host: " + String(repeating: "a", count: 256) + "\r\n"),
    .host("Host: a\r\n", 200), .host("Host:a:8080\r\n", 200), .host("Host: [::1]:80 \r\n", 200),
    .host("HOST:\ta.b.\r\n", 200),
    .host("Host: 127.0.0.1:1\r\n", 200), .host("Host: my_service\r\n", 200),
  ]) func hosts(_ vector: RequestVector) { vector.check() }

  @Test func pipelining() {
    RequestVector(
      "S-19", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nBad\r\n\r\n", [200, 400], dispatched: 1
    ).check()
    RequestVector(
      "S-19 three",
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n\u{1}",
      [200, 200, 400]
    ).check()
  }
}
