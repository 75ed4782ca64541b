import TideCore
import Testing

@testable import TideIO

@Suite struct TimerWheelTests {
  /// Writes down what fired and when.
  final class Log: TimerTarget {
    var fired: [(kind: UInt8, atMs: Int)] = []
    var onFire: ((UInt8) -> Void)?

    func timerFired(kind: UInt8, now: MonotonicTime) {
      fired.append((kind, Int(now.nanoseconds / 1_000_000)))
      onFire?(kind)
    }
  }

  static func at(_ milliseconds: Int) -> MonotonicTime { MonotonicTime.zero.advanced(byMs: milliseconds) }

  @Test func firesOnceAndNeverEarly() {
    let wheel = TimerWheel(now: Self.at(5))
    let log = Log()
    let token = wheel.schedule(at: Self.at(100).advanced(byNs: 1), target: log, kind: 7)
    wheel.advance(to: Self.at(100))
    #expect(log.fired.isEmpty)
    wheel.advance(to: Self.at(101))
    #expect(log.fired.map(\.kind) == [7])
    #expect(!wheel.cancel(token))
    wheel.advance(to: Self.at(100_000))
    #expect(log.fired.count == 1)
    #expect(wheel.count == 0)
    #expect(wheel.nextDeadline == .distantFuture)
  }

  @Test func holds100_000DeadlinesAndKeepsTheirOrder() {
    final class Ordered: TimerTarget {
      let due: Int
      let sink: Sink
      init(due: Int, sink: Sink) {
        self.due = due
        self.sink = sink
      }
      func timerFired(kind: UInt8, now: MonotonicTime) { sink.note(due: due, now: now) }
    }
    final class Sink {
      var count = 0
      var last = 0
      var isOrdered = true
      var isExact = true
      func note(due: Int, now: MonotonicTime) {
        count += 1
        if due < last { isOrdered = false }
        if now < TimerWheelTests.at(due) { isExact = false }
        last = due
      }
    }
    let wheel = TimerWheel(now: Self.at(123))
    let sink = Sink()
    var seed: UInt64 = 42
    var targets: [Ordered] = []
    var tokens: [TimerToken] = []
    for _ in 0..<100_000 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let due = 124 + Int(seed >> 33) % 700_000
      targets.append(Ordered(due: due, sink: sink))
      tokens.append(wheel.schedule(at: Self.at(due), target: targets[targets.count - 1], kind: 0))
    }
    #expect(wheel.count == 100_000)
    for index in stride(from: 0, to: 100_000, by: 4) { wheel.cancel(tokens[index]) }
    #expect(wheel.count == 75_000)
    var clock = 123
    while clock < 700_200 {
      clock += 1 + Int(seed % 977)
      seed = seed &* 6_364_136_223_846_793_005 &+ 1
      wheel.advance(to: Self.at(clock))
    }
    #expect(sink.count == 75_000)
    #expect(sink.isOrdered && sink.isExact)
  }

  @Test func nextDeadlineIsNeverLate() {
    let wheel = TimerWheel(now: Self.at(0))
    let log = Log()
    let dues = [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000, 16_777_216, 20_000_000]
    for due in dues { _ = wheel.schedule(at: Self.at(due), target: log, kind: 0) }
    // Sleeping exactly until the announced deadline, as a worker does.
    while wheel.count > 0 {
      let deadline = wheel.nextDeadline
      #expect(deadline != .distantFuture)
      wheel.advance(to: deadline)
    }
    #expect(log.fired.map(\.atMs) == dues)
  }

  @Test func farFutureIsKept() {
    let wheel = TimerWheel(now: Self.at(77))
    let log = Log()
    let year = 366 * 86_400_000
    _ = wheel.schedule(at: Self.at(year), target: log, kind: 1)
    _ = wheel.schedule(at: .distantFuture, target: log, kind: 2)
    wheel.advance(to: Self.at(year - 1))
    #expect(log.fired.isEmpty)
    wheel.advance(to: Self.at(year))
    #expect(log.fired.map(\.kind) == [1])
    #expect(wheel.count == 1)
  }

  @Test func targetsMayScheduleAndCancelWhileFiring() {
    let wheel = TimerWheel(now: Self.at(0))
    let log = Log()
    // It holds itself through the closure.
    defer { log.onFire = nil }
    var victim = TimerToken.none
    log.onFire = { kind in
      if kind == 1 {
        wheel.cancel(&victim)
        // Always in the past: must not be served in this very call.
        _ = wheel.schedule(at: .zero, target: log, kind: 1)
      }
    }
    _ = wheel.schedule(at: Self.at(10), target: log, kind: 1)
    victim = wheel.schedule(at: Self.at(10), target: log, kind: 2)
    wheel.advance(to: Self.at(5000))
    #expect(log.fired.map(\.kind) == [1])
    wheel.advance(to: Self.at(5001))
    #expect(log.fired.map(\.kind) == [1, 1])
  }

  @Test func rearmingKeepsOnlyTheLast() {
    let wheel = TimerWheel(now: Self.at(0))
    let log = Log()
    var token = TimerToken.none
    for step in 1...1000 {
      wheel.cancel(&token)
      token = wheel.schedule(at: Self.at(step + 300), target: log, kind: 0)
      wheel.advance(to: Self.at(step))
    }
    #expect(log.fired.isEmpty && wheel.count == 1)
    wheel.advance(to: Self.at(1300))
    #expect(log.fired.count == 1)
  }
}
