import CLinux
import Glibc
import Testing

@testable import TideIO

/// What a test reads with at the other end of a connection.
protocol ReadingPeer: SendableMetatype {
  func read(_ count: Int) -> [UInt8]
}

extension RawPeer: ReadingPeer {}
extension TLSPeer: ReadingPeer {}

/// Connections of one worker, written to in one turn, each with its peer.
final class Crowd<Peer: ReadingPeer>: @unchecked Sendable {
  let harness: Harness
  var probes: [Probe] = []
  let recorder: Recorder
  let peers: [Peer]

  init(
    _ harness: Harness, count: Int, tls: TLSServerContext? = nil, sendBuffer: Int32? = nil,
    connect: (SocketAddress) -> Peer
  ) {
    self.harness = harness
    nonisolated(unsafe) var opened: [Probe] = []
    let (address, recorder) = harness.listen(
      tls: tls, Behaviour(opened: { opened.append($0) }, ended: { $0.close() }))
    self.recorder = recorder
    peers = (0..<count).map { number in
      let peer = connect(address)
      // In order, so that a peer and its connection have the same number.
      precondition(recorder.wait { $0.opened == number + 1 })
      return peer
    }
    probes =
      harness.run { _ in
        if let sendBuffer {
          for probe in opened { _ = clinux_set_option(probe.descriptor, SOL_SOCKET, SO_SNDBUF, sendBuffer) }
        }
        return OnWorker(value: opened)
      }.value
  }

  /// In each round everybody is written to in one turn, and everybody reads.
  func exchangeTokens(rounds: Int) {
    for round in 0..<rounds {
      harness.run { _ in
        for (number, probe) in self.probes.enumerated() { probe.write(Self.token(round, number)) }
      }
      for (number, peer) in peers.enumerated() {
        let text = Self.token(round, number)
        #expect(peer.read(text.count) == text)
      }
    }
  }

  static func token(_ round: Int, _ number: Int) -> [UInt8] { Array("token \(round) of \(number)".utf8) }

  /// Writes more than the sockets take before anybody reads. Four portions make a batch of the ring.
  func overfillSockets(rounds: Int) {
    let portion = SendRing.byteLimit / 4
    let text = pattern(portion)
    for _ in 0..<rounds {
      harness.run { _ in
        for probe in self.probes { probe.write(text) }
      }
    }
    #expect(harness.run { $0.counters.shortWrites } >= peers.count)
    for peer in peers {
      for _ in 0..<rounds where peer.read(portion) != text { Issue.record("bytes are lost or swapped") }
    }
  }
}

extension Crowd where Peer == RawPeer {
  convenience init(_ harness: Harness, count: Int, receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil) {
    self.init(harness, count: count, sendBuffer: sendBuffer) { RawPeer(to: $0, receiveBuffer: receiveBuffer) }
  }
}
