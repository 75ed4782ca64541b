import Synchronization
import TideCore

/// How long turns take: the time from the poller's return to the end of the turn, as the 99th percentile of each second.
///
/// Written by the worker, read by any thread. New requests are shed by it.
public final class LoopLag: Sendable {
  private let publishedUs = Atomic<Int>(0)

  /// The 99th percentile of the last whole second with turns, rounded up.
  public var milliseconds: Int { (microseconds + 999) / 1000 }
  public var microseconds: Int { publishedUs.load(ordering: .relaxed) }

  func publish(microseconds: Int) { publishedUs.store(microseconds, ordering: .relaxed) }
}

/// The turns of the current second, in buckets of which eight double the value.
struct TurnHistogram {
  private static let windowNs: UInt64 = 1_000_000_000
  private var buckets = ContiguousArray<UInt32>(repeating: 0, count: 256)
  private var count: UInt32 = 0
  private var began: MonotonicTime

  init(now: MonotonicTime) { began = now }

  /// Adds a turn. At the end of a second returns its 99th percentile in microseconds and starts over.
  mutating func record(nanoseconds: UInt64, now: MonotonicTime) -> Int? {
    buckets[Self.bucket(of: nanoseconds / 1000)] &+= 1
    count &+= 1
    guard now.nanoseconds(since: began) >= Self.windowNs else { return nil }
    let result = percentile99
    restart(at: now)
    return result
  }

  func isStale(at now: MonotonicTime) -> Bool { now.nanoseconds(since: began) >= 2 * Self.windowNs }

  mutating func restart(at now: MonotonicTime) {
    if count > 0 {
      for index in buckets.indices { buckets[index] = 0 }
    }
    count = 0
    began = now
  }

  /// The worst turn of a second is always left out, so that one long turn of an idle worker is not taken for overload.
  private var percentile99: Int {
    var left = count - max(1, count / 100)
    for (index, inBucket) in buckets.enumerated() {
      if inBucket >= left { return Self.upperBound(of: index) }
      left -= inBucket
    }
    return 0
  }

  private static func bucket(of value: UInt64) -> Int {
    guard value >= 8 else { return Int(value) }
    let exponent = 63 - value.leadingZeroBitCount
    return min(255, (exponent - 2) * 8 + Int((value >> UInt64(exponent - 3)) & 7))
  }

  private static func upperBound(of bucket: Int) -> Int {
    guard bucket >= 8 else { return bucket }
    return ((bucket % 8 + 9) << (bucket / 8 - 1)) - 1
  }
}
