import Testing
import TideCore

@testable import TideEngine

@Suite struct BeatWheelTests {
  private func at(_ nanoseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: nanoseconds) }

  private func drain(_ wheel: inout BeatWheel, _ now: UInt64) -> [Int32] {
    var result: [Int32] = []
    while let member = wheel.popDue(at(now)) { result.append(member) }
    return result
  }

  @Test func nothingIsEarlyAndNothingIsLost() {
    var wheel = BeatWheel(now: at(1_000_000_000))
    var due: [Int32: UInt64] = [:]
    var seed: UInt64 = 42
    for _ in 0..<2000 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let member = wheel.makeMember()
      // Up to five turns of the wheel ahead.
      let instant = 1_000_000_000 + seed >> 33 % 5_000_000_000
      due[member] = instant
      wheel.schedule(member, at: at(instant))
    }
    var now: UInt64 = 1_000_000_000
    while !due.isEmpty {
      let next = wheel.nextInstant.nanoseconds
      #expect(next > now)
      now = next
      for member in drain(&wheel, now) {
        let instant = due.removeValue(forKey: member)
        #expect(instant.map { $0 <= now } == true)
      }
      #expect(due.values.allSatisfy { $0 > now })
    }
    #expect(wheel.scheduledCount == 0)
    #expect(wheel.nextInstant == .distantFuture)
  }

  @Test func membersMayBeScheduledWhileTheirSlotIsServed() {
    var wheel = BeatWheel(now: at(0))
    let member = wheel.makeMember()
    wheel.schedule(member, at: at(100))
    #expect(wheel.popDue(at(200)) == member)
    wheel.schedule(member, at: at(150))
    #expect(wheel.popDue(at(200)) == member)
    wheel.schedule(member, at: at(300))
    #expect(wheel.popDue(at(200)) == nil)
    #expect(wheel.popDue(at(300)) == member)
  }

  @Test func aLateCallServesAllInOrder() {
    var wheel = BeatWheel(now: at(0))
    let members = (0..<8).map { _ in wheel.makeMember() }
    for member in members { wheel.schedule(member, at: at(UInt64(member) * 25_000_000)) }
    #expect(drain(&wheel, 10_000_000_000) == members)
  }

  @Test func numbersAreUsedAgain() {
    var wheel = BeatWheel(now: at(0))
    let member = wheel.makeMember()
    wheel.release(member)
    #expect(wheel.makeMember() == member)
  }
}
