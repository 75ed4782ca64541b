import Testing
import TideCore

@testable import TideHTTP2

/// Flow control on both sides, and DATA, neither of which nghttp2 sees.
@Suite struct WindowTests {
  /// A peer that counts what it gives and what it gets, by the rules of RFC 9113 section 6.9 alone.
  private struct Ledger {
    var connection = 65_535
    var initial: Int
    var windows: [Int: Int] = [:]
    var bodies: [Int: [UInt8]] = [:]
    var ended: Set<Int> = []
    var trailers: Set<Int> = []

    mutating func changeInitial(to size: Int) {
      for id in windows.keys { windows[id, default: 0] += size - initial }
      initial = size
    }

    mutating func take(_ frames: [Frame]) {
      for frame in frames {
        #expect(!ended.contains(frame.stream), "a frame after the end of \(frame.stream)")
        if frame.type == 0 {
          connection -= frame.payload.count
          windows[frame.stream, default: 0] -= frame.payload.count
          #expect(frame.payload.count <= 16_384)
          if !frame.payload.isEmpty { #expect(connection >= 0 && windows[frame.stream, default: 0] >= 0) }
          bodies[frame.stream, default: []] += frame.payload
        }
        if frame.type == 0 || frame.type == 1, frame.flags & 1 == 1 {
          ended.insert(frame.stream)
          if frame.type == 1 { trailers.insert(frame.stream) }
        }
      }
    }
  }

  @Test("Whatever windows the peer gives, they are kept, used, and no byte is lost", arguments: 0..<40)
  func random(seed: UInt64) throws {
    var numbers = SeededNumbers(seed: seed)
    let initial = numbers.pick([0, 0, 1, 100, 5_000, 65_535, 1 << 20])
    let side = Side.greetedServer(settings: [(4, UInt32(initial))])
    let count = 1 + numbers.below(12)
    var ledger = Ledger(initial: initial)
    side.feed((0..<count).map { Frame.get(2 * $0 + 1) })
    for place in 0..<count { ledger.windows[2 * place + 1] = initial }
    let streams = side.requests.map(\.stream)
    try #require(streams.count == count)
    var bodies: [Int: [UInt8]] = [:]
    let buffer = numbers.pick([1_024, 4_096, 65_536])
    for round in 0..<60 {
      for stream in streams where stream.outputEnd == .open {
        if !stream.isHeadSent, numbers.chance(60) { stream.send(ResponseHead(status: 200), endStream: false) }
        if numbers.chance(60) {
          let part = [UInt8](repeating: UInt8(numbers.below(256)), count: numbers.pick([1, 30, 900, 20_000]))
          bodies[Int(stream.id), default: []] += part
          stream.output.append(part)
          stream.outputChanged()
        }
        if stream.isHeadSent, numbers.chance(5) {
          stream.end(trailers: numbers.chance(50) ? HeaderList([("x-sum", "1")]) : nil)
        }
      }
      if numbers.chance(70) { ledger.take(Frame.parse(side.output(bufferByteCount: buffer))) }
      if numbers.chance(50) {
        let grant = numbers.pick([1, 500, 40_000])
        ledger.connection += grant
        side.feed([.windowUpdate(0, UInt32(grant))])
      }
      if numbers.chance(50), let id = ledger.windows.keys.sorted().randomElement(using: &numbers) {
        let grant = numbers.pick([1, 500, 40_000])
        ledger.windows[id, default: 0] += grant
        side.feed([.windowUpdate(id, UInt32(grant))])
      }
      if round % 6 == 5, numbers.chance(50) {
        let size = numbers.pick([0, 10, 3_000, 65_535])
        ledger.changeInitial(to: size)
        side.feed([.settings([(4, UInt32(size))])])
      }
      // Less than the stall rule waits, all rounds together.
      side.advance(ms: 400)
    }
    for stream in streams where stream.outputEnd == .open {
      if !stream.isHeadSent { stream.send(ResponseHead(status: 200), endStream: false) }
      stream.end()
    }
    // What is over may be given windows still, which changes nothing.
    side.feed([.windowUpdate(0, 1 << 28)] + ledger.windows.keys.sorted().map { .windowUpdate($0, 1 << 28) })
    ledger.connection += 1 << 28
    for id in ledger.windows.keys { ledger.windows[id, default: 0] += 1 << 28 }
    ledger.take(Frame.parse(side.output(bufferByteCount: buffer)))
    #expect(side.closes.isEmpty && side.session.counters.stalls == 0)
    #expect(ledger.ended.count == count)
    for stream in streams { #expect(ledger.bodies[Int(stream.id), default: []] == bodies[Int(stream.id), default: []]) }
    #expect(side.requests.allSatisfy { $0.consumer.closedCount == 1 && $0.consumer.resets.isEmpty })
  }

  @Test("Windows of nothing hold back bytes and not an end without bytes, wherever the peer's next frame is cut")
  func noWindow() throws {
    let open = Frame.get(3).bytes
    for cut in 0..<open.count {
      let side = Side.greetedServer(settings: [(4, 0)])
      side.feed([.get(1)])
      let empty = try #require(side.requests.first).stream
      side.feed(Array(open[..<cut]))
      empty.send(ResponseHead(status: 200), endStream: false)
      _ = side.output()
      empty.end()
      var frames = side.frames()
      // nghttp2 can be told of room between frames alone.
      #expect(frames.isEmpty == (cut >= 9))
      side.feed(Array(open[cut...]))
      frames += side.frames()
      #expect(frames == [.data(1, end: true)], "cut at \(cut)")
      let full = try #require(side.requests.last).stream
      full.send(ResponseHead(status: 200), endStream: false)
      full.output.append("abc")
      full.end()
      #expect(side.frames().map(\.type) == [1])
      side.feed([.windowUpdate(3, 2)])
      #expect(side.frames() == [.data(3, Array("ab".utf8))])
      side.feed([.windowUpdate(3, 2)])
      #expect(side.frames() == [.data(3, Array("c".utf8), end: true)])
      #expect(side.closes.isEmpty && side.session.counters.glitches == 0)
    }
  }

  @Test("A window that SETTINGS made negative must be filled first")
  func negative() throws {
    let side = Side.greetedServer(settings: [(4, 100)])
    side.feed([.get(1)])
    let stream = try #require(side.requests.first).stream
    stream.send(ResponseHead(status: 200), endStream: false)
    stream.output.append([UInt8](repeating: 1, count: 300))
    stream.end()
    #expect(side.frames().filter { $0.type == 0 }.map(\.payload.count) == [100])
    side.feed([.settings([(4, 20)])])
    side.feed([.windowUpdate(1, 80)])
    #expect(side.frames().filter { $0.type == 0 }.isEmpty)
    side.feed([.windowUpdate(1, 50)])
    #expect(side.frames().map(\.payload.count) == [50])
    side.feed([.settings([(4, 1_000)])])
    let last = side.frames().filter { $0.type == 0 }
    #expect(last.map(\.payload.count) == [150] && last.map(\.flags) == [1])
  }

  @Test("Windows that grow beyond 2^31-1: the stream's ends the stream, the connection's and SETTINGS the connection")
  func overflow() throws {
    func side() throws -> (Side, HTTPStream, Recorder) {
      let side = Side.greetedServer()
      side.feed([.get(1), .get(3)])
      for request in side.requests { request.stream.send(ResponseHead(status: 200), endStream: false) }
      _ = side.output()
      let request = try #require(side.requests.first)
      return (side, request.stream, request.consumer)
    }
    var (one, stream, consumer) = try side()
    one.feed([.windowUpdate(1, 0x7fff_0000)])
    #expect(consumer.resets.isEmpty)
    one.feed([.windowUpdate(1, 0x10000)])
    #expect(consumer.resets == [.protocolError] && one.closes.isEmpty && one.requests[1].consumer.endCount == 0)
    #expect(one.frames() == [.reset(1, code: 3)] && stream.carrier == nil)

    (one, _, _) = try side()
    one.feed([.windowUpdate(0, 0x7fff_0000)])
    #expect(one.closes.isEmpty)
    one.feed([.windowUpdate(0, 0x10000)])
    #expect(one.closes == [.protocolError] && one.frames().map { $0.payload.last } == [3])

    (one, _, _) = try side()
    one.feed([.windowUpdate(1, 0x7fff_0000), .settings([(4, 0x10000)])])
    #expect(one.closes == [.protocolError] && one.frames().last?.payload.last == 3)
  }

  @Test("WINDOW_UPDATE of nothing, on streams that never were, and before SETTINGS, is refused", arguments: 0..<4)
  func refused(variant: Int) {
    let side = Side(.server)
    side.feed(Frame.preface)
    if variant < 3 { side.feed([.settings(), .settings(ack: true), .get(1)]) }
    switch variant {
    case 0: side.feed([.windowUpdate(0, 0)])
    case 1: side.feed([.windowUpdate(1, 0)])
    case 2: side.feed([.windowUpdate(5, 1)])
    default: side.feed([.windowUpdate(0, 1)])
    }
    let frames = side.frames()
    #expect(frames.contains { $0.type == 7 || $0.type == 3 })
    #expect(side.closes == [.protocolError])
  }

  // MARK: What a client reads

  /// A client with `count` streams whose answers have begun with `head`.
  private func client(
    _ count: Int, method: String = "POST", head: [(String, String)] = [(":status", "200")],
    adjust: (inout HTTP2Settings) -> Void = { _ in }
  ) throws -> (Side, [HTTPStream], [Recorder]) {
    let side = Side(.client, adjust: adjust)
    side.feed([.settings(), .settings(ack: true)])
    let consumers = (0..<count).map { _ in Recorder() }
    let request = RequestHead(method: method, authority: "engine.test", path: "/")
    let streams = try consumers.map {
      try #require(side.session.open(request, endStream: true, consumer: $0, now: side.now))
    }
    _ = side.output()
    side.feed(streams.map { .headers(Int($0.id), head) })
    return (side, streams, consumers)
  }

  @Test(
    "A body of megabytes comes through, in pieces of any size, and its room is given back",
    arguments: [1, 9, 4_000, .max])
  func download(piece: Int) throws {
    let (side, streams, consumers) = try client(2)
    let part = [UInt8](repeating: 5, count: piece == 1 ? 700 : 16_384)
    let rounds = piece == 1 ? 400 : 1_500
    var room = [0: 16 << 20, 1: 65_535, 3: 65_535]
    for round in 0..<rounds {
      let id = round % 2 * 2 + 1
      let bytes = Frame.data(id, part).bytes
      room[0, default: 0] -= part.count
      room[id, default: 0] -= part.count
      // The peer never has to wait for room.
      try #require(room[0, default: 0] >= 0 && room[id, default: 0] >= 0)
      for start in stride(from: 0, to: bytes.count, by: piece) {
        side.feed(
          Array(bytes[start..<min(bytes.count, start.addingReportingOverflow(piece).overflow ? .max : start + piece)]))
      }
      for frame in side.frames() {
        #expect(frame.type == 8)
        room[frame.stream, default: 0] += frame.payload.reduce(0) { $0 << 8 | Int($1) }
      }
    }
    for (stream, consumer) in zip(streams, consumers) {
      #expect(consumer.body.count == rounds / 2 * part.count && consumer.resets.isEmpty)
      side.feed([.data(Int(stream.id), [6], end: true)])
      #expect(consumer.hasEnded && consumer.body.last == 6 && consumer.closedCount == 1)
    }
    // Nobody is given more than they had.
    #expect(room[0, default: 0] <= 16 << 20 && room[1, default: 0] <= 65_535 && room[3, default: 0] <= 65_535)
    #expect(side.closes.isEmpty && side.session.isIdle)
  }

  @Test("A consumer that returns no credit gets one window and no more; what it returns later is announced")
  func heldBack() throws {
    let (side, streams, consumers) = try client(1)
    consumers[0].returnsCredit = false
    for _ in 0..<5 { side.feed([.data(1, [UInt8](repeating: 1, count: 13_107))]) }
    #expect(consumers[0].body.count == 65_535 && side.closes.isEmpty)
    #expect(side.frames().filter { $0.stream == 1 }.isEmpty)
    streams[0].returnCredit(10_000)
    #expect(side.frames().isEmpty)
    streams[0].returnCredit(50_000)
    #expect(side.frames() == [.windowUpdate(1, 60_000)])
    side.feed([.data(1, [UInt8](repeating: 1, count: 16_000))])
    #expect(consumers[0].body.count == 81_535)
  }

  @Test("A peer that sends more than its windows allow is cut off", arguments: [false, true])
  func overrun(ofConnection: Bool) throws {
    let (side, _, consumers) = try client(5) { $0.connectionWindowSize = ofConnection ? 100_000 : 16 << 20 }
    for consumer in consumers { consumer.returnsCredit = false }
    let part = [UInt8](repeating: 1, count: 16_000)
    // Before any room that is given back can have been heard of.
    for round in 0..<8 { side.feed([.data(ofConnection ? round % 5 * 2 + 1 : 1, part)]) }
    #expect(side.closes == [.protocolError] && side.frames().last?.payload.last == 3)
    #expect(consumers.map(\.body.count).reduce(0, +) <= (ofConnection ? 100_000 : 65_535))
    #expect(consumers.allSatisfy { $0.resets == [.protocolError] })
  }

  @Test("No room is announced on a stream that is over, or given up", arguments: [false, true])
  func noRoomAfterTheEnd(isReset: Bool) throws {
    let (side, streams, consumers) = try client(2)
    consumers[0].returnsCredit = false
    for _ in 0..<3 { side.feed([.data(1, [UInt8](repeating: 1, count: 16_000))]) }
    _ = side.output()
    if isReset {
      streams[0].returnCredit(40_000)
      streams[0].reset(.cancelled)
    } else {
      side.feed([.data(1, [2], end: true)])
      streams[0].returnCredit(48_001)
    }
    #expect(!side.frames().contains { $0.type == 8 && $0.stream == 1 })
    side.feed([.data(1, [3]), .data(3, [4])])
    #expect(consumers[1].body == [4] && side.closes.isEmpty)
    #expect(consumers[0].body.count == (isReset ? 48_000 : 48_001))
  }

  @Test("No room is announced for an answer that has ended, though its request has not")
  func noRoomForAnEndedAnswer() throws {
    let side = Side(.client)
    side.feed([.settings(), .settings(ack: true)])
    let consumer = Recorder()
    consumer.returnsCredit = false
    let head = RequestHead(method: "POST", authority: "engine.test", path: "/")
    let stream = try #require(side.session.open(head, endStream: false, consumer: consumer, now: side.now))
    _ = side.output()
    let part = [UInt8](repeating: 1, count: 16_000)
    side.feed([.headers(1, [(":status", "200")]), .data(1, part), .data(1, part), .data(1, part)])
    side.feed([.data(1, [2], end: true)])
    stream.returnCredit(48_000)
    #expect(consumer.hasEnded && stream.carrier != nil && side.frames().isEmpty)
  }

  @Test("Bodies that the head forbids, or gives another length, are nghttp2's to refuse", arguments: 0..<4)
  func forbidden(variant: Int) throws {
    let head: [(String, String)] =
      switch variant {
      case 0: [(":status", "200"), ("content-length", "3")]
      case 1: [(":status", "204")]
      case 2: [(":status", "304")]
      default: [(":status", "200")]
      }
    let (side, _, consumers) = try client(2, method: variant == 3 ? "HEAD" : "GET", head: head)
    side.feed([.data(1, Array("four".utf8)), .data(1, Array("more".utf8))])
    _ = side.output()
    #expect(consumers[0].resets.count == 1 && consumers[1].endCount == 0 && side.closes.isEmpty)
  }

  @Test("A request that waits for its turn keeps its body, and what it sends waits with it", arguments: 0..<6)
  func waitingRequest(variant: Int) throws {
    let side = Side(.client)
    let consumers = [Recorder(), Recorder()]
    let head = RequestHead(method: "POST", authority: "engine.test", path: "/")
    let streams = try consumers.map {
      try #require(side.session.open(head, endStream: false, consumer: $0, now: side.now))
    }
    let hasWindow = variant < 4
    side.feed([.settings([(3, 1), (4, hasWindow ? 65_535 : 0)]), .settings(ack: true)])
    let body = [UInt8](repeating: 7, count: [4, 40_000, 4, 40_000, 0, 0][variant])
    for stream in streams {
      stream.output.append(body)
      stream.outputChanged()
      if variant != 2 { stream.end(trailers: variant % 2 == 1 ? HeaderList([("x-sum", "1")]) : nil) }
    }
    func check(_ frames: [Frame], _ id: Int) {
      #expect(frames.allSatisfy { $0.stream == id || $0.type == 4 || $0.type == 8 }, "before its turn")
      #expect(frames.first { $0.stream == id }?.type == 1)
      #expect(frames.filter { $0.type == 0 }.flatMap(\.payload) == body)
      #expect(frames.filter { $0.flags & 1 == 1 && $0.type < 2 }.count == (variant == 2 ? 0 : 1))
    }
    check(Frame.parse(Array(side.output().dropFirst(Frame.preface.count))), 1)
    #expect(side.output().isEmpty)
    if variant == 2 { streams[0].end() }
    _ = side.output()
    side.feed([.headers(1, [(":status", "204")], end: true), .windowUpdate(0, 100_000)])
    check(side.frames(), 3)
    #expect(side.closes.isEmpty && consumers[0].closedCount == 1)
  }

  @Test(
    "Credit that is due while a head is cut by the buffer's end waits for the rest of it",
    arguments: [1_024, 1_100, 2_000, 20_000])
  func creditBesideHeads(size: Int) throws {
    let (side, _, consumers) = try client(1)
    let head = RequestHead(
      method: "POST", authority: "engine.test", path: "/",
      headers: HeaderList([("authorization", String(repeating: "secret", count: 4_000))]))
    for _ in 0..<3 { _ = try #require(side.session.open(head, endStream: true, consumer: Recorder(), now: side.now)) }
    var bytes: [UInt8] = []
    while true {
      side.feed([.data(1, [UInt8](repeating: 1, count: 9_000))])
      let part = side.outputOnce(bufferByteCount: size)
      bytes += part
      if side.session.isDrained { break }
    }
    bytes += side.output()
    let frames = Frame.parse(bytes)
    #expect(frames.reduce(0) { $0 + $1.bytes.count } == bytes.count)
    for (frame, next) in zip(frames, frames.dropFirst()) where frame.type == 1 || frame.type == 9 {
      #expect((frame.flags & 4 == 0) == (next.type == 9), "a block that is interrupted")
    }
    #expect(frames.filter { $0.type == 1 }.map(\.stream) == [3, 5, 7])
    #expect(frames.contains { $0.type == 8 && $0.stream == 1 } && consumers[0].body.count >= 18_000)
  }

  @Test("Ends leave though windows are of nothing and the peer's reads always end inside a frame, or a header block")
  func noWindowInsideFrames() throws {
    let side = Side.greetedServer(settings: [(4, 0)]) { $0.initialWindowSize = 1 << 20 }
    side.feed([.get(1), .get(3), .headers(5, Frame.request("POST")), .get(7)])
    for request in side.requests { request.stream.send(ResponseHead(status: 200), endStream: false) }
    side.requests[1].stream.output.append("text")
    side.requests[1].stream.outputChanged()
    _ = side.output()
    let upload = Frame.data(5, [UInt8](repeating: 1, count: 1_000)).bytes
    side.feed(Array(upload[..<500]))
    side.requests[0].stream.end()
    #expect(side.frames().isEmpty)
    side.feed(Array(upload[500...] + upload[..<500]))
    #expect(side.frames() == [.data(1, end: true)])
    // Those that have room do not wait with one that has none.
    side.feed(Array(upload[500...] + Frame.windowUpdate(3, 10).bytes + upload[..<500]))
    side.requests[3].stream.end()
    #expect(side.frames() == [.data(3, Array("text".utf8))])
    side.feed(Array(upload[500...] + upload[..<500]))
    #expect(side.frames() == [.data(7, end: true)])

    side.feed(
      Array(upload[500...]) + Frame.headers(9, Frame.hpack(Frame.request("GET")), end: true, endHeaders: false).bytes)
    side.requests[1].stream.end()
    #expect(side.frames().isEmpty)
    side.feed([.continuation(9, Frame.hpack([("a", "b")]), endHeaders: true)])
    #expect(side.frames() == [.data(3, end: true)])
    #expect(side.requests.count == 5 && side.closes.isEmpty)
  }

  @Test("A connection whose window is used up still lets ends without bytes pass, and trailers")
  func endsBesideAFullWindow() throws {
    let side = Side.greetedServer(settings: [(4, 1 << 20)])
    side.feed((0..<4).map { .get(2 * $0 + 1) })
    for request in side.requests { request.stream.send(ResponseHead(status: 200), endStream: false) }
    side.requests[0].stream.output.append([UInt8](repeating: 1, count: 65_536))
    side.requests[0].stream.outputChanged()
    _ = side.output()
    side.requests[1].stream.end(trailers: HeaderList([("x-sum", "1")]))
    side.requests[3].stream.output.append("d")
    side.requests[3].stream.outputChanged()
    side.requests[2].stream.end()
    let frames = side.frames()
    #expect(frames.map(\.stream) == [3, 5] && frames.allSatisfy { $0.flags & 1 == 1 })
    side.feed([.windowUpdate(0, 2)])
    #expect(side.frames() == [.data(1, [1]), .data(7, Array("d".utf8))])
  }

  @Test("A header block that nobody hears the end of does not close the connection later")
  func silentBlock() throws {
    let (side, streams, consumers) = try client(2)
    side.feed([.headers(1, Frame.hpack([("x", "y")]), end: true, endHeaders: false)])
    streams[0].reset(.cancelled)
    _ = side.output()
    side.feed([.continuation(1, Frame.hpack([("a", "b")]), endHeaders: true)])
    for _ in 0..<4 {
      side.advance(ms: 4_000)
      side.feed([.data(3, [1])])
    }
    #expect(side.closes.isEmpty && consumers[1].body.count == 4)
  }

  @Test("A window below the one that every connection begins with is no licence for the peer")
  func smallWindow() throws {
    let (side, _, consumers) = try client(1) { $0.initialWindowSize = 1_000 }
    consumers[0].returnsCredit = false
    for _ in 0..<20 where side.closes.isEmpty { side.feed([.data(1, [UInt8](repeating: 1, count: 9_000))]) }
    #expect(side.closes == [.protocolError] && consumers[0].body.count <= 65_535)
  }

  @Test("Frames between HEADERS and CONTINUATION end the connection, though they are read here", arguments: [0, 8])
  func insideABlock(type: UInt8) throws {
    let (side, _, consumers) = try client(2)
    side.feed([
      .headers(1, Frame.hpack([("x", "y")]), end: true, endHeaders: false),
      type == 0 ? .data(3, [1]) : .windowUpdate(3, 5),
    ])
    _ = side.output()
    #expect(side.closes == [.protocolError] && consumers[1].body.isEmpty)
  }
}
