import Testing

@testable import TideHTTP1

/// Bytes that a client sends and what must come of them.
struct RequestVector: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: [UInt8]
  /// The statuses of all responses, in order.
  let statuses: [Int]
  /// How many requests reach the gateway.
  let dispatched: Int
  let closes: Bool

  var testDescription: String { name }

  init(_ name: String, _ text: String, _ statuses: [Int], dispatched: Int? = nil, closes: Bool? = nil) {
    self.name = name
    bytes = latin1(text)
    self.statuses = statuses
    self.dispatched = dispatched ?? statuses.filter { $0 == 200 }.count
    self.closes = closes ?? (statuses.contains { $0 >= 400 })
  }

  /// A POST with these field lines and this body.
  static func post(_ name: String, _ fields: String, _ body: String = "", _ status: Int = 400) -> RequestVector {
    RequestVector(name, "POST /v1 HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)", [status])
  }

  /// A GET with this first line.
  static func line(_ line: String, _ status: Int = 400) -> RequestVector {
    RequestVector(line, "\(line)\r\nHost: a\r\n\r\n", [status])
  }

  static func host(_ fields: String, _ status: Int = 400) -> RequestVector {
    RequestVector(fields, "GET / HTTP/1.1\r\n\(fields)\r\n", [status])
  }

  /// A POST with a chunked body. Its head is dispatched before the body is known to be bad.
  static func chunked(_ name: String, _ body: String, _ status: Int = 400) -> RequestVector {
    RequestVector(
      name, "POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)", [status], dispatched: 1)
  }

  func check() {
    var first: String?
    for pieces in splits(bytes) {
      let harness = ServerHarness.run(pieces)
      if first == nil {
        first = harness.transcript
        #expect(harness.statuses == statuses, "\(name): \(harness.transcript)")
        #expect(harness.requests.count == dispatched, "\(name): \(harness.transcript)")
        #expect((harness.close != nil) == closes, "\(name): \(harness.transcript)")
        if statuses.last ?? 0 >= 400 {
          #expect(text(harness.output).contains("\r\nConnection: close\r\n"), "\(name)")
          #expect(
            text(harness.output).hasSuffix(#""type":"invalid_request_error","param":null,"code":null}}"#), "\(name)")
          for request in harness.requests.suffix(max(0, dispatched - statuses.filter { $0 == 200 }.count)) {
            #expect(request.consumer.events == ["reset protocolError"], "\(name)")
          }
        }
      } else if harness.transcript != first {
        Issue.record(
          "\(name) differs at split \(pieces.map(\.count).prefix(2)): \(harness.transcript) <> \(first ?? "")")
        return
      }
    }
  }
}
