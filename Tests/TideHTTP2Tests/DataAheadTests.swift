import Testing
import TideCore

@testable import TideHTTP2

/// What consumers hear of body parts before they come.
@Suite struct DataAheadTests {
  /// Remembers whether its body parts were seen coming.
  private final class Watcher: StreamConsumer {
    var seen: [BodyDistance: Int] = [:]
    var unseen = 0
    var parts = 0
    var onBody: (() -> Void)?

    override func bodyIsNear(_ distance: BodyDistance) {
      seen[distance, default: 0] += 1
      if seen[.next, default: 0] > seen[.soon, default: 0] { unseen += 1 }
    }
    override func streamBody(_ stream: HTTPStream, _ bytes: UnsafeRawBufferPointer) {
      parts += 1
      if seen[.next, default: 0] < parts { unseen += 1 }
      onBody?()
    }
  }

  /// A client with `count` streams whose answers have begun.
  private func client(_ count: Int) throws -> (side: Side, streams: [HTTPStream], watchers: [Watcher]) {
    let side = Side(.client)
    side.feed([Frame.settings([(3, 1_000)])])
    let watchers = (0..<count).map { _ in Watcher() }
    let head = RequestHead(method: "GET", authority: "engine.test", path: "/v1", headers: HeaderList())
    let streams = try watchers.map {
      try #require(side.session.open(head, endStream: true, consumer: $0, now: side.now))
    }
    _ = side.output()
    side.feed(streams.map { Frame.headers(Int($0.id), [(":status", "200")]) })
    return (side, streams, watchers)
  }

  @Test("Each body part is seen coming, once at each distance, whatever stands between", arguments: [1, 2, 3, 40])
  func announced(count: Int) throws {
    let (side, streams, watchers) = try client(count)
    // An empty part is told to nobody.
    var frames = [Frame.data(Int(streams[0].id))]
    for round in 0..<5 {
      for stream in streams { frames.append(.data(Int(stream.id), [UInt8](repeating: 1, count: 400 + round))) }
      frames += [Frame.ping(), Frame.windowUpdate(0, 10)]
    }
    side.feed(frames)
    for watcher in watchers {
      #expect(watcher.parts == 5 && watcher.unseen == 0)
      #expect(watcher.seen == [.soon: 5, .next: 5])
    }
    #expect(side.closes.isEmpty)
  }

  @Test("A short read is not looked at, and the next one is all the same, wherever the bytes were cut")
  func shortRead() throws {
    let frames = [UInt8](repeating: 1, count: 300)
    for cut in stride(from: 1, to: 700, by: 13) {
      let (side, streams, watchers) = try client(6)
      let bytes = streams.flatMap { Frame.data(Int($0.id), frames).bytes }
      side.feed(Array(bytes[..<cut]))
      #expect(watchers.allSatisfy { $0.seen.isEmpty })
      side.feed(Array(bytes[cut...]))
      // Frames whose header was complete before were begun before.
      let first = (cut + 300) / 309
      #expect(watchers[first...].allSatisfy { $0.seen == [.soon: 1, .next: 1] && $0.unseen == 0 }, "cut at \(cut)")
    }
  }

  @Test("Frames of streams that are closed do not spoil the view of those behind them", arguments: [1, 12, 40])
  func ignored(count: Int) throws {
    let (side, streams, watchers) = try client(60)
    for stream in streams[..<count] { stream.reset(.cancelled) }
    _ = side.output()
    side.feed(streams.map { Frame.data(Int($0.id), [UInt8](repeating: 1, count: 50)) })
    for watcher in watchers[count...] { #expect(watcher.seen == [.soon: 1, .next: 1] && watcher.unseen == 0) }
  }

  private final class Weak<Object: AnyObject> {
    weak var object: Object?
    init(_ object: Object) { self.object = object }
  }

  /// A client of `count` streams that nobody holds but the session, nor their consumers.
  private func looseClient(_ count: Int) throws -> (side: Side, ids: [Int], streams: [Weak<HTTPStream>]) {
    let (side, streams, _) = try client(count)
    return (side, streams.map { Int($0.id) }, streams.map(Weak.init))
  }

  @Test("A stream that is reset while it is seen coming is let go, and its frames do no harm")
  func gone() throws {
    for victim in 1..<30 {
      let (side, ids, streams) = try looseClient(30)
      var frames = ids.map { Frame.data($0, [UInt8](repeating: 1, count: 60)) }
      frames.insert(Frame.reset(ids[victim]), at: victim)
      frames.insert(Frame.reset(ids[0]), at: 0)
      side.feed(frames + ids.map { Frame.data($0, [4]) })
      for place in streams.indices { #expect((streams[place].object == nil) == (place == 0 || place == victim)) }
      #expect(side.closes.isEmpty)
    }
  }

  @Test("Consumers that reset other streams, and leave them, while those are seen coming")
  func crossed() throws {
    let (side, streams, watchers) = try client(30)
    watchers[1].onBody = {
      streams[2].reset(.cancelled)
      streams[3].consumer = nil
      streams[4].reset(.cancelled)
    }
    side.feed(streams.map { Frame.data(Int($0.id), [UInt8](repeating: 1, count: 60)) })
    #expect(watchers[2...4].allSatisfy { $0.parts == 0 })
    #expect(watchers[5...].allSatisfy { $0.parts == 1 && $0.unseen == 0 })
    #expect(side.closes.isEmpty)
  }

  @Test("The connection may end under it, and everything is let go")
  func terminated() throws {
    let (side, ids, streams) = try looseClient(20)
    let watcher = try #require(streams[3].object?.consumer as? Watcher)
    watcher.onBody = { [unowned side] in side.session.terminate() }
    side.feed(ids.map { Frame.data($0, [UInt8](repeating: 1, count: 60)) })
    #expect(watcher.parts == 1 && streams.allSatisfy { $0.object == nil })
  }
}
