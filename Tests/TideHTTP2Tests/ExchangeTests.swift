import TideCore
import Testing

@testable import TideHTTP2

/// Two sessions talking to each other over memory.
@Suite struct ExchangeTests {
  /// Answers each request with its own body, a trailer, and an interim head first.
  private func echo(_ pipe: Pipe) {
    pipe.server.onRequest = { request in
      request.stream.send(ResponseHead(status: 103), endStream: false)
      request.stream.send(
        ResponseHead(status: 200, headers: HeaderList([("x-kind", "echo"), ("connection", "close")])), endStream: false)
      request.consumer.onBody = { [unowned consumer = request.consumer] stream in
        stream.output.append(consumer.body)
        consumer.body.removeAll()
        stream.outputChanged()
      }
      request.consumer.onEnd = { $0.end(trailers: HeaderList([("x-sum", "1")])) }
    }
  }

  @Test("An exchange is the same however its bytes are cut", arguments: [1, 2, 3, 7, 9, 10, 64, 1000, Int.max])
  func splits(piece: Int) throws {
    let pipe = Pipe(pieceByteCount: piece)
    echo(pipe)
    let (stream, consumer) = try #require(
      pipe.open(headers: HeaderList([("authorization", "Bearer k"), ("te", "gzip")])))
    stream.output.append("hello ")
    pipe.run()
    stream.output.append("world")
    stream.end()
    pipe.run()
    #expect(consumer.interim == [103])
    #expect(consumer.status == 200)
    #expect(consumer.headers == HeaderList([("x-kind", "echo")]))
    #expect(consumer.body == Array("hello world".utf8))
    #expect(consumer.trailers?["x-sum"] == "1")
    #expect(consumer.closedCount == 1 && consumer.resets.isEmpty)
    #expect(consumer.takenByteCount == 11)
    let served = try #require(pipe.server.requests.first)
    #expect(served.head.authority == "engine.test")
    #expect(served.head.headers == HeaderList([("authorization", "Bearer k")]))
    #expect(served.consumer.closedCount == 1 && served.consumer.resets.isEmpty)
    #expect(stream.carrier == nil && served.stream.carrier == nil)
    #expect(pipe.client.session.isIdle && pipe.server.session.isIdle)
  }

  @Test("An exchange is the same when its bytes are cut once, at any place")
  func everySplit() throws {
    let whole =
      Frame.preface + Frame.settings().bytes + Frame.settings(ack: true).bytes
      + Frame.headers(1, Frame.request("POST", [("content-length", "5")])).bytes
      + Frame.data(1, Array("he".utf8)).bytes + Frame.data(1, Array("llo".utf8), end: true).bytes
    for cut in 0...whole.count {
      let side = Side(.server)
      side.feed(Array(whole[..<cut]))
      _ = side.output()
      side.feed(Array(whole[cut...]))
      let request = try #require(side.requests.first)
      #expect(request.consumer.body == Array("hello".utf8) && request.consumer.hasEnded && side.requests.count == 1)
      #expect(request.head.contentLength == 5 && side.closes.isEmpty)
    }
  }

  @Test("Windows: a consumer that returns no credit holds its own stream back and no other")
  func backpressure() throws {
    let pipe = Pipe()
    let (slow, _) = try #require(pipe.open())
    slow.output.append([UInt8](repeating: 1, count: 200_000))
    slow.end()
    pipe.server.onRequest = { $0.consumer.returnsCredit = false }
    pipe.run()
    let held = try #require(pipe.server.requests.first)
    #expect(held.consumer.body.count == 65_535 && held.stream.unreturnedCredit == 65_535)

    pipe.server.onRequest = nil
    for _ in 0..<4 {
      let (fast, _) = try #require(pipe.open())
      fast.output.append([UInt8](repeating: 2, count: 300_000))
      fast.end()
      pipe.run()
      #expect(pipe.server.requests.last?.consumer.body.count == 300_000)
    }

    while !held.consumer.hasEnded {
      let before = held.consumer.body.count
      held.stream.returnCredit(held.stream.unreturnedCredit)
      pipe.run()
      try #require(held.consumer.body.count > before)
    }
    #expect(held.consumer.body.count == 200_000)
  }

  @Test("Windows: 16 MiB a connection, so that many unread streams do not stop another")
  func connectionWindow() throws {
    let pipe = Pipe(server: { $0.maxConcurrentStreams = 300 })
    pipe.run()
    pipe.server.onRequest = {
      $0.stream.send(ResponseHead(status: 200), endStream: false)
      $0.stream.output.append([UInt8](repeating: 0, count: 100_000))
      $0.stream.end()
    }
    for _ in 0..<200 {
      let (_, consumer) = try #require(pipe.open("GET", end: true))
      consumer.returnsCredit = false
    }
    pipe.run()
    let (_, eager) = try #require(pipe.open("GET", end: true))
    pipe.run()
    #expect(eager.body.count == 100_000 && eager.closedCount == 1)
    #expect(pipe.client.session.openStreamCount == 200)
  }

  @Test("Tokens that wait together leave as one DATA frame, taken is told once, the end comes on the last frame")
  func coalescing() throws {
    let side = Side.greetedServer()
    side.feed([.get(1)])
    let request = try #require(side.requests.first)
    request.stream.send(ResponseHead(status: 200), endStream: false)
    for _ in 0..<10 {
      request.stream.output.append("token")
      request.stream.outputChanged()
    }
    var frames = side.frames()
    #expect(frames.map(\.type) == [1, 0])
    #expect(frames.last?.payload.count == 50 && frames.last?.flags == 0)
    #expect(request.consumer.takenCalls == 1 && request.consumer.takenByteCount == 50)
    #expect(side.output().isEmpty)
    request.stream.output.append("last")
    request.stream.end()
    frames = side.frames()
    #expect(frames == [.data(1, Array("last".utf8), end: true)])
    #expect(request.consumer.closedCount == 1)
  }

  @Test("A small buffer cuts DATA and loses nothing", arguments: [1024, 1500, 16_393, 20_000])
  func smallBuffers(size: Int) throws {
    let side = Side.greetedServer(settings: [(4, 1_000_000)])
    side.feed([.get(1), .windowUpdate(0, 1_000_000)])
    let request = try #require(side.requests.first)
    request.stream.send(ResponseHead(status: 200), endStream: false)
    let body = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    request.stream.output.append(body)
    request.stream.end()
    let data = Frame.parse(side.output(bufferByteCount: size)).filter { $0.type == 0 }
    #expect(data.flatMap(\.payload) == body)
    #expect(data.last?.flags == 1 && data.dropLast().allSatisfy { $0.flags == 0 })
  }

  @Test("Cancel: RST_STREAM reaches the other consumer, and the one who cancelled hears nothing")
  func cancel() throws {
    let pipe = Pipe()
    let (stream, consumer) = try #require(pipe.open())
    pipe.run()
    stream.reset(.cancelled)
    pipe.run()
    #expect(pipe.server.requests.first?.consumer.resets == [.peerGone])
    #expect(consumer.endCount == 0)
    #expect(pipe.client.session.isIdle && pipe.server.session.isIdle)
    #expect(pipe.client.session.counters.resetsSent == 1 && pipe.server.session.counters.resetsReceived == 1)
  }

  @Test("Resets from inside events, and a request cancelled before it left")
  func reentrancy() throws {
    let pipe = Pipe()
    pipe.server.onRequest = { request in
      request.consumer.onBody = { $0.reset(.internalError) }
    }
    let (stream, consumer) = try #require(pipe.open())
    stream.output.append("x")
    pipe.run()
    #expect(consumer.resets == [.peerCode(2)])
    let (early, _) = try #require(pipe.open())
    early.reset(.cancelled)
    pipe.run()
    #expect(pipe.client.session.isIdle && pipe.server.requests.count == 1)
  }

  @Test("The owner may terminate from inside a body event")
  func terminateInside() throws {
    let pipe = Pipe()
    pipe.server.onRequest = { [server = pipe.server] request in
      request.consumer.onBody = { _ in server.session.terminate() }
    }
    let (stream, _) = try #require(pipe.open())
    stream.output.append("x")
    pipe.run()
    #expect(pipe.server.requests.first?.consumer.resets == [.peerGone])
    #expect(pipe.server.session.openStreamCount == 0 && pipe.server.closes.isEmpty)
  }

  @Test("A response that is complete before its request: RST_STREAM(NO_ERROR), a proper end on both sides")
  func earlyResponse() throws {
    let pipe = Pipe()
    pipe.server.onRequest = {
      $0.stream.send(ResponseHead(status: 401), endStream: false)
      $0.stream.output.append("no")
      $0.stream.end()
    }
    let (stream, consumer) = try #require(pipe.open())
    stream.output.append([UInt8](repeating: 0, count: 300_000))
    pipe.run()
    #expect(consumer.status == 401 && consumer.body == Array("no".utf8) && consumer.hasEnded)
    #expect(consumer.closedCount == 1 && consumer.resets.isEmpty)
    #expect(pipe.server.requests.first?.consumer.closedCount == 1)
    #expect(pipe.server.session.counters.glitches == 0 && pipe.server.closes.isEmpty)
  }

  @Test("GOAWAY: streams above its identifier are refused, those below go on")
  func goaway() throws {
    let side = Side(.client)
    let first = Recorder()
    let second = Recorder()
    let head = RequestHead(method: "GET", authority: "a", path: "/")
    let one = try #require(side.session.open(head, endStream: true, consumer: first, now: side.now))
    let two = try #require(side.session.open(head, endStream: true, consumer: second, now: side.now))
    #expect((one.id, two.id) == (1, 3))
    _ = side.output()
    side.feed([.settings(), .settings(ack: true), .goaway(last: 1)])
    #expect(second.resets == [.refused] && first.endCount == 0)
    #expect(side.session.availableStreams == 0 && side.capacityChanges > 0)
    side.feed([.headers(1, [(":status", "204")], end: true)])
    #expect(first.status == 204 && first.closedCount == 1)
    _ = side.output()
    #expect(side.closes == [.finished])
  }

  @Test("REFUSED_STREAM can be retried; a lost connection cannot, except for requests that never left")
  func refusedAndLost() throws {
    let side = Side(.client)
    let head = RequestHead(method: "GET", authority: "a", path: "/")
    let refused = Recorder()
    let lost = Recorder()
    let unsent = Recorder()
    _ = try #require(side.session.open(head, endStream: true, consumer: refused, now: side.now))
    _ = try #require(side.session.open(head, endStream: true, consumer: lost, now: side.now))
    _ = side.output()
    side.feed([.settings(), .reset(1, code: 7)])
    _ = try #require(side.session.open(head, endStream: true, consumer: unsent, now: side.now))
    side.session.receiveEnd(clean: false, now: side.now)
    #expect(refused.resets == [.refused] && lost.resets == [.peerGone] && unsent.resets == [.refused])
    #expect(side.closes == [.truncated])
    side.session.terminate()
    #expect(lost.endCount == 1)
  }

  @Test("Capacity follows the engine's SETTINGS")
  func capacity() throws {
    let side = Side(.client)
    #expect(side.session.availableStreams == 100)
    side.feed([.settings([(3, 2)])])
    #expect(side.session.availableStreams == 2)
    let head = RequestHead(method: "GET", authority: "a", path: "/")
    for _ in 0..<2 { _ = side.session.open(head, endStream: true, consumer: Recorder(), now: side.now) }
    #expect(side.session.open(head, endStream: true, consumer: Recorder(), now: side.now) == nil)
  }

  @Test("Cancels add up: half the budget spent retires the connection")
  func retire() throws {
    let pipe = Pipe()
    for index in 0..<101 {
      #expect(pipe.client.session.shouldRetire == false, "after \(index)")
      let (stream, _) = try #require(pipe.open())
      pipe.run()
      stream.reset(.cancelled)
      pipe.run()
    }
    #expect(pipe.client.session.shouldRetire && pipe.server.closes.isEmpty)
  }

  @Test("Drain: GOAWAY 2^31-1 and PING, the last identifier after its answer, the end after the last stream")
  func drain() throws {
    let side = Side.greetedServer()
    side.feed([.get(1)])
    side.session.shutdown(now: side.now)
    var frames = side.frames()
    let ping = try #require(frames.first { $0.type == 6 })
    #expect(frames.first { $0.type == 7 }?.payload.prefix(4) == [0x7f, 0xff, 0xff, 0xff])
    side.feed([.get(3), Frame(type: 6, flags: 1, payload: ping.payload)])
    frames = side.frames()
    #expect(frames.map(\.type) == [7] && frames[0].payload.prefix(4) == [0, 0, 0, 3])
    side.feed([.get(5)])
    #expect(side.requests.count == 2 && side.closes.isEmpty)
    for request in side.requests { request.stream.send(ResponseHead(status: 204), endStream: true) }
    _ = side.output()
    #expect(side.closes == [.finished])
    #expect(side.requests.allSatisfy { $0.consumer.closedCount == 1 })
  }

  @Test("Drain: a peer that does not answer the PING gets its GOAWAY after a second; an idle client just says goodbye")
  func drainWithoutAnswer() {
    let side = Side.greetedServer()
    side.session.shutdown(now: side.now)
    _ = side.output()
    side.advance(ms: 1_000)
    #expect(side.frames().map(\.type) == [7])
    #expect(side.closes == [.finished])
    let client = Side(.client)
    client.session.shutdown(now: client.now)
    _ = client.output()
    #expect(client.closes == [.finished])
  }
}

/// Who is served when a connection takes less than there is to send.
@Suite struct FairnessTests {
  @Test("On a connection that is always full, no stream waits for ever")
  func youngestIsServed() throws {
    let side = Side.greetedServer(settings: [(4, 1 << 24)])
    side.feed((0..<40).map { Frame.get(2 * $0 + 1) })
    side.feed([Frame.windowUpdate(0, 1 << 24)])
    let streams = side.requests.map(\.stream)
    #expect(streams.count == 40)
    for stream in streams { stream.send(ResponseHead(status: 200), endStream: false) }
    _ = side.output()
    var buffer = [UInt8](repeating: 0, count: 4_096)
    for _ in 0..<200 {
      // Each has a token more in every turn; the connection takes a tenth of that.
      for stream in streams {
        stream.output.append([UInt8](repeating: 7, count: 1_000))
        stream.outputChanged()
      }
      _ = buffer.withUnsafeMutableBytes { side.session.produce(into: $0, now: side.now) }
    }
    let taken = streams.map { Int($0.takenByteCount) }
    #expect(taken.allSatisfy { $0 > 0 }, "bytes of each stream: \(taken)")
  }

  @Test("Streams leave in the order in which they got something to send")
  func order() throws {
    let side = Side.greetedServer()
    side.feed((0..<64).map { Frame.get(2 * $0 + 1) })
    let streams = side.requests.map(\.stream)
    for stream in streams { stream.send(ResponseHead(status: 200), endStream: false) }
    _ = side.output()
    for stream in streams.reversed() {
      stream.output.append("token")
      stream.outputChanged()
    }
    let order = side.frames().filter { $0.type == 0 }.map(\.stream)
    #expect(order.count == 64)
    // Within a batch the order is nghttp2's.
    for (place, stream) in order.enumerated() { #expect(abs((127 - stream) / 2 - place) < 16) }
  }

  @Test("A stream that is reset while it waits for its turn is passed over")
  func resetWhileWaiting() throws {
    let side = Side.greetedServer()
    side.feed((0..<8).map { Frame.get(2 * $0 + 1) })
    let streams = side.requests.map(\.stream)
    for stream in streams { stream.send(ResponseHead(status: 200), endStream: false) }
    _ = side.output()
    for stream in streams {
      stream.output.append("token")
      stream.outputChanged()
    }
    side.feed([Frame.reset(3)])
    streams[2].reset(.cancelled)
    streams[7].end()
    let frames = side.frames()
    #expect(Set(frames.filter { $0.type == 0 }.map(\.stream)) == [1, 7, 9, 11, 13, 15])
    #expect(frames.contains { $0.type == 3 && $0.stream == 5 })
    #expect(side.closes.isEmpty && streams[1].carrier == nil)
  }

  @Test("One that is closed while it waits is let go, and nobody looks for it")
  func closedWhileWaiting() throws {
    let side = Side.greetedServer()
    side.feed((0..<3).map { Frame.get(2 * $0 + 1) })
    for request in side.requests { request.stream.send(ResponseHead(status: 200), endStream: false) }
    _ = side.output()
    for request in side.requests {
      request.stream.output.append("token")
      request.stream.outputChanged()
    }
    weak let gone = side.requests.first { $0.stream.id == 3 }?.stream
    #expect(gone != nil)
    side.requests.removeAll()
    side.feed([Frame.reset(3)])
    #expect(gone == nil && side.session.sendQueue.count == 2)
    #expect(Set(side.frames().filter { $0.type == 0 }.map(\.stream)) == [1, 5])
  }

  @Test("A consumer may end the connection when it hears that its bytes were taken")
  func terminateWhenTaken() throws {
    let side = Side.greetedServer()
    side.feed((0..<4).map { Frame.get(2 * $0 + 1) })
    for request in side.requests {
      request.stream.send(ResponseHead(status: 200), endStream: false)
      request.stream.output.append("token")
      request.stream.outputChanged()
    }
    weak let other = side.requests[0].stream
    var isHeld: [Bool] = []
    for request in side.requests {
      request.consumer.onTaken = { [unowned side] in
        side.session.terminate()
        isHeld.append(other != nil)
      }
    }
    side.requests.removeAll()
    var buffer = [UInt8](repeating: 0, count: 4_096)
    _ = buffer.withUnsafeMutableBytes { side.session.produce(into: $0, now: side.now) }
    // Those that are yet to be looked at are there until it is over.
    #expect(isHeld == [true] && other == nil)
    #expect(side.output().isEmpty)
  }
}
