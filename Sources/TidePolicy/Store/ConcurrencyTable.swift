import Synchronization

/// How many exchanges hold each key of `tide.limit.concurrent` now.
///
/// An entry lives as long as somebody holds it, so that the exchanges in flight bound the table.
final class ConcurrencyTable: Sendable {
  private let shards = (0..<SharedStore.shardCount).map { _ in Shard() }

  private final class Shard: Sendable {
    let counts = Mutex<[SharedStore.Key: Int]>([:])
  }

  private func shard(_ key: SharedStore.Key) -> Shard {
    shards[Int(truncatingIfNeeded: UInt(bitPattern: key.hashValue) >> 7) & (SharedStore.shardCount - 1)]
  }

  /// Takes a place unless `maximum` are taken.
  ///
  /// - Returns: whether it was taken, and how many are left.
  func acquire(_ key: SharedStore.Key, maximum: Int) -> (isAllowed: Bool, remaining: Int) {
    shard(key).counts.withLock { counts in
      let held = counts[key] ?? 0
      guard held < maximum else { return (false, 0) }
      counts[key] = held + 1
      return (true, maximum - held - 1)
    }
  }

  /// How many more could take a place now.
  func remaining(_ key: SharedStore.Key, maximum: Int) -> Int {
    shard(key).counts.withLock { max(0, maximum - ($0[key] ?? 0)) }
  }

  func release(_ key: SharedStore.Key) {
    shard(key).counts.withLock { counts in
      guard let held = counts[key] else { return }
      counts[key] = held > 1 ? held - 1 : nil
    }
  }

  /// Keys that somebody holds.
  var keyCount: Int { shards.reduce(0) { $0 + $1.counts.withLock { $0.count } } }
}
