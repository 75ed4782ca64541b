import Synchronization
import Testing
import TideCore

@testable import TidePolicy

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct StoreTests {
  private let now = MonotonicTime(nanoseconds: 5_000_000_000)

  @Test func valuesExpireAndSpacesAreApart() throws {
    let store = SharedStore()
    let a = store.space("a")
    let b = store.space("b")
    try store.set(a, "k", .integer(1), ttlMs: 100, now: now)
    #expect(store.get(a, "k", now: now.advanced(byMs: 99)) == .integer(1))
    #expect(store.get(a, "k", now: now.advanced(byMs: 100)) == nil)
    #expect(store.get(b, "k", now: now) == nil)
    #expect(store.space("a") == a)
    #expect(try store.increment(a, "n", by: 3, ttlMs: 50, now: now) == 3)
    #expect(try store.increment(a, "n", by: 3, ttlMs: 50, now: now.advanced(byMs: 49)) == 6)
    #expect(try store.increment(a, "n", by: 3, ttlMs: 50, now: now.advanced(byMs: 50)) == 3)
    #expect(try store.increment(a, "max", by: .max, ttlMs: nil, now: now) == .max)
    #expect(try store.increment(a, "max", by: 1, ttlMs: nil, now: now) == .max)
  }

  @Test func compareAndSet() throws {
    let store = SharedStore()
    let a = store.space("a")
    #expect(try store.compareAndSet(a, "k", expected: nil, .integer(1), ttlMs: nil, now: now))
    #expect(try !store.compareAndSet(a, "k", expected: nil, .integer(2), ttlMs: nil, now: now))
    #expect(try store.compareAndSet(a, "k", expected: .integer(1), nil, ttlMs: nil, now: now))
    #expect(store.keyCount == 0)
  }

  @Test func itIsBounded() throws {
    let store = SharedStore(keysMax: 640, bytesMax: 1 << 20)
    let space = store.space("a")
    for index in 0..<20_000 { try store.set(space, "k\(index)", .integer(index), ttlMs: 1_000 + index, now: now) }
    #expect(store.keyCount <= 640)
    #expect(throws: SharedStore.StoreError.full) {
      for index in 0..<20_000 { try store.set(space, "p\(index)", .integer(index), ttlMs: nil, now: now) }
    }
    #expect(throws: SharedStore.StoreError.tooLarge) {
      try store.set(space, String(repeating: "k", count: 513), .integer(1), ttlMs: nil, now: now)
    }
    #expect(throws: SharedStore.StoreError.tooLarge) {
      try store.set(space, "k", .bytes(Array(repeating: 0, count: 70_000)), ttlMs: nil, now: now)
    }
  }

  @Test func longerValuesCountInFull() throws {
    let store = SharedStore(keysMax: 64_000, bytesMax: 16 << 20)
    let space = store.space("a")
    #expect(throws: SharedStore.StoreError.full) {
      for index in 0..<2_000 {
        try store.set(space, "k\(index)", .integer(1), ttlMs: nil, now: now)
        try store.set(space, "k\(index)", .bytes(Array(repeating: 0, count: 60_000)), ttlMs: nil, now: now)
      }
    }
    #expect(store.get(space, "k0", now: now) == .bytes(Array(repeating: 0, count: 60_000)))
  }

  @Test func oneSpaceCannotTakeAnothersRoom() throws {
    let store = SharedStore(keysMax: 6_400, bytesMax: 64 << 20)
    let (greedy, other) = (store.space("greedy"), store.space("other"))
    var refused = 0
    for index in 0..<20_000 {
      do { try store.set(greedy, "k\(index)", .integer(index), ttlMs: nil, now: now) } catch { refused += 1 }
    }
    #expect(refused > 10_000)
    #expect((2_500...3_200).contains(store.keyCount))
    let limit = try #require(RateLimit(rate: 1, perMs: 60_000, burst: 1))
    for index in 0..<20_000 {
      #expect(try store.take(other, "ip\(index)", amount: 1, limit: limit, now: now).isAllowed)
    }
    #expect(try !store.take(other, "ip19999", amount: 1, limit: limit, now: now).isAllowed)
    #expect(store.keyCount <= 6_400)
    #expect(store.get(greedy, "k0", now: now) == .integer(0), "what never expires is not taken for what does")
  }

  @Test func limitsAllowBurstThenRate() throws {
    let store = SharedStore()
    let space = store.space("a")
    let limit = try #require(RateLimit(rate: 10, perMs: 1_000, burst: 3))
    func take(_ ms: Int, _ amount: Int = 1) throws -> RateLimit.Decision {
      try store.take(space, "k", amount: amount, limit: limit, now: now.advanced(byMs: ms))
    }
    #expect(try take(0) == .init(isAllowed: true, remaining: 2, retryAfterMs: nil))
    #expect(try take(0, 2).isAllowed)
    #expect(try take(0) == .init(isAllowed: false, remaining: 0, retryAfterMs: 100))
    #expect(try !take(99).isAllowed)
    #expect(try take(100).isAllowed)
    #expect(try take(100, 4) == .init(isAllowed: false, remaining: 0, retryAfterMs: nil))
    #expect(try take(500, 0) == .init(isAllowed: true, remaining: 3, retryAfterMs: nil))
    #expect(RateLimit(rate: 0, perMs: 1, burst: 1) == nil)
    #expect(RateLimit(rate: 1, perMs: 31_000_000_000, burst: 1_000_000_000) == nil)
  }

  @Test func limitsAreExactAcrossThreads() throws {
    let store = SharedStore()
    let space = store.space("a")
    let limit = try #require(RateLimit(rate: 1_000, perMs: 60_000, burst: 1_000))
    let allowed = Atomic<Int>(0)
    let moment = now
    withUnsafeTemporaryAllocation(of: pthread_t.self, capacity: 8) { threads in
      for index in 0..<8 {
        let work = Unmanaged.passRetained(
          Work {
            for _ in 0..<500 {
              if case .success(let decision) = Result(catching: {
                try store.take(space, "k", amount: 1, limit: limit, now: moment)
              }), decision.isAllowed {
                allowed.add(1, ordering: .relaxed)
              }
            }
          })
        pthread_create(
          &threads[index], nil,
          { raw in
            Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue().body()
            return nil
          }, work.toOpaque())
      }
      for thread in threads { pthread_join(thread, nil) }
    }
    #expect(allowed.load(ordering: .relaxed) == 1_000)
  }

  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  @Test func theBreakerOpensTriesOnceAndCloses() {
    var breaker = PolicyBreaker()
    func opens(_ ms: Int) -> Bool { breaker.failed(now: now.advanced(byMs: ms)) }
    func runs(_ ms: Int) -> Bool { breaker.allowsRun(now: now.advanced(byMs: ms)) }
    for index in 0..<9 {
      #expect(!opens(index))
      #expect(runs(index))
    }
    #expect(!opens(10_001), "the first two are out of the window")
    #expect(!opens(10_001))
    #expect(opens(10_001))
    #expect(!runs(40_000))
    #expect(runs(40_001))
    #expect(opens(40_001))
    #expect(!runs(70_000))
    #expect(runs(70_001))
    breaker.succeeded()
    #expect(breaker.state == .closed)
  }

  @Test func aHalfOpenBreakerLetsOneRunThrough() {
    var breaker = PolicyBreaker()
    for index in 0..<PolicyBreaker.errorsMax { _ = breaker.failed(now: now.advanced(byMs: index)) }
    let later = now.advanced(byMs: PolicyBreaker.openMs + 10)
    func mightRun() -> Bool { breaker.mightRun(now: later) }
    func runs() -> Bool { breaker.allowsRun(now: later) }
    #expect(mightRun())
    #expect(runs())
    #expect(!mightRun())
    #expect(!runs())
    breaker.trialWasGivenUp()
    breaker.succeeded()
    #expect(breaker.state == .halfOpen, "a result without a trial decides nothing")
    #expect(runs())
    #expect(!runs())
    breaker.succeeded()
    #expect(breaker.state == .closed)
  }
}
