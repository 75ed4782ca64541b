import Testing
import TideCore

@testable import TideHTTP1

/// Seeded mutations of valid messages: nothing traps, and the verdict never depends on where the bytes were cut.
@Suite struct MutationTests {
  private static let dictionary = [
    "\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", ",", "0", "5", "ffffffffffffffff", "chunked",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n", "=\"", "HTTP/1.0", "http://a/",
    "_", "\u{ff}",
  ].map(latin1)

  private func mutate(_ seed: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
    var bytes = seed
    for _ in 0...random.below(3) {
      let place = random.below(bytes.count + 1)
      switch random.below(4) {
      case 0: if place < bytes.count { bytes[place] = UInt8(random.below(256)) }
      case 1: bytes.insert(contentsOf: Self.dictionary[random.below(Self.dictionary.count)], at: place)
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(4)))
      default: bytes.append(contentsOf: bytes[place...].prefix(20))
      }
    }
    return bytes
  }

  @Test func requests() {
    let seeds = [
      "GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET http://a/x HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nExpect: 100-continue\r\n\r\n",
    ].map(latin1)
    var random = SeededNumbers(seed: 0x7164_6174)
    for round in 0..<4000 {
      let bytes = mutate(seeds[round % seeds.count], &random)
      let whole = ServerHarness.run([bytes[...]]).transcript
      let cut = random.below(bytes.count + 1)
      let halves = ServerHarness.run([bytes[..<cut], bytes[cut...]]).transcript
      if whole != halves { Issue.record("cut at \(cut) of \(bytes): \(whole) <> \(halves)") }
      if round % 4 == 0 {
        let single = ServerHarness.run(bytes.indices.map { bytes[$0...$0] }).transcript
        if whole != single { Issue.record("byte by byte \(bytes): \(whole) <> \(single)") }
      }
    }
  }

  @Test func responses() {
    let seeds = [
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n",
      "HTTP/1.0 404 X\r\nServer: x\r\n\r\nbody",
    ].map(latin1)
    func run(_ pieces: [ArraySlice<UInt8>]) -> String {
      let harness = ClientHarness()
      harness.open()
      harness.flush()
      for piece in pieces { harness.feed(Array(piece)) }
      harness.end()
      return "\(harness.consumer.heads) \(harness.consumer.body) \(harness.consumer.events)"
    }
    var random = SeededNumbers(seed: 0x6e61_6d65)
    for round in 0..<4000 {
      let bytes = mutate(seeds[round % seeds.count], &random)
      let whole = run([bytes[...]])
      let cut = random.below(bytes.count + 1)
      let halves = run([bytes[..<cut], bytes[cut...]])
      if whole != halves { Issue.record("cut at \(cut) of \(bytes): \(whole) <> \(halves)") }
    }
  }
}
