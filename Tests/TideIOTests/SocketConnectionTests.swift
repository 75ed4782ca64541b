import Foundation
import TideCore
import Testing

@testable import TideIO

@Suite struct SocketConnectionTests {
  @Test func echoesAndClosesOnce() {
    let harness = Harness()
    let (address, server) = harness.listen(.echo)
    let data = pattern(3_000_000)
    let client = harness.connect(
      to: address,
      Behaviour(
        opened: { $0.write(pattern(3_000_000)) },
        received: { probe, _ in if probe.recorder.now.received.count == 3_000_000 { probe.close() } }))
    #expect(client.wait { $0.closed > 0 })
    #expect(server.wait { $0.closed > 0 })
    #expect(client.now.received == data && server.now.received == data)
    #expect(client.now.opened == 1 && client.now.failures.isEmpty && client.now.late == 0)
    #expect(server.now.ends == [true] && server.now.closed == 1 && server.now.late == 0)
    #expect(harness.run { $0.targetCount } == 1)
  }

  @Test func oneByteWritesArriveWhole() {
    let harness = Harness()
    let (address, _) = harness.listen(.echo)
    let peer = RawPeer(to: address)
    let text = Array("a token at a time".utf8)
    for byte in text { peer.send([byte]) }
    peer.halfClose()
    #expect(peer.read() == text)
  }

  @Test func aPeerThatDoesNotReadHoldsProductionAndLosesNothing() {
    let harness = Harness()
    let total = 8 << 20
    let (address, server) = harness.listen(Behaviour(opened: { $0.write(pattern(8 << 20)) }))
    let peer = RawPeer(to: address, receiveBuffer: 16 << 10)
    #expect(server.wait { $0.produced > 0 })
    // Two turns later nothing more has been produced than the kernel's buffers and one gather.
    for _ in 0..<5 { harness.run { _ in } }
    #expect(server.now.produced < 2 << 20)
    #expect(peer.read(total) == pattern(total))
    peer.end()
    #expect(server.wait { $0.closed == 1 })
    #expect(harness.run { $0.counters.shortWrites } > 0)
  }

  @Test func closeSendsTheRestFirst() {
    let harness = Harness()
    let total = 4 << 20
    let (address, server) = harness.listen(
      Behaviour(opened: {
        $0.write(pattern(4 << 20))
        $0.close()
      }))
    let peer = RawPeer(to: address)
    // Input that nobody reads must not turn the close into a reset.
    peer.send([UInt8](repeating: 1, count: 1000))
    #expect(peer.read() == pattern(total))
    peer.end()
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.received.isEmpty && server.now.failures.isEmpty)
  }

  @Test func lingeringEndsWithoutThePeer() {
    let harness = Harness()
    let (address, server) = harness.listen(Behaviour(opened: { $0.close() }))
    let peer = RawPeer(to: address)
    #expect(peer.read().isEmpty)
    #expect(server.wait { $0.closed == 1 })
  }

  @Test func halfCloseStillAnswers() {
    let harness = Harness()
    let (address, server) = harness.listen(
      Behaviour(ended: {
        $0.write(Array("answer".utf8))
        $0.close()
      }))
    let peer = RawPeer(to: address)
    peer.send(Array("question".utf8))
    peer.halfClose()
    #expect(peer.read() == Array("answer".utf8))
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.received == Array("question".utf8) && server.now.ends == [true])
  }

  @Test func aResetIsAFailure() {
    let harness = Harness()
    let (address, server) = harness.listen(Behaviour())
    let peer = RawPeer(to: address)
    #expect(server.wait { $0.opened == 1 })
    peer.reset()
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.failures.count == 1 && server.now.failures.first?.isReset == true)
    #expect(server.now.ends.isEmpty && server.now.late == 0)
  }

  @Test func aResetAfterAHalfCloseIsTold() {
    let harness = Harness()
    let (address, server) = harness.listen(Behaviour(ended: { _ in }))
    let peer = RawPeer(to: address)
    peer.halfClose()
    #expect(server.wait { $0.ends == [true] })
    peer.reset()
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.failures.count == 1)
  }

  @Test func abortInsideReceiveIsSafeAndResets() {
    let harness = Harness()
    let (address, server) = harness.listen(
      Behaviour(received: { probe, bytes in
        probe.write(bytes)
        probe.abort()
        probe.close()
        probe.setNeedsFlush()
      }))
    let peer = RawPeer(to: address)
    peer.send([1, 2, 3])
    #expect(peer.read().isEmpty)
    #expect(errno == ECONNRESET)
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.failures.isEmpty && server.now.late == 0)
  }

  @Test func pausedReadingHoldsBytesAndLearnsOfAHangUp() {
    let harness = Harness()
    let (address, server) = harness.listen(
      Behaviour(
        opened: { $0.pauseReading() },
        hungUp: { $0.resumeReading() }))
    let peer = RawPeer(to: address)
    // Small enough for the receive buffer: an end behind a full window cannot be seen.
    let data = pattern(20_000)
    peer.send(data)
    #expect(server.wait { $0.opened == 1 })
    for _ in 0..<5 { harness.run { _ in } }
    #expect(server.now.received.isEmpty)
    peer.halfClose()
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.hangUps == 1 && server.now.received == data && server.now.ends == [true])
  }

  @Test func waitingInputIsSeenWithoutReadingIt() {
    let harness = Harness()
    // Written and read on the worker alone.
    nonisolated(unsafe) var held: Probe?
    let (address, server) = harness.listen(
      Behaviour(received: { probe, _ in
        held = probe
        probe.pauseReading()
      }))
    let peer = RawPeer(to: address)
    peer.send([1])
    #expect(server.wait { $0.received == [1] })
    #expect(harness.run { _ in held?.hasInputWaiting } == false)
    peer.halfClose()
    #expect(server.wait { $0.hangUps == 1 })
    #expect(harness.run { _ in held?.hasInputWaiting } == true)
    #expect(server.now.ends.isEmpty)
    harness.run { _ in
      held?.abort()
      held = nil
    }
  }

  @Test func pausingInsideReceiveStopsAtOnce() {
    let harness = Harness()
    let (address, server) = harness.listen(
      Behaviour(received: { probe, _ in
        probe.pauseReading()
        let again = OnWorker(value: probe)
        probe.worker.post { _ in again.value.resumeReading() }
      }))
    let peer = RawPeer(to: address)
    let data = pattern(1_000_000)
    peer.send(data)
    peer.halfClose()
    #expect(server.wait { $0.closed == 1 })
    #expect(server.now.received == data)
  }

  @Test func connectionRefusedIsToldOnce() throws {
    let harness = Harness()
    // A port that was free a moment ago.
    let socket = try ListeningSocket(address: SocketAddress("127.0.0.1:0")!)
    close(socket.descriptor)
    let client = harness.connect(to: socket.address, Behaviour())
    #expect(client.wait { $0.closed == 1 })
    #expect(client.now.failures.map(\.phase) == [.connect])
    #expect(client.now.failures.first?.code == ECONNREFUSED && client.now.opened == 0)
  }

  @Test func abortWhileConnecting() {
    let harness = Harness()
    let recorder = Recorder()
    harness.run { worker in
      let probe = Probe(
        worker: worker, connectingTo: SocketAddress("192.0.2.1:9")!, tls: nil, serverName: nil, recorder: recorder,
        behaviour: Behaviour())
      probe.abort()
    }
    #expect(recorder.wait { $0.closed == 1 })
    #expect(recorder.now.failures.isEmpty && recorder.now.opened == 0)
    #expect(harness.run { $0.targetCount } == 0)
  }

  @Test func stoppingTheWorkerClosesAll() {
    let recorders: [Recorder]
    do {
      let harness = Harness()
      let (address, server) = harness.listen(Behaviour())
      let client = harness.connect(to: address, Behaviour())
      #expect(server.wait { $0.opened == 1 } && client.wait { $0.opened == 1 })
      recorders = [server, client]
    }
    #expect(recorders.allSatisfy { $0.now.closed == 1 })
  }

  @Test func anIdleConnectionIsSmall() {
    final class Bare: SocketConnection {}
    let harness = Harness()
    let size = harness.run { worker in
      let bare = Bare(worker: worker, connectingTo: SocketAddress("127.0.0.1:9")!, tls: nil)
      return mallocUsableSize(Unmanaged.passUnretained(bare).toOpaque())
    }
    #expect(size <= 200)
  }
}
