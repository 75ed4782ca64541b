import Foundation
import TideCore
import Testing

@testable import TideIO

@Suite struct WorkerTests {
  @Test func mailboxTakesFromManyThreadsInOrder() {
    let harness = Harness()
    final class Log: @unchecked Sendable {
      var next = [Int](repeating: 0, count: 8)
      var count = 0
      var isOrdered = true
    }
    let log = Log()
    let done = DispatchSemaphore(value: 0)
    let worker = harness.worker
    for sender in 0..<8 {
      Thread.detachNewThread {
        for number in 0..<5000 {
          worker.post { worker in
            if log.next[sender] != number || !worker.isCurrent { log.isOrdered = false }
            log.next[sender] += 1
            log.count += 1
            if log.count == 40_000 { done.signal() }
          }
        }
      }
    }
    #expect(done.wait(timeout: .now() + 20) == .success)
    #expect(log.isOrdered)
  }

  @Test func timersFireOnTheWorker() {
    final class Target: TimerTarget, @unchecked Sendable {
      let done = DispatchSemaphore(value: 0)
      var kinds: [UInt8] = []
      func timerFired(kind: UInt8, now: MonotonicTime) {
        kinds.append(kind)
        if kind == 2 { done.signal() }
      }
    }
    let harness = Harness()
    let target = Target()
    harness.run { worker in
      _ = worker.timers.schedule(at: worker.now.advanced(byMs: 20), target: target, kind: 2)
      _ = worker.timers.schedule(at: worker.now.advanced(byMs: 5), target: target, kind: 1)
    }
    #expect(target.done.wait(timeout: .now() + 20) == .success)
    #expect(target.kinds == [1, 2])
  }

  @Test func turnEndComesOnceAfterMessagesAndBeforeTheFlush() {
    final class Target: TurnEndTarget, @unchecked Sendable {
      let done = DispatchSemaphore(value: 0)
      var calls = 0
      func turnWillEnd(now: MonotonicTime) {
        calls += 1
        done.signal()
      }
    }
    let harness = Harness()
    let target = Target()
    let before = harness.run { worker in
      worker.requestTurnEnd(target)
      return target.calls
    }
    #expect(before == 0)
    #expect(target.done.wait(timeout: .now() + 20) == .success)
    harness.run { _ in }
    #expect(harness.run { _ in target.calls } == 1)
  }

  @Test func currentIsTheThreadsOwn() {
    let harness = Harness()
    #expect(Worker.current == nil && !harness.worker.isCurrent)
    #expect(harness.run { $0.isCurrent && Worker.current === $0 })
  }

  @Test func watchdogNamesTheWorker() {
    let harness = Harness()
    let inside = DispatchSemaphore(value: 0)
    let leave = DispatchSemaphore(value: 0)
    let watchdog = StallWatchdog(workers: [harness.worker])
    harness.worker.post { _ in
      inside.signal()
      leave.wait()
    }
    inside.wait()
    #expect(watchdog.stalledMessage() == nil)
    let later = MonotonicTime.now().advanced(byMs: 6000)
    #expect(watchdog.stalledMessage(at: later)?.hasPrefix("worker 0 has been in one turn for") == true)
    leave.signal()
    harness.run { _ in }
  }

  @Test func lagIsThePercentileOfASecond() {
    var histogram = TurnHistogram(now: .zero)
    for turn in 1..<1000 {
      #expect(histogram.record(nanoseconds: 1_000_000, now: MonotonicTime.zero.advanced(byMs: turn)) == nil)
    }
    let calm = histogram.record(nanoseconds: 90_000_000, now: MonotonicTime.zero.advanced(byMs: 1000)) ?? -1
    #expect(calm >= 1000 && calm < 1200)
    for turn in 1..<20 {
      _ = histogram.record(nanoseconds: 40_000_000, now: MonotonicTime.zero.advanced(byMs: 1000 + turn * 50))
    }
    let busy = histogram.record(nanoseconds: 40_000_000, now: MonotonicTime.zero.advanced(byMs: 2000)) ?? -1
    #expect(busy >= 40_000 && busy < 46_000)
    #expect(histogram.isStale(at: MonotonicTime.zero.advanced(byMs: 4000)))
  }

  @Test func resolverAnswersOnTheWorker() {
    let harness = Harness()
    let resolver = Resolver()
    let done = DispatchSemaphore(value: 0)
    final class Log: @unchecked Sendable {
      var found: [SocketAddress] = []
      var reason = ""
      var literalWasAtOnce = false
    }
    let log = Log()
    harness.run { worker in
      resolver.resolve(host: "::1", port: 7, on: worker) { result in
        log.literalWasAtOnce = (try? result.get().first?.description) == "[::1]:7"
      }
      resolver.resolve(host: "localhost", port: 80, on: worker) { result in
        log.found = (try? result.get()) ?? []
        done.signal()
      }
      resolver.resolve(host: "no such host", port: 80, on: worker) { result in
        if case .failure(let failure) = result { log.reason = failure.description }
        done.signal()
      }
    }
    #expect(done.wait(timeout: .now() + 20) == .success && done.wait(timeout: .now() + 20) == .success)
    #expect(log.literalWasAtOnce)
    #expect(!log.found.isEmpty && log.found.allSatisfy { $0.isLoopback && $0.port == 80 })
    #expect(log.reason.hasPrefix("cannot resolve no such host: "))
  }

  @Test func aLeastTurnBoundsHowOftenThePollerIsAsked() {
    let harness = Harness()
    let (begun, turns) = harness.run { worker in
      worker.leastTurnNs = 2_000_000
      return (worker.now, worker.counters.turns)
    }
    // Each is a turn of its own, as the next is posted once it has run.
    for _ in 0..<20 { harness.run { _ in } }
    let passed = harness.run { $0.counters.turns } - turns
    // However slow the machine: so many turns take at least this long.
    #expect(MonotonicTime.now().nanoseconds(since: begun) >= (passed - 1) * 2_000_000)
    #expect(passed >= 20)
  }

  @Test func anEarlyFlushSendsBeforeTheTurnEnds() {
    let harness = Harness()
    let (address, server) = harness.listen(
      Behaviour(received: { probe, bytes in
        probe.write(bytes)
        let before = probe.output.byteCount
        probe.worker.flushEarly()
        probe.write(Array(" \(before) \(probe.output.byteCount)".utf8))
        probe.close()
      }))
    let peer = RawPeer(to: address)
    peer.send(Array("hello".utf8))
    #expect(String(decoding: peer.read(), as: UTF8.self) == "hello 5 0")
    #expect(server.wait { $0.closed == 1 })
  }
}
