import CLinux
import Foundation
import TideCore
import Testing

@testable import TideIO

/// The records of many connections leave together, as their cleartext would.
@Suite(
  .enabled(if: SystemCallRefusal.onThread { SendRing() != nil }, "the kernel has no io_uring for this process")
)
struct TLSSendRingTests {
  private func crowd(
    _ harness: Harness, count: Int, receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil
  ) throws -> Crowd<TLSPeer> {
    Crowd(harness, count: count, tls: try TLSTests.server(), sendBuffer: sendBuffer) { address in
      let peer = TLSPeer(to: address, receiveBuffer: receiveBuffer)
      precondition(peer.shakeHands())
      return peer
    }
  }

  @Test(arguments: SendWay.allCases) func aTurnOfManyConnectionsArrives(way: SendWay) throws {
    let harness = way.harness
    let crowd = try self.crowd(harness, count: 200)
    let before = harness.run { $0.counters }
    crowd.exchangeTokens(rounds: 3)
    let counters = harness.run { $0.counters }
    #expect(counters.writes - before.writes == 600)
    #expect(counters.batches - before.batches == (way.batches ? 3 * 4 : 0))
  }

  @Test(arguments: SendWay.allCases) func whatASocketDoesNotTakeFollows(way: SendWay) throws {
    let harness = way.harness
    let crowd = try self.crowd(harness, count: 8, receiveBuffer: 4 << 10, sendBuffer: 8 << 10)
    crowd.overfillSockets(rounds: 30)
    if way.batches { #expect(harness.run { $0.counters.batches } > 0) }
  }

  @Test(arguments: SendWay.allCases) func aResetPeerFailsAlone(way: SendWay) throws {
    let harness = way.harness
    let crowd = try self.crowd(harness, count: 8)
    // In the message that writes, so that the poller has not told of the reset yet.
    harness.run { _ in
      crowd.peers[3].raw.reset()
      for probe in crowd.probes { probe.write([1, 2, 3]) }
    }
    #expect(crowd.recorder.wait { $0.closed == 1 })
    // What is told first depends on whether the poller or the send finds out first.
    let now = crowd.recorder.now
    #expect(now.failures.count + now.ends.count >= 1 && now.late == 0)
    for (number, peer) in crowd.peers.enumerated() where number != 3 { #expect(peer.read(3) == [1, 2, 3]) }
  }

  @Test(arguments: SendWay.allCases) func theLastRecordsLeaveBeforeTheEnd(way: SendWay) throws {
    let harness = way.harness
    let crowd = try self.crowd(harness, count: 8)
    harness.run { _ in
      for (number, probe) in crowd.probes.enumerated() {
        probe.write([UInt8(number), 2])
        if number % 2 == 0 { probe.close() }
      }
    }
    for (number, peer) in crowd.peers.enumerated() {
      #expect(peer.read(number % 2 == 0 ? .max : 2) == [UInt8(number), 2])
      #expect(peer.hasCleanEnd == (number % 2 == 0))
    }
  }

  /// A connection that speaks TLS gathers beside those that do not.
  @Test(arguments: SendWay.allCases) func cleartextAndRecordsLeaveTogether(way: SendWay) throws {
    let harness = way.harness
    let crowd = try self.crowd(harness, count: 20)
    nonisolated(unsafe) var plain: [Probe] = []
    let (address, recorder) = harness.listen(Behaviour(opened: { plain.append($0) }, ended: { $0.close() }))
    let peers = (0..<20).map { number in
      let peer = RawPeer(to: address)
      precondition(recorder.wait { $0.opened == number + 1 })
      return peer
    }
    for round in UInt8(0)..<5 {
      let text = [UInt8](repeating: round, count: 3000)
      harness.run { _ in
        for (plain, sealed) in zip(plain, crowd.probes) {
          plain.write(text)
          sealed.write(text)
        }
      }
      for (plain, sealed) in zip(peers, crowd.peers) {
        #expect(plain.read(3000) == text)
        #expect(sealed.read(3000) == text)
      }
    }
    harness.run { _ in plain = [] }
  }
}
