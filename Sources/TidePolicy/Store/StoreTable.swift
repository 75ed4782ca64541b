import TideCore

/// One shard's entries under their bounds. Pure: whoever holds the lock brings the clock.
struct StoreTable {
  struct Entry {
    var value: SharedStore.Value
    var expiry: MonotonicTime
  }

  /// What an entry costs besides the bytes of its key and value, about.
  static let entryBytes = 96

  private(set) var entries: [SharedStore.Key: Entry] = [:]
  private var byteCount = 0
  private let keysMax: Int
  private let bytesMax: Int
  private var lastSweep = MonotonicTime.zero

  init(keysMax: Int, bytesMax: Int) {
    self.keysMax = keysMax
    self.bytesMax = bytesMax
  }

  /// The entry, unless it has expired.
  mutating func live(_ key: SharedStore.Key, _ now: MonotonicTime) -> Entry? {
    guard let entry = entries[key] else { return nil }
    guard entry.expiry > now else {
      remove(key)
      return nil
    }
    return entry
  }

  /// False when there is no room.
  mutating func put(
    _ key: SharedStore.Key, _ value: SharedStore.Value, _ expiry: MonotonicTime, _ now: MonotonicTime
  ) -> Bool {
    if let old = entries[key] {
      byteCount += value.byteCount - old.value.byteCount
      entries[key] = Entry(value: value, expiry: expiry)
      return true
    }
    let cost = key.text.utf8.count + value.byteCount + Self.entryBytes
    guard makeRoom(cost, now) else { return false }
    byteCount += cost
    entries[key] = Entry(value: value, expiry: expiry)
    return true
  }

  mutating func remove(_ key: SharedStore.Key) {
    guard let old = entries.removeValue(forKey: key) else { return }
    byteCount -= key.text.utf8.count + old.value.byteCount + Self.entryBytes
  }

  private func hasRoom(_ cost: Int) -> Bool { entries.count < keysMax && byteCount + cost <= bytesMax }

  private mutating func makeRoom(_ cost: Int, _ now: MonotonicTime) -> Bool {
    if hasRoom(cost) { return true }
    // A sweep costs the table's length, so a flood of new keys must not cause one each time.
    if now.milliseconds(since: lastSweep) >= 1_000 {
      lastSweep = now
      for (key, entry) in entries where entry.expiry <= now { remove(key) }
    }
    while !hasRoom(cost) {
      // The nearest to its expiry of a few in the table's own, random order: for a limit that is the one that binds
      // least.
      let victim = entries.prefix(16).filter { $0.value.expiry < .distantFuture }.min {
        $0.value.expiry < $1.value.expiry
      }
      guard let victim else { return false }
      remove(victim.key)
    }
    return true
  }
}
