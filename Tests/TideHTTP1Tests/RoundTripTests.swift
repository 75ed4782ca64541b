import TideCore
import Testing

@testable import TideHTTP1

/// Both codecs, joined by a pipe that cuts the bytes at every place.
@Suite struct RoundTripTests {
  /// How the bodies of both sides are framed.
  enum Lengths: CaseIterable { case announced, chunked }

  private func exchange(_ lengths: Lengths, cut: Int, requests: Int = 2) -> (ClientHarness, ServerHarness) {
    let client = ClientHarness()
    let server = ServerHarness()
    server.onRequest = { request in
      request.consumer.onEnd = { [unowned consumer = request.consumer] stream in
        let reply = latin1("you said ") + consumer.body
        stream.send(
          ResponseHead(
            status: 200, headers: HeaderList([("x-a", "b")]), contentLength: lengths == .announced ? reply.count : nil),
          endStream: false)
        stream.output.append(reply)
        stream.end()
      }
    }
    for number in 0..<requests {
      let body = latin1("number \(number) with some more")
      let stream = client.open("POST", contentLength: lengths == .announced ? body.count : nil, endStream: false)
      stream?.output.append(body)
      stream?.end()
      client.flush()
      let sent = client.output
      client.output = []
      server.feed(Array(sent.prefix(cut)))
      server.feed(Array(sent.dropFirst(cut)))
      let answered = server.output
      server.output = []
      client.feed(Array(answered.prefix(cut)))
      client.feed(Array(answered.dropFirst(cut)))
    }
    return (client, server)
  }

  @Test(arguments: Lengths.allCases) func everySplit(_ lengths: Lengths) {
    for cut in 0..<160 {
      let (client, server) = exchange(lengths, cut: cut)
      #expect(
        text(client.consumer.body) == "you said number 0 with some moreyou said number 1 with some more",
        "cut at \(cut)")
      #expect(client.consumer.events == ["head 200", "end", "closed", "head 200", "end", "closed"], "cut at \(cut)")
      #expect(client.close == nil && server.close == nil)
      #expect(server.requests.map(\.head.path) == ["/x", "/x"])
      #expect(server.requests[0].consumer.events == ["end", "closed"])
    }
  }

  @Test func largeBodies() {
    let client = ClientHarness()
    let server = ServerHarness()
    server.onRequest = { request in
      request.stream.send(ResponseHead(status: 200), endStream: false)
      request.consumer.onBody = { [unowned consumer = request.consumer] stream in
        stream.output.append(consumer.body)
        consumer.body = []
        stream.outputChanged()
      }
      request.consumer.onEnd = { $0.end() }
    }
    let stream = client.open("POST", endStream: false)
    var expected: [UInt8] = []
    for round in 0..<40 {
      let piece = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
      expected += piece
      stream?.output.append(piece)
      if round == 39 { stream?.end() } else { stream?.outputChanged() }
      client.flush()
      server.feed(client.output)
      client.output = []
      client.feed(server.output)
      server.output = []
    }
    #expect(client.consumer.body == expected)
    #expect(client.consumer.events == ["head 200", "end", "closed"])
  }
}
