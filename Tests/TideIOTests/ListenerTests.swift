import CLinux
import Foundation
import TideCore
import Testing

@testable import TideIO

@Suite struct ListenerTests {
  @Test func aUsedPortIsRefusedByProbe() throws {
    let first = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    defer { close(first.descriptor) }
    let error = #expect(throws: Diagnostic.self) { try Listener.probe(first.address) }
    #expect(
      error?.message
        == "address \(first.address) is already in use; stop the other program or change `listeners`")
    // The group of one gateway shares it all the same.
    let second = try ListeningSocket(address: first.address)
    close(second.descriptor)
    #expect(second.address == first.address)
  }

  @Test func aFreePortPassesAndStaysFree() throws {
    let socket = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    close(socket.descriptor)
    try Listener.probe(socket.address)
    try Listener.probe(socket.address)
  }

  @Test func aForeignAddressIsNamed() {
    let error = #expect(throws: Diagnostic.self) { try Listener.probe(SocketAddress("192.0.2.1:8080")!) }
    #expect(error?.message == "address 192.0.2.1:8080 does not belong to this machine")
  }

  @Test func acceptedSocketsInheritTheOptions() throws {
    // The kernel doubles SO_SNDBUF for its own bookkeeping.
    #expect(try optionsOfAccepted(by: ListeningSocket(address: SocketAddress("127.0.0.1:0")!)) == "true 16384 262144")
    let unbounded = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!, sendBytes: nil)
    let own = try #require(Int(optionsOfAccepted(by: unbounded).split(separator: " ")[2]))
    // A peer on loopback is given more at once, since its segments are large.
    #expect(own > 262_144)
  }

  private func optionsOfAccepted(by socket: ListeningSocket) throws -> String {
    let harness = Harness()
    let (address, _) = harness.listen(
      on: socket,
      Behaviour(opened: { probe in
        var values = [Int32](repeating: 0, count: 3)
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(probe.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &values[0], &size)
        getsockopt(probe.descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &values[1], &size)
        getsockopt(probe.descriptor, SOL_SOCKET, SO_SNDBUF, &values[2], &size)
        probe.write(Array("\(values[0] != 0) \(values[1]) \(values[2])".utf8))
        probe.close()
      }))
    return String(decoding: RawPeer(to: address).read(), as: UTF8.self)
  }

  @Test func stopAcceptingServesWhoIsQueued() throws {
    let harness = Harness()
    final class Box: @unchecked Sendable { var listener: Listener? }
    let box = Box()
    let recorder = Recorder()
    let address = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    let waiting = (0..<40).map { _ in RawPeer(to: address.address) }
    harness.run { worker in
      box.listener = Listener(socket: address, worker: worker) { accepted in
        _ = Probe(worker: worker, accepted: accepted, tls: nil, recorder: recorder, behaviour: .echo)
      }
      box.listener?.stopAccepting()
      box.listener = nil
    }
    for peer in waiting {
      peer.send([42])
      #expect(peer.read(1) == [42])
    }
    #expect(harness.run { $0.targetCount } == 40)
  }

  @Test func pausedListenersLeaveClientsInTheQueue() {
    let harness = Harness()
    final class Box: @unchecked Sendable { var listener: Listener? }
    let box = Box()
    let recorder = Recorder()
    let address = harness.run { worker in
      let listener = try! Listener(address: SocketAddress("127.0.0.1:0")!, worker: worker) { accepted in
        _ = Probe(worker: worker, accepted: accepted, tls: nil, recorder: recorder, behaviour: .echo)
      }
      listener.pauseAccepting()
      box.listener = listener
      return listener.address
    }
    let peer = RawPeer(to: address)
    for _ in 0..<3 { harness.run { _ in } }
    #expect(recorder.now.opened == 0)
    harness.run { _ in box.listener?.resumeAccepting() }
    peer.send([7])
    #expect(peer.read(1) == [7])
    harness.run { _ in box.listener = nil }
  }

  /// In a process of its own, since the limit of open files is the process's.
  @Test func withoutDescriptorsItRestsAndRecovers() async {
    await #expect(processExitsWith: .success) {
      let harness = Harness()
      let refusedTwice = DispatchSemaphore(value: 0)
      final class Box: @unchecked Sendable {
        var listener: Listener?
        var turns: UInt64 = 0
        var isTold = false
      }
      let box = Box()
      let recorder = Recorder()
      let socket = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
      harness.run { worker in
        let listener = Listener(socket: socket, worker: worker) { accepted in
          _ = Probe(worker: worker, accepted: accepted, tls: nil, recorder: recorder, behaviour: .echo)
        }
        listener.pauseAccepting()
        box.listener = listener
      }
      let peers = (0..<20).map { _ in RawPeer(to: socket.address) }
      // The lowest free descriptor is the first that the limit forbids.
      let free = dup(0)
      close(free)
      let (soft, hard) = DescriptorBudget.currentLimit()
      _ = clinux_set_descriptor_limit(UInt64(free), UInt64(hard))
      harness.run { worker in
        box.turns = worker.counters.turns
        worker.onTurnEnd { worker in
          guard worker.counters.acceptsRefused == 2, !box.isTold else { return }
          box.isTold = true
          box.turns = worker.counters.turns - box.turns
          refusedTwice.signal()
        }
        box.listener?.resumeAccepting()
      }
      precondition(refusedTwice.wait(timeout: .now() + 20) == .success)
      precondition(harness.run { _ in box.turns } < 20, "the worker spun")
      precondition(harness.run { $0.counters.accepted } == 0)
      _ = clinux_set_descriptor_limit(UInt64(soft), UInt64(hard))
      peers[19].send([5])
      precondition(peers[19].read(1) == [5])
      harness.run { _ in box.listener = nil }
    }
  }
}
