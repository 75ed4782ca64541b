import Testing
import TideCore

@testable import TideHTTP2

/// Peers that send anything in any order, and consumers that do anything at any time: whatever comes of it, nothing is lost, doubled, or
/// written out of place.
@Suite struct HostileFrameTests {
  /// One side of a connection whose peer and whose consumers are driven by chance.
  private final class Game {
    let side: Side
    let role: HTTP2Role
    var numbers: SeededNumbers
    var streams: [HTTPStream] = []
    var consumers: [Recorder] = []
    var written: [UInt8] = []

    init(_ role: HTTP2Role, seed: UInt64) {
      self.role = role
      numbers = SeededNumbers(seed: seed)
      let stream = numbers.pick([65_535, 100_000, 1 << 20])
      let connection = numbers.pick([65_535, 100_000, 1 << 20])
      side = Side(role) {
        $0.initialWindowSize = stream
        $0.connectionWindowSize = connection
      }
      side.onRequest = { [unowned self] in adopt($0.stream, $0.consumer) }
    }

    func adopt(_ stream: HTTPStream, _ consumer: Recorder) {
      streams.append(stream)
      consumers.append(consumer)
      consumer.returnsCredit = numbers.chance(70)
      consumer.onBody = { [unowned self] _ in if numbers.chance(20) { act() } }
      consumer.onEnd = { [unowned self] _ in if numbers.chance(20) { act() } }
      consumer.onTaken = { [unowned self] in if numbers.chance(10) { act() } }
    }

    /// What a consumer, or the owner, does.
    func act() {
      switch numbers.below(20) {
      case 0 where numbers.chance(3): side.session.terminate()
      case 1 where numbers.chance(10): side.session.shutdown(now: side.now)
      case 2 where role == .client, 3 where role == .client, 4 where role == .client:
        let consumer = Recorder()
        let head = RequestHead(method: numbers.pick(["GET", "POST", "HEAD"]), authority: "a.test", path: "/")
        if let stream = side.session.open(head, endStream: numbers.chance(40), consumer: consumer, now: side.now) {
          adopt(stream, consumer)
        }
      default:
        guard let stream = streams.randomElement(using: &numbers) else { return }
        switch numbers.below(12) {
        case 0: stream.reset(.cancelled)
        case 1: stream.end(trailers: numbers.chance(30) ? HeaderList([("x-sum", "1")]) : nil)
        case 2, 3: stream.returnCredit(min(stream.unreturnedCredit, numbers.pick([1, 1_000, 70_000])))
        case 4 where role == .server, 5 where role == .server, 6 where role == .server:
          stream.send(ResponseHead(status: numbers.pick([103, 200, 200, 204])), endStream: numbers.chance(10))
        default:
          guard stream.outputEnd == .open, stream.output.byteCount < 100_000 else { return }
          stream.output.append([UInt8](repeating: 3, count: numbers.pick([1, 200, 5_000, 30_000])))
          stream.outputChanged()
        }
      }
    }

    // MARK: The peer

    /// A stream as the peer sees it.
    private struct PeerStream {
      var hasHead: Bool
      var hasEnded = false
      var room: Int
    }

    private var peer: [Int: PeerStream] = [:]
    private var peerRoom = 65_535
    private var nextPeerID = 1
    private var settingsCount = 0
    private var unread: [UInt8] = []

    /// The peer reads what was written.
    private func read(_ bytes: [UInt8]) {
      written += bytes
      unread += bytes
      if role == .client, !hasReadPreface, unread.count >= Frame.preface.count {
        unread.removeFirst(Frame.preface.count)
        hasReadPreface = true
      }
      let frames = Frame.parse(unread)
      unread.removeFirst(frames.reduce(0) { $0 + $1.bytes.count })
      for frame in frames {
        switch frame.type {
        case 1 where role == .client && peer[frame.stream] == nil:
          peer[frame.stream] = PeerStream(hasHead: false, room: side.session.settings.initialWindowSize)
        case 3: peer[frame.stream] = nil
        case 8:
          let room = frame.payload.reduce(0) { $0 << 8 | Int($1) }
          if frame.stream == 0 { peerRoom += room } else { peer[frame.stream]?.room += room }
        default: break
        }
      }
    }

    private var hasReadPreface = false

    /// What a lawful peer may send next.
    private func lawful() -> [Frame] {
      let ids = peer.keys.sorted()
      let id = ids.randomElement(using: &numbers)
      switch numbers.below(20) {
      case 0..<4 where role == .server:
        defer { nextPeerID += 2 }
        let hasEnded = numbers.chance(30)
        peer[nextPeerID] = PeerStream(
          hasHead: true, hasEnded: hasEnded, room: side.session.settings.initialWindowSize)
        return split(.headers(nextPeerID, Frame.request(numbers.pick(["GET", "POST"])), end: hasEnded))
      case 0..<4:
        guard let id, peer[id]?.hasHead == false else { return [] }
        let isInterim = numbers.chance(20)
        if !isInterim { peer[id]?.hasHead = true }
        return split(.headers(id, [(":status", isInterim ? "103" : "200")]))
      case 4..<11:
        guard let id, let stream = peer[id], stream.hasHead, !stream.hasEnded else { return [] }
        let count = min(min(stream.room, peerRoom), numbers.pick([0, 1, 9, 300, 2_000, 16_384]))
        peerRoom -= count
        peer[id]?.room -= count
        peer[id]?.hasEnded = numbers.chance(10)
        return [.data(id, [UInt8](repeating: 1, count: max(0, count)), end: peer[id]?.hasEnded ?? false)]
      case 11..<15:
        guard numbers.chance(60), let id else { return [.windowUpdate(0, numbers.pick([1, 300, 50_000]))] }
        return [.windowUpdate(id, numbers.pick([1, 300, 50_000]))]
      case 15:
        guard settingsCount < 15 else { return [] }
        settingsCount += 1
        return [.settings([numbers.pick([(4, 0), (4, 1), (4, 1_000), (4, 65_535), (4, 1 << 20), (3, 1), (3, 100)])])]
      case 16:
        guard numbers.chance(30), let id else { return [.ping()] }
        peer[id] = nil
        return [.reset(id, code: numbers.pick([0, 7, 8]))]
      case 17:
        guard let id, let stream = peer[id], stream.hasHead, !stream.hasEnded else { return [] }
        peer[id]?.hasEnded = true
        return split(.headers(id, [("x-end", "y")], end: true))
      default: return []
      }
    }

    /// A head may come in several frames.
    private func split(_ head: Frame) -> [Frame] {
      guard numbers.chance(20), head.payload.count > 2 else { return [head] }
      let cut = 1 + numbers.below(head.payload.count - 1)
      return [
        Frame(type: 1, flags: head.flags & ~4, stream: head.stream, payload: Array(head.payload[..<cut])),
        .continuation(head.stream, Array(head.payload[cut...]), endHeaders: true),
      ]
    }

    /// A frame of any kind anywhere.
    private func wild() -> Frame {
      let stream = numbers.below(nextPeerID + 10)
      switch numbers.below(8) {
      case 0: return .windowUpdate(numbers.chance(40) ? 0 : stream, numbers.pick([0, 1, 0x7fff_ffff]))
      case 1: return .data(stream, [UInt8](repeating: 1, count: numbers.pick([0, 1, 16_384])), end: numbers.chance(50))
      case 2: return .headers(stream, Frame.hpack([("x", "y")]), end: true, endHeaders: numbers.chance(50))
      case 3: return .goaway(last: UInt32(stream))
      default:
        let payload = (0..<numbers.below(20)).map { _ in UInt8(numbers.below(256)) }
        return Frame(type: UInt8(numbers.below(12)), flags: UInt8(numbers.below(256)), stream: stream, payload: payload)
      }
    }

    /// - Parameter isWild: the peer breaks rules, and sometimes bytes.
    func play(isWild: Bool) {
      side.feed((role == .server ? Frame.preface : []) + Frame.settings().bytes + Frame.settings(ack: true).bytes)
      for _ in 0..<120 where side.closes.isEmpty {
        for _ in 0..<numbers.below(4) { act() }
        var bytes = (0..<numbers.below(6)).flatMap { _ in lawful() }.flatMap(\.bytes)
        if isWild, numbers.chance(3) { bytes += wild().bytes }
        if isWild, numbers.chance(2), !bytes.isEmpty {
          bytes[numbers.below(bytes.count)] = UInt8(numbers.below(256))
        }
        var at = 0
        while at < bytes.count {
          let end = min(bytes.count, at + numbers.pick([1, 7, 13, 500, 100_000]))
          side.feed(Array(bytes[at..<end]))
          at = end
        }
        if numbers.chance(50) { read(side.outputOnce(bufferByteCount: numbers.pick([1_024, 3_000, 65_536]))) }
        side.advance(ms: numbers.pick([0, 1, 100]))
      }
      read(side.output())
    }
  }

  private func check(_ game: Game) {
    let bytes = game.role == .client ? Array(game.written.dropFirst(Frame.preface.count)) : game.written
    let frames = Frame.parse(bytes)
    // What was written is frames, each block whole, and nothing follows the end of a stream but what may.
    if game.side.closes.isEmpty { #expect(frames.reduce(0) { $0 + $1.bytes.count } == bytes.count) }
    var block: Int?
    var ended: Set<Int> = []
    var opened: Set<Int> = []
    for frame in frames {
      #expect((frame.type == 9) == (block != nil))
      if let block { #expect(frame.stream == block) }
      if frame.type == 1 { opened.insert(frame.stream) }
      if frame.type == 0 { #expect(opened.contains(frame.stream), "DATA before its head") }
      if frame.type < 2 { #expect(!ended.contains(frame.stream), "more after the end of \(frame.stream)") }
      if frame.type < 2, frame.flags & 1 == 1 || frame.type == 3 { ended.insert(frame.stream) }
      if frame.type == 1 || frame.type == 9 { block = frame.flags & 4 == 0 ? frame.stream : nil }
    }
    game.side.session.terminate()
    for (stream, consumer) in zip(game.streams, game.consumers) {
      #expect(stream.carrier == nil && consumer.endCount <= 1)
      #expect(stream.consumer == nil)
    }
    #expect(game.side.session.openStreamCount == 0)
  }

  @Test("Lawful peers lose nothing and are not sent away", arguments: [HTTP2Role.server, .client], 0..<60)
  func lawful(role: HTTP2Role, seed: UInt64) {
    let game = Game(role, seed: seed)
    game.play(isWild: false)
    #expect(game.side.closes.allSatisfy { $0 == .finished })
    check(game)
  }

  @Test("Unlawful ones do no harm", arguments: [HTTP2Role.server, .client], 0..<60)
  func unlawful(role: HTTP2Role, seed: UInt64) {
    for round in 0..<5 {
      let game = Game(role, seed: seed &* 100 &+ UInt64(round))
      game.play(isWild: true)
      check(game)
    }
  }
}
