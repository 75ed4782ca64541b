import COpenSSL
import CLinux
import Foundation
import TideCore
import Testing

@testable import TideIO

/// How records come and go: in pieces, many at once, between handshakes and ends.
@Suite struct TLSRecordTests {
  /// A peer past its handshake, with the connection that it has at the other end.
  ///
  /// Unchecked Sendable: the test waits while the worker uses it.
  private struct Pair: @unchecked Sendable {
    let harness: Harness
    let peer: TLSPeer
    let server: Recorder

    init(
      version: Int32 = TLS1_3_VERSION, receiveBuffer: Int32? = nil, _ behaviour: Behaviour = .echo
    ) throws {
      let harness = Harness()
      self.harness = harness
      let (address, server) = harness.listen(tls: try TLSTests.server(), behaviour)
      self.server = server
      peer = TLSPeer(to: address, receiveBuffer: receiveBuffer, version: version)
      #expect(peer.shakeHands() && server.wait { $0.opened == 1 })
    }

    /// Sends `bytes` so that each piece is read by itself.
    func send(_ bytes: [UInt8], inPiecesOf size: Int = .max) {
      var rest = bytes[...]
      while !rest.isEmpty {
        peer.raw.send(Array(rest.prefix(size)))
        rest = rest.dropFirst(size)
        // Sockets are read before messages.
        harness.run { _ in }
      }
    }
  }

  /// A client of a server whose session ticket has come by half.
  private final class HalfTicket: @unchecked Sendable {
    let harness = Harness()
    let peer: TLSPeer
    let client: Recorder
    var connection: Probe?
    /// The other half.
    let rest: [UInt8]

    init() throws {
      let listening = RawListener()
      nonisolated(unsafe) var opened: Probe?
      let client = harness.connect(
        to: listening.address, tls: try TLSTests.client(protocols: []), serverName: "a.test",
        Behaviour(opened: { opened = $0 }))
      let peer = TLSPeer(serving: listening.accept(), TestCertificates.plain)
      #expect(peer.shakeHands() && client.wait { $0.opened == 1 })
      let ticket = peer.ticket()
      let firstRecord = 5 + Int(ticket[3]) << 8 + Int(ticket[4])
      #expect(firstRecord < ticket.count)
      rest = Array(ticket[firstRecord...])
      (self.client, self.peer) = (client, peer)
      peer.raw.send(Array(ticket[..<firstRecord]))
      // Sockets are read before messages.
      connection = harness.run { _ in OnWorker(value: opened) }.value
    }
  }

  private static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

  // MARK: Coming

  @Test(arguments: [1, 2, 5, 6, 100]) func handshakesAndRecordsMayComeInPieces(size: Int) throws {
    let harness = Harness()
    let (address, server) = harness.listen(tls: try TLSTests.server(), .echo)
    let peer = TLSPeer(to: address)
    var pieces = 0
    let isOpen = peer.shakeHands { flight in
      for start in stride(from: 0, to: flight.count, by: size) {
        peer.raw.send(Array(flight[start..<min(start + size, flight.count)]))
        harness.run { _ in }
        pieces += 1
      }
    }
    #expect(isOpen && pieces > 3 && server.wait { $0.opened == 1 })
    let data = pattern(300)
    for byte in peer.records(of: data) {
      peer.raw.send([byte])
      harness.run { _ in }
    }
    #expect(peer.read(data.count) == data)
    #expect(server.now.failures.isEmpty)
  }

  @Test(arguments: versions) func aRecordThatIsSplitAnywhereIsToldWhole(version: Int32) throws {
    let pair = try Pair(version: version)
    let text = Array("data: a token\n\n".utf8)
    var told = 0
    var position = 1
    while true {
      let record = pair.peer.records(of: text)
      guard position < record.count else { break }
      pair.send(Array(record[..<position]))
      #expect(pair.server.now.received.count == told, "told a part of a record, split at \(position)")
      pair.send(Array(record[position...]))
      told += text.count
      #expect(pair.peer.read(text.count) == text)
      position += 1
    }
    #expect(position > text.count + 16 && pair.server.now.received.count == told)
  }

  @Test(arguments: versions) func manyRecordsAndAHalfComeAtOnce(version: Int32) throws {
    let pair = try Pair(version: version)
    let texts = (0..<1000).map { Array("token \($0) of many".utf8) }
    let records = texts.map { pair.peer.records(of: $0) }
    let last = records[999]
    pair.send(records[..<999].flatMap(\.self) + last.prefix(9))
    #expect(pair.peer.read(texts[..<999].reduce(0) { $0 + $1.count }) == texts[..<999].flatMap(\.self))
    pair.send(Array(last.dropFirst(9)))
    #expect(pair.peer.read(texts[999].count) == texts[999])
  }

  /// The end of input in the same read as the last record.
  @Test func aRecordAndTheEndBehindItAreBothTold() throws {
    let pair = try Pair(Behaviour(ended: { $0.close() }))
    let end = pair.peer.records(of: [1, 2, 3]) + pair.peer.closeNotify()
    pair.harness.run { _ in
      pair.peer.raw.send(end)
      pair.peer.raw.halfClose()
    }
    #expect(pair.server.wait { $0.closed == 1 })
    #expect(pair.server.now.received == [1, 2, 3] && pair.server.now.ends == [true])
    #expect(pair.server.now.failures.isEmpty)
  }

  @Test func halfARecordBeforeTheEndIsATruncation() throws {
    let pair = try Pair(Behaviour(ended: { $0.close() }))
    pair.harness.run { _ in
      pair.peer.raw.send(pair.peer.records(of: [1, 2, 3]) + pair.peer.records(of: [4, 5, 6]).dropLast())
      pair.peer.raw.halfClose()
    }
    #expect(pair.server.wait { $0.closed == 1 })
    #expect(pair.server.now.received == [1, 2, 3] && pair.server.now.ends == [false])
  }

  @Test func aForgedRecordIsAFailureAndAnAlert() throws {
    let pair = try Pair()
    var record = pair.peer.records(of: [1, 2, 3])
    record[record.count - 1] ^= 1
    pair.send(record)
    #expect(pair.server.wait { $0.closed == 1 })
    #expect(pair.server.now.received.isEmpty && pair.server.now.failures.first?.phase == .read)
    #expect(pair.server.now.failures.first?.reason == "decryption failed or bad record mac")
    #expect(pair.peer.read() == [])
    #expect(pair.peer.failure == "sslv3 alert bad record mac")
  }

  /// What came before a reset is told, though a write is the first to find the reset.
  @Test func lastWordsBeforeAResetAreTold() throws {
    nonisolated(unsafe) var connection: Probe?
    let pair = try Pair(Behaviour(opened: { connection = $0 }))
    pair.harness.run { _ in
      pair.peer.send([1, 2, 3])
      pair.peer.raw.reset()
      connection?.write([9])
    }
    #expect(pair.server.wait { $0.closed == 1 })
    let now = pair.server.now
    #expect(now.received == [1, 2, 3] && now.failures.count + now.ends.count == 1 && !now.ends.contains(true))
    pair.harness.run { _ in connection = nil }
  }

  // MARK: Going

  @Test(arguments: versions) func aPeerThatDoesNotReadHoldsProductionAndLosesNothing(version: Int32) throws {
    let pair = try Pair(
      version: version, receiveBuffer: 16 << 10, Behaviour(opened: { $0.write(pattern(8 << 20)) }))
    #expect(pair.server.wait { $0.produced > 0 })
    for _ in 0..<5 { pair.harness.run { _ in } }
    #expect(pair.server.now.produced < 3 << 20)
    #expect(pair.peer.read(8 << 20) == pattern(8 << 20))
    #expect(pair.harness.run { $0.counters.shortWrites } > 0)
  }

  @Test func closeSendsTheRestFirstAndSaysSo() throws {
    let pair = try Pair(
      receiveBuffer: 16 << 10,
      Behaviour(opened: {
        $0.write(pattern(4 << 20))
        $0.close()
      }))
    #expect(pair.peer.read() == pattern(4 << 20))
    #expect(pair.peer.hasCleanEnd)
    pair.peer.raw.end()
    #expect(pair.server.wait { $0.closed == 1 } && pair.server.now.failures.isEmpty)
  }

  /// The peer has said close_notify and still reads.
  @Test func anAnswerFollowsACleanEnd() throws {
    let pair = try Pair(
      Behaviour(ended: {
        $0.write(pattern(100_000))
        $0.close()
      }))
    pair.send(pair.peer.closeNotify())
    #expect(pair.peer.read() == pattern(100_000) && pair.peer.hasCleanEnd)
    #expect(pair.server.now.ends == [true])
  }

  /// A certificate that fills the room for records, and more than a small socket takes.
  @Test func aFlightThatASocketDoesNotTakeFollows() throws {
    let harness = Harness()
    let recorder = Recorder()
    let tls = try TLSTests.server([TestCertificates.large])
    let address = harness.run { worker in
      try! Listener(address: SocketAddress("127.0.0.1:0")!, worker: worker) { accepted in
        _ = clinux_set_option(accepted.descriptor, SOL_SOCKET, SO_SNDBUF, 8 << 10)
        _ = Probe(worker: worker, accepted: accepted, tls: tls, recorder: recorder, behaviour: .echo)
      }.address
    }
    let peer = TLSPeer(to: address, receiveBuffer: 4 << 10)
    var isFirst = true
    let isOpen = peer.shakeHands { flight in
      peer.raw.send(flight)
      guard isFirst else { return }
      isFirst = false
      // Nothing is read until the flight waits.
      while harness.run({ $0.counters.shortWrites }) == 0 {}
      #expect(recorder.now.opened == 0)
    }
    #expect(isOpen)
    peer.send(pattern(1000))
    #expect(peer.read(1000) == pattern(1000) && recorder.now.opened == 1)
  }

  // MARK: Beside output

  @Test func aKeyUpdateIsAnswered() throws {
    let pair = try Pair()
    for _ in 0..<3 {
      pair.send(pair.peer.keyUpdate())
      // The answer goes before what is written next.
      pair.peer.send([1, 2, 3])
      #expect(pair.peer.read(3) == [1, 2, 3])
    }
    #expect(pair.server.now.failures.isEmpty)
  }

  /// The answer to it stands behind the records that the socket has not taken.
  @Test func aKeyUpdateKeepsItsPlaceAmongWhatWaits() throws {
    let pair = try Pair(receiveBuffer: 16 << 10, Behaviour(opened: { $0.write(pattern(8 << 20)) }))
    while pair.harness.run({ $0.counters.shortWrites }) == 0 {}
    pair.send(pair.peer.keyUpdate())
    #expect(pair.peer.read(8 << 20) == pattern(8 << 20))
    #expect(pair.server.now.failures.isEmpty)
  }

  @Test func renegotiationIsRefused() throws {
    let pair = try Pair(version: TLS1_2_VERSION)
    pair.send(pair.peer.renegotiation())
    #expect(pair.peer.read() == [])
    #expect(pair.peer.failure == "no renegotiation")
    pair.peer.raw.end()
    #expect(pair.server.wait { $0.closed == 1 } && pair.server.now.received.isEmpty)
  }

  /// Each demand is answered, and the answers wait: a peer that reads none of them must not have more and more kept.
  @Test func whoAsksWithoutReadingIsLetGo() throws {
    let pair = try Pair(
      version: TLS1_2_VERSION, receiveBuffer: 16 << 10, Behaviour(opened: { $0.write(pattern(8 << 20)) }))
    while pair.harness.run({ $0.counters.shortWrites }) == 0 {}
    pair.harness.run { $0.unsentLimit = 1 }
    pair.send(pair.peer.renegotiation())
    #expect(pair.server.wait { $0.closed == 1 })
    #expect(pair.server.now.failures.map(\.phase) == [.read])
    #expect(pair.server.now.failures.first?.reason == "the peer asks without reading the answers")
  }

  /// That the socket takes more and that the peer demands something is told in one event: what waits must leave all the same.
  @Test func anAnswerToADemandDoesNotStopWhatWaits() throws {
    let pair = try Pair(
      version: TLS1_2_VERSION, receiveBuffer: 16 << 10, Behaviour(opened: { $0.write(pattern(8 << 20)) }))
    while pair.harness.run({ $0.counters.shortWrites }) == 0 {}
    nonisolated(unsafe) let peer = pair.peer
    let before = pair.harness.run { _ in
      // Read until the socket has nothing left, so that it says so.
      var count = 0
      var chunk = [UInt8](repeating: 0, count: 64 << 10)
      while case let got = recv(peer.raw.descriptor, &chunk, chunk.count, Int32(truncatingIfNeeded: MSG_DONTWAIT)),
        got > 0
      {
        count += got
      }
      peer.raw.send(peer.renegotiation())
      return count
    }
    var count = before
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while count < 8 << 20, case let got = recv(peer.raw.descriptor, &chunk, chunk.count, 0), got > 0 { count += got }
    #expect(count >= 8 << 20)
  }

  /// The other half of a ticket lies in the socket when the connection is closed, and nobody else reads then.
  @Test func halfATicketDoesNotKeepACloseFromSending() throws {
    let half = try HalfTicket()
    let text = pattern(50_000)
    half.harness.run { _ in
      half.peer.raw.send(half.rest)
      half.connection?.write(text)
      half.connection?.close()
      half.connection = nil
    }
    let heard = half.peer.read()
    #expect(heard == text && half.peer.hasCleanEnd)
    half.peer.raw.end()
    #expect(half.client.wait { $0.closed == 1 } && half.client.now.failures.isEmpty)
  }

  /// OpenSSL makes no records between two parts of a message of the peer's.
  @Test func halfATicketHoldsOutputBack() throws {
    let half = try HalfTicket()
    let text = pattern(100_000)
    half.harness.run { _ in half.connection?.write(text) }
    let turns = half.harness.run { $0.counters.turns }
    for _ in 0..<10 { half.harness.run { _ in } }
    let (pending, after) = half.harness.run { (half.connection?.pendingByteCount ?? 0, $0.counters.turns) }
    #expect(pending > 0 && pending < text.count)
    // Those that were asked for, and none that waits in vain.
    #expect(after - turns < 20)
    half.peer.raw.send(half.rest + half.peer.records(of: [5]))
    #expect(half.peer.read(text.count) == text)
    #expect(half.client.wait { $0.received == [5] } && half.client.now.failures.isEmpty)
    half.harness.run { _ in
      half.connection?.abort()
      half.connection = nil
    }
  }
}
