import CLinux
import Foundation
import TideCore
import Testing

@testable import TideIO

/// How the sends of a turn leave, and all that must not depend on it.
enum SendWay: CaseIterable {
  case oneByOne
  case ring
  /// The kernel takes three of a batch at a time.
  case partialSubmissions
  /// Every other entry into the kernel is interrupted.
  case interruptions
  /// The kernel refuses each batch.
  case brokenRing

  var harness: Harness {
    let kernel: @convention(c) (Int32, UInt32, UInt32) -> Int32
    switch self {
    case .oneByOne: return Harness()
    case .ring: kernel = clinux_ring_enter_kernel
    case .partialSubmissions: kernel = { clinux_ring_enter_kernel($0, min($1, 3), min($2, 3)) }
    case .interruptions:
      kernel = { ring, submissions, completions in
        SendWay.isInterrupted.toggle()
        if SendWay.isInterrupted {
          errno = EINTR
          return -1
        }
        return clinux_ring_enter_kernel(ring, submissions, completions)
      }
    case .brokenRing:
      kernel = { _, _, _ in
        errno = EBADF
        return -1
      }
    }
    return Harness(Worker(index: 0, makeRing: { SendRing(entering: kernel) }))
  }

  /// Written by the threads of several workers at worst, and any value will do.
  nonisolated(unsafe) private static var isInterrupted = false

  var batches: Bool { self != .oneByOne && self != .brokenRing }
}

/// Where the kernel has no io_uring, these are reported as skipped.
@Suite(
  .enabled(if: SystemCallRefusal.onThread { SendRing() != nil }, "the kernel has no io_uring for this process")
)
struct SendRingTests {
  /// A connection whose turn to produce does something else.
  private final class Meddler: SocketConnection {
    var meddle: () -> Void = {}
    override func connectionProduce(into buffer: UnsafeMutableRawBufferPointer) -> Int {
      meddle()
      meddle = {}
      return 0
    }
  }

  @Test(arguments: SendWay.allCases) func aTurnOfManyConnectionsArrives(way: SendWay) {
    let harness = way.harness
    let crowd = Crowd(harness, count: 200)
    crowd.exchangeTokens(rounds: 3)
    let counters = harness.run { $0.counters }
    #expect(counters.writes == 600)
    #expect(counters.bytesWritten == UInt64((0..<200).reduce(0) { $0 + "token 0 of \($1)".utf8.count } * 3))
    #expect(way.batches ? counters.batches == 3 * 4 : counters.batches == 0)
  }

  @Test(arguments: SendWay.allCases) func whatASocketDoesNotTakeFollows(way: SendWay) {
    let harness = way.harness
    let crowd = Crowd(harness, count: 8, receiveBuffer: 4 << 10, sendBuffer: 8 << 10)
    crowd.overfillSockets(rounds: 60)
    if way.batches { #expect(harness.run { $0.counters.batches } > 0) }
  }

  /// Sockets that are full without the worker's knowledge answer EAGAIN in the middle of a batch.
  @Test(arguments: SendWay.allCases) func aFullSocketHoldsNobodyUp(way: SendWay) {
    let harness = way.harness
    let crowd = Crowd(harness, count: 8, receiveBuffer: 4 << 10, sendBuffer: 8 << 10)
    let fillings = harness.run { _ in
      let filling = [UInt8](repeating: 0, count: 1 << 10)
      let counts = crowd.probes[2..<6].map { probe in
        var sent = 0
        while case let count = send(probe.descriptor, filling, filling.count, 0), count > 0 { sent += count }
        return sent
      }
      for probe in crowd.probes { probe.write([1, 2, 3]) }
      return counts
    }
    for peer in crowd.peers[..<2] + crowd.peers[6...] { #expect(peer.read(3) == [1, 2, 3]) }
    for (peer, filling) in zip(crowd.peers[2..<6], fillings) {
      #expect(peer.read(filling) == [UInt8](repeating: 0, count: filling))
      #expect(peer.read(3) == [1, 2, 3])
    }
    #expect(harness.run { $0.counters.shortWrites } == 4)
  }

  @Test(arguments: SendWay.allCases) func aResetPeerFailsAlone(way: SendWay) {
    let harness = way.harness
    let crowd = Crowd(harness, count: 8)
    // In the message that writes, so that the poller has not told of the reset yet.
    harness.run { _ in
      crowd.peers[3].reset()
      for probe in crowd.probes { probe.write([1, 2, 3]) }
    }
    #expect(crowd.recorder.wait { $0.closed == 1 })
    // What is told first depends on whether the poller or the send finds out first.
    let now = crowd.recorder.now
    #expect(now.failures.count + now.ends.count == 1)
    #expect(crowd.recorder.now.late == 0)
    for (number, peer) in crowd.peers.enumerated() where number != 3 { #expect(peer.read(3) == [1, 2, 3]) }
  }

  @Test(arguments: SendWay.allCases) func whatIsQueuedLeavesBeforeAnAbort(way: SendWay) {
    meddle(way) { crowd in
      for probe in crowd.probes[2..<5] { probe.abort() }
    }.check { crowd in
      #expect(crowd.recorder.wait { $0.closed == 3 })
      for peer in crowd.peers { #expect(peer.read(3) == [4, 5, 6]) }
    }
  }

  @Test(arguments: SendWay.allCases) func whatIsQueuedLeavesBeforeTheEnd(way: SendWay) {
    meddle(way) { crowd in
      for probe in crowd.probes[2..<5] {
        probe.write([7])
        probe.close()
      }
    }.check { crowd in
      for peer in crowd.peers[2..<5] { #expect(peer.read() == [4, 5, 6, 7]) }
      for peer in crowd.peers[..<2] { #expect(peer.read(3) == [4, 5, 6]) }
    }
  }

  @Test(arguments: SendWay.allCases) func moreOfTheSameConnectionComesAfterIt(way: SendWay) {
    meddle(way) { crowd in
      for probe in crowd.probes { probe.write([7, 8]) }
    }.check { crowd in
      for peer in crowd.peers { #expect(peer.read(5) == [4, 5, 6, 7, 8]) }
    }
  }

  private struct Meddled {
    let harness: Harness
    let crowd: Crowd<RawPeer>
    func check(_ body: (Crowd<RawPeer>) -> Void) { body(crowd) }
  }

  /// Eight connections have [4, 5, 6] gathered when another one, later in the same flush, does `body`.
  private func meddle(_ way: SendWay, _ body: @escaping @Sendable (Crowd<RawPeer>) -> Void) -> Meddled {
    let harness = way.harness
    let crowd = Crowd(harness, count: 8)
    nonisolated(unsafe) var meddler: Meddler?
    let address = harness.run { worker in
      try! Listener(address: SocketAddress("127.0.0.1:0")!, worker: worker) { accepted in
        meddler = Meddler(worker: worker, accepted: accepted, tls: nil)
      }.address
    }
    let peer = RawPeer(to: address)
    while harness.run({ _ in meddler?.isOpen }) != true {}
    harness.run { _ in
      for probe in crowd.probes { probe.write([4, 5, 6]) }
      meddler?.meddle = { body(crowd) }
      meddler?.setNeedsFlush()
    }
    harness.run { _ in
      meddler?.abort()
      meddler = nil
    }
    peer.end()
    return Meddled(harness: harness, crowd: crowd)
  }

  @Test func fewAndVeryManySendsLeaveOneByOne() {
    let harness = SendWay.ring.harness
    let many = SendRing.worthwhile.upperBound + 1
    let crowd = Crowd(harness, count: many)
    for (count, batches) in [(SendRing.worthwhile.lowerBound - 1, false), (many, false), (many - 1, true)] {
      let before = harness.run { $0.counters.batches }
      harness.run { _ in for probe in crowd.probes[..<count] { probe.write([9]) } }
      for peer in crowd.peers[..<count] { #expect(peer.read(1) == [9]) }
      #expect((harness.run { $0.counters.batches } > before) == batches)
    }
  }

  @Test(arguments: [EPERM, ENOSYS]) func aRefusedRingIsSaidAndSendsGoOn(code: Int32) {
    let harness = SystemCallRefusal.onThread {
      SystemCallRefusal.install(SystemCallRefusal.ioUringSetup, failsWith: code)
      return Harness(Worker(index: 0, batchesSends: true))
    }
    let batching = harness.run { $0.sendBatching }
    #expect(batching == .refused(code))
    #expect(batching.description.contains(SocketFailure.text(of: code)))
    checkThatSendsArrive(harness)
    #expect(harness.run { $0.counters.batches } == 0)
  }

  /// A kernel that refuses from some moment on.
  @Test func aRingThatBreaksLosesNothing() {
    let harness = Harness(Worker(index: 0, batchesSends: true))
    #expect(harness.run { $0.sendBatching } == .on)
    let crowd = Crowd(harness, count: 100)
    for round in UInt8(0)..<4 {
      harness.run { _ in
        if round == 2 { SystemCallRefusal.install(SystemCallRefusal.ioUringEnter, failsWith: EPERM) }
        for probe in crowd.probes { probe.write([round, 1]) }
      }
      for peer in crowd.peers { #expect(peer.read(2) == [round, 1]) }
    }
    #expect(harness.run { $0.counters.batches } == 2 * 2)
    #expect(harness.run { $0.ring?.failure } == EPERM)
  }

  private func checkThatSendsArrive(_ harness: Harness) {
    let crowd = Crowd(harness, count: 20)
    harness.run { _ in for probe in crowd.probes { probe.write([1, 2, 3, 4]) } }
    for peer in crowd.peers { #expect(peer.read(4) == [1, 2, 3, 4]) }
  }

  @Test func workersGiveTheirRingsBack() {
    func rings() -> Int {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
      return names.filter { name in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)"))?.contains("io_uring")
          == true
      }.count
    }
    let before = rings()
    for _ in 0..<200 {
      let harness = Harness(Worker(index: 0, batchesSends: true))
      #expect(harness.run { $0.sendBatching } == .on)
    }
    // Other tests have rings meanwhile, but not that many.
    #expect(rings() < before + 100)
  }
}
