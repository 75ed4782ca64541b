import TideCore
import Testing

@testable import TideHTTP2

/// The rows H2-01 to H2-21 of the attack catalogue, as bytes, against the row's answer.
@Suite struct AttackTests {
  /// Feeds `frames` until the session wants to close or there are none left; returns how many were fed.
  private func flood(_ side: Side, count: Int = 20_000, reads: Bool = true, _ frames: (Int) -> [Frame]) -> Int {
    for index in 0..<count {
      side.feed(frames(index))
      if !side.closes.isEmpty { return index + 1 }
      if reads { received += side.frames() }
      if !side.closes.isEmpty { return index + 1 }
    }
    return count
  }

  private let log = FrameLog()
  private var received: [Frame] {
    get { log.frames }
    nonmutating set { log.frames = newValue }
  }

  private func lastGoawayCode(_ side: Side) -> UInt8? {
    received += side.frames()
    return received.last { $0.type == 7 }?.payload[7]
  }

  @Test("H2-01 rapid reset: GOAWAY, at most 210 dispatched")
  func rapidReset() {
    let side = Side.greetedServer()
    for index in 0..<20_000 where side.closes.isEmpty {
      side.feed([.get(2 * index + 1)])
      side.feed([.reset(2 * index + 1)])
      _ = side.output()
    }
    #expect(side.requests.count <= 210)
    #expect(side.closes == [.attack("resets")])
    #expect(side.requests.allSatisfy { $0.consumer.endCount == 1 })
  }

  @Test("H2-01 a reset in the same batch dispatches nothing")
  func resetInBatch() {
    let side = Side.greetedServer()
    let batch = (0..<300).flatMap { [Frame.get(2 * $0 + 1), Frame.reset(2 * $0 + 1)] }
    side.feed(batch)
    _ = side.output()
    #expect(side.requests.isEmpty && !side.closes.isEmpty)
  }

  @Test("H2-02 MadeYouReset: the consumer hears at once, GOAWAY after at most 110", arguments: 0..<6)
  func madeYouReset(variant: Int) {
    let side = Side.greetedServer()
    let fed = flood(side, reads: variant % 2 == 0) { index in
      let id = 2 * index + 1
      let open = Frame.headers(id, Frame.request("POST", [("content-length", "5")]))
      switch variant {
      case 0: return [.get(id), .windowUpdate(id, 0x7fff_ffff)]
      case 1: return [open, .data(id, [UInt8](repeating: 0, count: 9))]
      case 2: return [open, .data(id, [1], end: true)]
      case 3: return [open, .headers(id, [("x", "y")])]
      case 4: return [open, .headers(id, [(":path", "/")], end: true)]
      default: return [.headers(id, Frame.request("GET", [("Upper", "x")]), end: true)]
      }
    }
    #expect(fed <= 110)
    #expect(side.closes == [.attack("glitches")])
    #expect(lastGoawayCode(side) == 0xb)
    #expect(side.requests.allSatisfy { $0.consumer.resets.count == 1 && $0.consumer.closedCount == 0 })
  }

  @Test("H2-03 streams before the SETTINGS ACK: closed at 100 refusals, or at 10 s")
  func streamFlood() {
    let side = Side(.server)
    side.feed(Frame.preface + Frame.settings().bytes)
    let fed = flood(side, reads: false) { [.get(2 * $0 + 1)] }
    #expect(fed <= 202 && side.closes == [.attack("refused streams")])
    #expect(side.session.counters.refused == 101)
    let silent = Side(.server)
    silent.feed(Frame.preface + Frame.settings().bytes)
    silent.advance(ms: 9_999)
    #expect(silent.closes.isEmpty)
    silent.advance(ms: 1)
    #expect(silent.closes == [.timedOut("HTTP/2 SETTINGS acknowledgement")])
  }

  @Test("H2-04 CONTINUATION flood: closed on the ninth; a slow but legal one passes")
  func continuationFlood() {
    let side = Side.greetedServer()
    side.feed([.headers(1, Frame.hpack(Frame.request("GET")), endHeaders: false)])
    for _ in 0..<8 { side.feed([.continuation(1, Frame.hpack([("a", "b")]))]) }
    #expect(side.closes.isEmpty)
    side.feed([.continuation(1, Frame.hpack([("a", "b")]))])
    #expect(side.closes == [.attack("continuations")] && side.requests.isEmpty)

    let slow = Side.greetedServer()
    let bytes =
      Frame.headers(1, Frame.hpack(Frame.request("GET")), end: true, endHeaders: false).bytes
      + Frame.continuation(1, Frame.hpack([("a", "bcdefghijklmnopqrstuvwxyz")]), endHeaders: true).bytes
    for byte in bytes { slow.feed([byte]) }
    #expect(slow.requests.count == 1 && slow.closes.isEmpty)
  }

  @Test("H2-05 PING flood: closed at the bucket's end, read or not")
  func pingFlood() {
    let side = Side.greetedServer()
    #expect(flood(side) { _ in [.ping()] } == 201)
    #expect(side.closes == [.attack("pings")] && lastGoawayCode(side) == 0xb)
    let deaf = Side.greetedServer()
    #expect(flood(deaf, reads: false) { _ in [.ping()] } <= 201 && deaf.closes.count == 1)
  }

  @Test("H2-06 SETTINGS flood and a flapping window: GOAWAY after about 20")
  func settingsFlood() {
    let side = Side.greetedServer()
    #expect(flood(side) { [.settings([(4, UInt32($0 & 1))])] } <= 21)
    #expect(side.closes == [.attack("settings")] && lastGoawayCode(side) == 0xb)
    let many = Side.greetedServer()
    many.feed([.settings((0..<33).map { _ in (4, 1) })])
    #expect(lastGoawayCode(many) == 0xb && many.closes.count == 1)
  }

  @Test("H2-07 HPACK bomb: over 100 fields or 32 KiB is 431, over 1,000 fields closes", arguments: ["a", "cookie"])
  func hpackBomb(name: String) throws {
    let indexed: [UInt8] = [0x40, UInt8(name.utf8.count)] + Array(name.utf8) + [0]
    let side = Side.greetedServer()
    side.feed([
      .headers(1, Frame.hpack(Frame.request("GET")) + indexed + [UInt8](repeating: 0xbe, count: 200), end: true)
    ])
    var frames = side.frames()
    #expect(frames.first?.type == 1 && side.requests.isEmpty && side.closes.isEmpty)
    #expect(frames.first.map { Array($0.payload) }.map { contains($0, "431") || $0.first == 0x48 } == true)

    side.feed(
      [.headers(3, Frame.request("POST", [("a", String(repeating: "x", count: 33_000))]))].map { split($0) }.flatMap {
        $0
      })
    frames = side.frames()
    #expect(frames.map(\.type) == [1, 3] && side.requests.isEmpty)

    side.feed([.headers(5, Frame.hpack(Frame.request("GET")) + [UInt8](repeating: 0xbe, count: 12_000), end: true)])
    #expect(side.closes == [.attack("header fields")] && side.requests.isEmpty)
  }

  private func contains(_ bytes: [UInt8], _ text: String) -> Bool {
    String(decoding: bytes, as: UTF8.self).contains(text)
  }

  /// Cuts a HEADERS frame into frames of at most 16,384 bytes.
  private func split(_ frame: Frame) -> [Frame] {
    var rest = frame.payload[...]
    var frames = [Frame(type: 1, flags: frame.flags & ~4, stream: frame.stream, payload: Array(rest.prefix(16_384)))]
    rest = rest.dropFirst(16_384)
    while !rest.isEmpty {
      frames.append(
        .continuation(frame.stream, Array(rest.prefix(16_384)), endHeaders: rest.count <= 16_384))
      rest = rest.dropFirst(16_384)
    }
    return frames
  }

  @Test("H2-08 empty header names fail the stream and count as glitches")
  func emptyNames() {
    let side = Side.greetedServer()
    let fed = flood(side) { [.headers(2 * $0 + 1, Frame.hpack(Frame.request("GET")) + [0, 0, 0], end: true)] }
    #expect(fed <= 110 && side.requests.isEmpty && side.closes == [.attack("glitches")])
  }

  @Test("H2-09 slow read: 256 B/s over 30 s or RST(ENHANCE_YOUR_CALM), whatever WINDOW_UPDATEs come")
  func slowRead() throws {
    let side = Side.greetedServer(settings: [(4, 0)])
    side.feed((0..<100).map { .get(2 * $0 + 1) })
    for request in side.requests {
      request.stream.send(ResponseHead(status: 200), endStream: false)
      request.stream.output.append([UInt8](repeating: 1, count: 60_000))
      request.stream.outputChanged()
    }
    // The last stream is read at an honest pace.
    for _ in 0..<36 {
      _ = side.output()
      side.feed((0..<99).map { .windowUpdate(2 * $0 + 1, 1) } + [.windowUpdate(199, 1_000)])
      side.advance(ms: 1_000)
    }
    let ends = side.requests.map(\.consumer.resets)
    #expect(ends.prefix(99).allSatisfy { $0 == [.enhanceYourCalm] } && ends[99].isEmpty)
    #expect(side.session.counters.stalls == 99)
  }

  @Test("H2-09 a stream whose output is always taken is never stalled, however slow its tokens")
  func slowTokens() throws {
    let side = Side.greetedServer()
    side.feed([.get(1)])
    let request = try #require(side.requests.first)
    request.stream.send(ResponseHead(status: 200), endStream: false)
    for _ in 0..<100 {
      request.stream.output.append("t")
      request.stream.outputChanged()
      _ = side.output()
      side.advance(ms: 5_000)
    }
    #expect(request.consumer.endCount == 0 && side.session.counters.stalls == 0)
  }

  @Test("H2-10 empty DATA: GOAWAY")
  func emptyData() {
    let side = Side.greetedServer()
    side.feed([.headers(1, Frame.request("POST"))])
    #expect(flood(side) { _ in [.data(1)] } <= 110)
    #expect(side.closes == [.attack("glitches")] && side.requests[0].consumer.resets.count == 1)
  }

  @Test("H2-11 PRIORITY churn: GOAWAY")
  func priorityChurn() {
    let side = Side.greetedServer()
    let fed = flood(side) { [Frame(type: 2, stream: 2 * $0 + 1, payload: [0, 0, 0, 0, 16])] }
    #expect(fed <= 210 && side.closes == [.attack("glitches")])
  }

  @Test("H2-12 WINDOW_UPDATE flood: GOAWAY; a client that updates twice for each DATA frame goes on")
  func windowUpdates() throws {
    let side = Side.greetedServer()
    #expect(flood(side) { _ in [.windowUpdate(0, 1)] } <= 110)
    #expect(side.closes == [.attack("glitches")])
    let honest = Side.greetedServer()
    honest.feed([.get(1)])
    let request = try #require(honest.requests.first)
    request.stream.send(ResponseHead(status: 200), endStream: false)
    for _ in 0..<5_000 {
      request.stream.output.append("token")
      request.stream.outputChanged()
      _ = honest.output()
      honest.feed([.windowUpdate(0, 5), .windowUpdate(1, 5)])
    }
    #expect(honest.closes.isEmpty && honest.session.counters.glitches == 0)
  }

  @Test("H2-13 unknown frames and PRIORITY_UPDATE: closed within 300 KB", arguments: [UInt8(0x77), 0x10])
  func unknownFrames(type: UInt8) {
    let side = Side.greetedServer()
    let frame = Frame(type: type, payload: [0, 0, 0, 1] + Array("u=3".utf8))
    let fed = flood(side, count: 100_000) { _ in [frame] }
    #expect(fed * frame.bytes.count <= 300_000 && side.closes.count == 1)
  }

  @Test("H2-14, H2-15, H2-16 what nghttp2 answers by itself with GOAWAY", arguments: 0..<6)
  func connectionErrors(variant: Int) {
    let side = Side.greetedServer()
    side.feed([.headers(1, Frame.request("POST"))])
    let frames: [Frame] =
      switch variant {
      case 0: [.reset(3)]
      case 1: [.windowUpdate(0, 0x7fff_ffff)]
      case 2: (0..<5).map { _ in .data(1, [UInt8](repeating: 0, count: 16_384)) }
      case 3: [.data(1, [UInt8](repeating: 0, count: 16_385))]
      case 4: [Frame(type: 5, flags: 4, stream: 1, payload: Frame.word(2) + Frame.hpack(Frame.request("GET")))]
      default: [.get(2)]
      }
    side.requests[0].consumer.returnsCredit = false
    side.feed(frames)
    #expect((lastGoawayCode(side) ?? 0) != 0)
    #expect(side.closes.count == 1 && side.requests[0].consumer.endCount == 1)
  }

  @Test("H2-17 a lower identifier that was never opened dispatches nothing")
  func lowerIdentifier() {
    let side = Side.greetedServer()
    side.feed([.get(5), .get(3)])
    #expect(side.requests.map(\.stream.id) == [5] && side.closes.isEmpty)
    side.advance(ms: 60_000)
    #expect(side.closes.isEmpty)
  }

  @Test("H2-18 frames on streams in odd states end in an answer, never in a crash")
  func stateConfusion() {
    let side = Side.greetedServer()
    let frames: [Frame] = [
      .get(1), .data(1, [1]), .headers(1, Frame.request("GET"), end: true), .windowUpdate(1, 1), .reset(1), .reset(1),
      .goaway(last: 0), .settings([(4, 0xffff_ffff)]), .continuation(1, []), .get(3),
    ]
    for start in frames.indices {
      let one = Side.greetedServer()
      for frame in frames[start...] + frames[..<start] {
        one.feed([frame])
        _ = one.output()
      }
      #expect(one.requests.allSatisfy { $0.consumer.endCount <= 1 })
      one.session.terminate()
      #expect(one.requests.allSatisfy { $0.consumer.endCount == 1 })
    }
    #expect(side.closes.isEmpty)
  }

  @Test("H2-19 absolute deadlines: preface, header block")
  func deadlines() {
    let half = Side(.server)
    half.feed(Array(Frame.preface.prefix(12)))
    half.advance(ms: 9_000)
    half.feed(Array(Frame.preface[12..<20]))
    half.advance(ms: 1_000)
    #expect(half.closes == [.timedOut("HTTP/2 preface")])

    let block = Side.greetedServer()
    block.feed([.headers(1, Frame.hpack(Frame.request("GET")), endHeaders: false)])
    for _ in 0..<5 {
      block.advance(ms: 1_900)
      block.feed([.continuation(1, Frame.hpack([("a", "b")]))])
    }
    #expect(block.closes.isEmpty)
    block.advance(ms: 500)
    #expect(block.closes == [.timedOut("HTTP/2 header block")])

    let done = Side.greetedServer()
    done.feed([.get(1)])
    done.advance(ms: 100_000)
    #expect(done.closes.isEmpty)
  }

  @Test("H2-21 hostile engine: more than 10 interim heads, oversized heads, GOAWAY loops, bytes one by one")
  func hostileUpstream() throws {
    let head = RequestHead(method: "GET", authority: "a", path: "/")
    func engine() throws -> (Side, HTTPStream, Recorder) {
      let side = Side(.client)
      let consumer = Recorder()
      let stream = try #require(side.session.open(head, endStream: true, consumer: consumer, now: side.now))
      _ = side.output()
      side.feed([.settings(), .settings(ack: true)])
      return (side, stream, consumer)
    }
    var (side, _, consumer) = try engine()
    side.feed((0..<20).map { _ in .headers(1, [(":status", "103")]) })
    #expect(consumer.interim.count == 10 && consumer.resets == [.protocolError] && side.closes.isEmpty)

    (side, _, consumer) = try engine()
    side.feed([.headers(1, [(":status", "200")] + (0..<101).map { ("a\($0)", "b") })])
    #expect(consumer.status == nil && consumer.resets == [.protocolError])

    (side, _, consumer) = try engine()
    for _ in 0..<200 { side.feed([.goaway(last: 1)]) }
    #expect(side.closes == [.attack("glitches")] && consumer.resets == [.enhanceYourCalm])

    (side, _, consumer) = try engine()
    side.feed([.headers(1, [(":status", "200")])])
    for _ in 0..<60 { side.feed((0..<1_000).map { _ in .data(1, [7]) }) }
    #expect(consumer.body.count == 60_000 && side.closes.isEmpty)
  }
}

/// The frames that a session sent while it was attacked.
private final class FrameLog {
  var frames: [Frame] = []
}
